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
    iteration: Annotated[int, typer.Argument(help="round, from 1", min=1)],
    outcome: Annotated[
        str | None, typer.Option(help="only this outcome: pass, wrong, malformed, ...")
    ] = None,
    limit: Annotated[int, typer.Option(help="how many", min=1)] = 3,
    as_json: AsJson = False,
) -> None:
    """Samples of a round: prompt, completion, verdict and reason."""
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
    """Ask the store anything."""
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
            "--diff", help="also list every changed verdict, and every row that would come or go"
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Judge the samples of finished rounds by the verifier that the experiment names now, and
    say what that would change.
    """  # noqa: D205 - the help text
    from selftrain_assets.cli.ui import RunDisplay, print_differences
    from selftrain_assets.operations.reverify import reverify

    with RunDisplay(quiet=as_json) as display:
        found = reverify(open_run(name, display.progress))
    print_json([asdict(each) for each in found]) if as_json else print_differences(found, diff)


@app.command()
def retract(
    name: Name,
    problem: Annotated[str | None, typer.Option(help="id of a problem")] = None,
    sample: Annotated[
        str | None, typer.Option(help="key of a sample, or the beginning of one")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            help=(
                "human, a source that a stage of the recipe has, or the round that drew the"
                " samples, such as iter-002"
            )
        ),
    ] = None,
    reason: Annotated[str, typer.Option(help="why; kept with the mark")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="take the retraction back")] = False,
    as_json: AsJson = False,
) -> None:
    """Mark bad evidence: no round learns from it again, and what did is named and owed again."""
    from selftrain_assets.cli.ui import print_affected
    from selftrain_assets.operations import retract as retraction

    choices: dict[Kind, str | None] = {"problem": problem, "sample": sample, "source": source}
    given = [(kind, value) for kind, value in choices.items() if value is not None]
    if len(given) != 1:
        raise UserError("give one of --problem, --sample and --source")
    (kind, value), opened = given[0], open_run(name)
    if undo:
        retraction.take_back(opened, kind, value)
        (
            print_json({"undone": f"{kind} {value}"})
            if as_json
            else typer.echo(f"{kind} {value} counts again; run: selftrain run {name}")
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
    no_args_is_help=True, help="Where a checkpoint comes from, and where a sample went."
)
app.add_typer(lineage, name="lineage")


@lineage.command()
def checkpoint(
    name: Name,
    iteration: Annotated[int, typer.Argument(help="round, from 1; 0 is the base", min=0)],
    row: Annotated[
        int | None,
        typer.Option(
            help="one row of its dataset, from 1, down to prompt, seed and verdict", min=1
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """From a checkpoint back to its dataset, samples, policies and, at last, the base."""
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
    key: Annotated[str, typer.Argument(help="key of a sample, or the beginning of one")],
    forward: Annotated[
        bool,
        typer.Option(
            "--forward", help="also every dataset, checkpoint and later round that it entered"
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """A sample's prompt, parameters, seed, engine, policy and verdicts."""
    from selftrain_assets.cli.ui import print_lineage
    from selftrain_assets.operations.lineage import Lineage
    from selftrain_assets.store import Store

    found = Lineage(Store.default())
    node = found.forward(key) if forward else found.sample(key)
    print_json(asdict(node)) if as_json else print_lineage(node)
