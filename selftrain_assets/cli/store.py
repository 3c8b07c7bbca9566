"""Commands that query the store."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from selftrain_assets.cli.common import AsJson, Name, app, open_run, print_json
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.retraction import Kind


@app.command()
def show(
    name: Name,
    iteration: Annotated[int, typer.Argument(help="number of the round, from 1", min=1)],
    outcome: Annotated[
        str | None, typer.Option(help="only samples with this outcome: pass, wrong, malformed, ...")
    ] = None,
    limit: Annotated[int, typer.Option(help="number of samples", min=1)] = 3,
    as_json: AsJson = False,
) -> None:
    """Print samples of a round: prompt, completion, verdict and reason."""
    from selftrain_assets.cli.ui import print_samples
    from selftrain_assets.domain.errors import nearest
    from selftrain_assets.domain.types import Outcome
    from selftrain_assets.operations.catalog import verdicts_of_round
    from selftrain_assets.pipeline.run import iteration_scope
    from selftrain_assets.store import Store

    opened = open_run(name)
    if outcome is not None and outcome not in list(Outcome):
        raise UserError(f'--outcome: there is no "{outcome}"{nearest(outcome, map(str, Outcome))}')
    opened.need(iteration_scope(iteration), "verifications")
    samples = verdicts_of_round(Store.default(), name, iteration_scope(iteration), outcome, limit)
    if as_json:
        print_json(samples)
    else:
        print_samples(samples)


@app.command()
def sql(
    statement: Annotated[
        str,
        typer.Argument(
            help=(
                "one DuckDB statement over the views verdicts, samples, verifications, rows,"
                " problems, scores, manifests"
            )
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Query all samples, verdicts and rows with DuckDB."""
    from selftrain_assets.cli.ui import print_rows
    from selftrain_assets.operations.catalog import query
    from selftrain_assets.store import Store

    columns, rows = query(Store.default(), statement)
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_rows(columns, rows)


@app.command()
def verify(
    name: Name,
    diff: Annotated[
        bool,
        typer.Option(
            "--diff",
            help="also list every changed verdict, and every row that would be added or removed",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Judge finished rounds with the present verifier, and say what would change."""
    from selftrain_assets.cli.ui import RunDisplay, print_differences
    from selftrain_assets.operations.reverify import reverify

    with RunDisplay(quiet=as_json) as display:
        rounds = reverify(open_run(name, display.progress))
    print_json([asdict(r) for r in rounds]) if as_json else print_differences(rounds, diff)


@app.command()
def retract(
    name: Name,
    problem: Annotated[str | None, typer.Option(help="id of a problem")] = None,
    sample: Annotated[str | None, typer.Option(help="key of a sample, or its beginning")] = None,
    source: Annotated[
        str | None,
        typer.Option(
            help=(
                "source of rows: human, one of the recipe's, or the round that drew the samples,"
                " such as iter-002"
            )
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="why; recorded with the retraction")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="undo the retraction")] = False,
    as_json: AsJson = False,
) -> None:
    """Withdraw bad evidence: no round learns from it again, and what did is trained again."""
    from selftrain_assets.cli.ui import print_affected
    from selftrain_assets.operations import retract as retraction

    choices: dict[Kind, str | None] = {"problem": problem, "sample": sample, "source": source}
    given = [(kind, value) for kind, value in choices.items() if value is not None]
    if len(given) != 1:
        raise UserError("say what to retract: give exactly one of --problem, --sample and --source")
    (kind, value), opened = given[0], open_run(name)
    if undo:
        retraction.take_back(opened, kind, value)
        (
            print_json({"undone": f"{kind} {value}"})
            if as_json
            else typer.echo(f"{kind} {value} counts again. Next: selftrain run {name}")
        )
        return
    affected = retraction.retract(opened, kind, value, reason)
    repair = retraction.repair(opened, affected)
    (
        print_json(asdict(affected) | {"repair": repair})
        if as_json
        else print_affected(affected, repair)
    )


lineage = typer.Typer(
    no_args_is_help=True, help="Trace where a checkpoint comes from, or where a sample went."
)
app.add_typer(lineage, name="lineage")


@lineage.command()
def checkpoint(
    name: Name,
    iteration: Annotated[int, typer.Argument(help="round, from 1; 0 for the base", min=0)],
    row: Annotated[
        int | None,
        typer.Option(
            help="trace this row of its dataset, from 1, to prompt, seed and verdict", min=1
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Trace a checkpoint back to its dataset, samples, policies and the base."""
    from selftrain_assets.cli.ui import print_lineage
    from selftrain_assets.operations.lineage import Lineage
    from selftrain_assets.pipeline.run import BASE, iteration_scope
    from selftrain_assets.store import Store

    open_run(name)
    node = Lineage(Store.default()).checkpoint(
        name, iteration_scope(iteration) if iteration else BASE, row
    )
    print_json(asdict(node)) if as_json else print_lineage(node)


@lineage.command()
def sample(
    key: Annotated[str, typer.Argument(help="key of a sample, or its beginning")],
    forward: Annotated[
        bool,
        typer.Option(
            "--forward", help="also every dataset, checkpoint and later round that used it"
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a sample's prompt, settings, seed, engine, policy and verdicts."""
    from selftrain_assets.cli.ui import print_lineage
    from selftrain_assets.operations.lineage import Lineage
    from selftrain_assets.store import Store

    tracer = Lineage(Store.default())
    node = tracer.forward(key) if forward else tracer.sample(key)
    print_json(asdict(node)) if as_json else print_lineage(node)
