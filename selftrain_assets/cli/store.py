"""Commands that ask the store."""

from __future__ import annotations

from typing import Annotated

import typer

from selftrain_assets.cli.common import AsJson, Name, app, open_run, print_json
from selftrain_assets.core.errors import UserError


@app.command()
def show(
    name: Name,
    iteration: Annotated[int, typer.Argument(help="round, from 1", min=1)],
    outcome: Annotated[str | None, typer.Option(help="only this outcome: pass, wrong, malformed, ...")] = None,
    limit: Annotated[int, typer.Option(help="how many", min=1)] = 3,
    as_json: AsJson = False,
) -> None:
    """Samples of a round: prompt, completion, verdict and reason."""
    from selftrain_assets.core.errors import nearest
    from selftrain_assets.core.types import Outcome
    from selftrain_assets.stages.run import iteration_scope
    from selftrain_assets.store import Store
    from selftrain_assets.store.catalog import query
    from selftrain_assets.terminal import print_samples

    opened = open_run(name)
    if outcome is not None and outcome not in list(Outcome):
        raise UserError(f'--outcome: there is no "{outcome}"{nearest(outcome, map(str, Outcome))}')
    opened.need(iteration_scope(iteration), "verifications")
    condition = f" AND outcome = '{outcome}'" if outcome else ""
    columns, rows = query(
        Store.default(),
        f"SELECT * FROM verdicts WHERE experiment = '{name}' AND scope = '{iteration_scope(iteration)}'"
        f"{condition} ORDER BY hash(sample_key) LIMIT {limit}",
    )
    samples = [dict(zip(columns, row, strict=True)) for row in rows]
    if as_json:
        print_json(samples)
    else:
        print_samples(samples)


@app.command()
def sql(
    statement: Annotated[
        str, typer.Argument(help="one DuckDB statement over the views verdicts, samples, verifications, rows, problems, scores, manifests")
    ],
    as_json: AsJson = False,
) -> None:
    """Ask the store anything."""
    from selftrain_assets.store import Store
    from selftrain_assets.store.catalog import query
    from selftrain_assets.terminal import print_rows

    columns, rows = query(Store.default(), statement)
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_rows(columns, rows)
