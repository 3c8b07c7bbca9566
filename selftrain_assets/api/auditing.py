"""Audits of experiments: the store, and Dagster's event log where there is one."""

from __future__ import annotations

from collections.abc import Sequence

from selftrain_assets.dagster.sync import dagster_home
from selftrain_assets.operations import audit
from selftrain_assets.operations.findings import Audit
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.pipeline.run import Run
from selftrain_assets.store import Store


def audit_runs(store: Store, runs: Sequence[Run], whole_store: bool = False) -> Audit:
    """Compare manifests, files and Dagster's event log.

    Args:
        store: The store.
        runs: Experiments in it.
        whole_store: Also check experiments without settings, and every pool.
    """
    inspector = Inspector(store)
    lines = [line for run in runs for line in audit.audit(inspector, run)]
    if whole_store:
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
