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
        str | None, typer.Argument(help="experiment; default: all of them, and every pool")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check everything that is kept: what is wanted, committed, owed, duplicated, lost;
    manifests, files and Dagster's log.
    """  # noqa: D205 - the help text
    from selftrain_assets.cli.ui import print_audit

    found = _audited(name)
    if as_json:
        lines = [asdict(line) | {"owed": line.owed} for line in found.lines]
        print_json(
            {"clean": found.clean, "stages": lines, "findings": [asdict(f) for f in found.findings]}
        )
    else:
        print_audit(found)
    if not found.clean:
        raise typer.Exit(1)


def _audited(name: str | None) -> Audit:
    from selftrain_assets.config.experiment_files import experiment_names, without_file
    from selftrain_assets.dagster.sync import dagster_home
    from selftrain_assets.operations import audit
    from selftrain_assets.operations.findings import Audit
    from selftrain_assets.operations.inspector import Inspector
    from selftrain_assets.store import Store

    store = Store.default()
    runs = [
        open_run(each)
        for each in ([name] if name else [*experiment_names(), *without_file(store.root)])
    ]
    inspector = Inspector(store)
    lines = [line for run in runs for line in audit.audit(inspector, run)]
    if name is None:
        known = {run.name for run in runs}
        for folder in sorted((store.root / "experiments").glob("*/")):
            if folder.name not in known:
                lines += audit.audit_without_settings(inspector, folder.name)
        inspector.all_pools()
    findings = list(inspector.findings)
    if dagster_home() and not any(f.kind == "unreadable" for f in findings):
        from selftrain_assets.dagster.audit import compare_with_dagster

        findings += [f for run in runs for f in compare_with_dagster(run)]
    return Audit(tuple(lines), tuple(findings))


@app.command()
def gc(
    delete: Annotated[
        bool, typer.Option("--delete", help="remove it; without this, only tell")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="let go of superseded versions too")
    ] = False,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="let go of what was put aside as damaged, too")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List, or remove, what no manifest needs: temporary files, scratch, orphans, unneeded
    tables, checkpoints and pools.
    """  # noqa: D205 - the help text
    from selftrain_assets.cli.ui import print_garbage
    from selftrain_assets.operations.garbage import collect
    from selftrain_assets.store import Store

    found = collect(Store.default(), delete=delete, history=history, quarantine=quarantine)
    if as_json:
        print_json(asdict(found) | {"bytes": found.bytes})
    else:
        print_garbage(found)
