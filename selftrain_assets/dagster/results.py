"""What Dagster records of a finished stage.

It is the same whether an asset, a job or the command line finished the stage.
"""

from __future__ import annotations

from math import isnan
from pathlib import Path

import dagster as dg

from selftrain_assets.dagster.keys import asset_key
from selftrain_assets.dagster.metadata import DIGITS, figure, metadata_of, rows_shown
from selftrain_assets.dagster.partitions import (
    STORE,
    data_version,
    identity,
    latest_materialization,
)
from selftrain_assets.domain.quality_checks import LOOP_EDGE, Check
from selftrain_assets.pipeline.loop import ALL_ROUNDS, ONE_ROUND
from selftrain_assets.pipeline.results import CheckpointResult, PolicyResult
from selftrain_assets.pipeline.run import BASE, Run
from selftrain_assets.pipeline.stages import check
from selftrain_assets.reports import draw, findings, summarize, write_report
from selftrain_assets.reports.comparison import Comparison
from selftrain_assets.reports.figures import INLINE
from selftrain_assets.reports.render import markdown_table
from selftrain_assets.reports.sweeps import short, sweep_figure, sweep_table
from selftrain_assets.store import SHORT, Manifest


def stage_result(
    run: Run, manifest: Manifest, instance: dg.DagsterInstance
) -> dg.MaterializeResult:
    """Return the digest as data version, the metadata, and the results of the stage's checks."""
    checks = check(run, manifest)
    if manifest.stage == "policy" and manifest.result(PolicyResult).origin.startswith("iter-"):
        checks = [
            _edge_in_event_log(run, manifest, instance, c) if c.name == LOOP_EDGE else c
            for c in checks
        ]
    results = [
        dg.AssetCheckResult(
            check_name=c.name,
            passed=c.passed,
            description=c.message,
            metadata=rows_shown(c.evidence) | {"round": manifest.scope},
            severity=dg.AssetCheckSeverity.ERROR if c.blocking else dg.AssetCheckSeverity.WARN,
        )
        for c in checks
    ]
    return dg.MaterializeResult(
        metadata=metadata_of(run, manifest),
        data_version=dg.DataVersion(manifest.digest),
        check_results=results,
    )


def _edge_in_event_log(
    run: Run, manifest: Manifest, instance: dg.DagsterInstance, edge: Check
) -> Check:
    """Check that Dagster's event log agrees with the store on this policy's checkpoint.

    Both must give the policy and the checkpoint the same data version. Returns `edge` if they do
    or if the log has no record.
    """
    origin = manifest.result(PolicyResult).origin
    recorded = data_version(
        latest_materialization(instance, asset_key(run.name, "checkpoint"), origin, run.store.root)
    )
    if not edge.passed or recorded in (None, manifest.digest):
        return edge
    message = (
        f"Dagster's event log has the checkpoint of {origin} with data version {recorded[:SHORT]},"
        f" the store with digest {manifest.digest[:SHORT]}; run `selftrain run {run.name} --sync`,"
        " which reports it to Dagster"
    )
    return Check(LOOP_EDGE, False, False, message, edge.evidence)


def base_result(run: Run) -> dg.MaterializeResult:
    """Return the weights and the evaluation of the base as the result of one asset."""
    weights, measured = run.need(BASE, "checkpoint"), run.need(BASE, "evaluation")
    return dg.MaterializeResult(
        metadata={**metadata_of(run, measured), **metadata_of(run, weights)},
        data_version=dg.DataVersion(weights.digest),
    )


def human_only_result(run: Run) -> dg.MaterializeResult:
    """Return both controls as the result of one asset."""
    numbers: dict[str, dg.MetadataValue] = {STORE: dg.MetadataValue.path(identity(run.store.root))}
    for scope in (ONE_ROUND, ALL_ROUNDS):
        steps = run.need(scope, "checkpoint").result(CheckpointResult).optimizer_steps
        numbers |= {
            f"{scope} ({steps} steps) {name}": value
            for name, value in metadata_of(run, run.need(scope, "evaluation")).items()
            if name.startswith(("greedy_accuracy", "pass@", "maj@"))
        }
    return dg.MaterializeResult(
        metadata=numbers, data_version=dg.DataVersion(run.need(ALL_ROUNDS, "checkpoint").digest)
    )


def report_result(run: Run) -> dg.MaterializeResult:
    """Write the report anew and return it with its figures inline."""
    page, summary = write_report(run), summarize(run)
    shown = {name: figure(png) for name, png in draw(summary, INLINE).items()}
    return dg.MaterializeResult(
        metadata={
            "findings": dg.MetadataValue.md(findings(summary)),
            **shown,
            "report": dg.MetadataValue.path(str(page)),
        }
    )


def sweep_result(comparison: Comparison, page: Path) -> dg.MaterializeResult:
    """Return the comparison of a sweep's points: table, figure, and the accuracy of each point."""
    table = sweep_table(comparison)
    numbers = {}
    for arm in comparison.arms:
        for split, measures in arm.accuracy.items():
            for measure, course in measures.items():
                if not isnan(course[-1].mean):
                    numbers[f"{split} {measure} {short(comparison, arm.name)}"] = round(
                        course[-1].mean, DIGITS
                    )
    return dg.MaterializeResult(
        metadata={
            "table": dg.MetadataValue.md(
                f"{table.title}\n\n{markdown_table(table.header, table.rows)}"
            ),
            "figure": figure(sweep_figure(comparison, INLINE)),
            "terms": dg.MetadataValue.md(" ".join(comparison.terms)),
            **{name: dg.MetadataValue.float(mean) for name, mean in numbers.items()},
            "points": len(comparison.arms),
            "points left out": len(comparison.sweep.left_out) if comparison.sweep else 0,
            "report": dg.MetadataValue.path(str(page)),
        }
    )
