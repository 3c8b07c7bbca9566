"""Commands that check and clean the store."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from selftrain_assets.cli.common import AsJson, app, open_run, print_json

if TYPE_CHECKING:
    from selftrain_assets.operations.findings import Audit


@app.command()
def audit(
    name: Annotated[
        str | None, typer.Argument(help="name of the experiment; default: all, and every pool")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare manifests, files and Dagster's event log, and say what is missing or damaged."""
    from selftrain_assets.cli.ui import print_audit

    result = _audited(name)
    if as_json:
        lines = [asdict(line) | {"owed": line.owed} for line in result.lines]
        findings = [asdict(finding) for finding in result.findings]
        print_json({"clean": result.clean, "stages": lines, "findings": findings})
    else:
        print_audit(result)
    if not result.clean:
        raise typer.Exit(1)


def _audited(name: str | None) -> Audit:
    from selftrain_assets.api.auditing import audit_runs
    from selftrain_assets.config.experiment_files import experiment_names, without_file
    from selftrain_assets.store import Store

    store = Store.default()
    names = [name] if name else [*experiment_names(), *without_file(store.root)]
    return audit_runs(store, [open_run(name) for name in names], whole_store=name is None)


@app.command()
def gc(
    delete: Annotated[
        bool, typer.Option("--delete", help="remove the files; without this they are only listed")
    ] = False,
    history: Annotated[
        bool,
        typer.Option(
            "--history", help="include manifests that were replaced, and what only they needed"
        ),
    ] = False,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="include what was put aside as damaged")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List, or remove, files in the store that no manifest needs."""
    from selftrain_assets.cli.ui import print_garbage
    from selftrain_assets.operations.garbage import collect
    from selftrain_assets.store import Store

    garbage = collect(Store.default(), delete=delete, history=history, quarantine=quarantine)
    print_json(asdict(garbage) | {"bytes": garbage.bytes}) if as_json else print_garbage(garbage)
