"""What Dagster records of finished stages: the same whether an asset, a job or the command line
finished them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
from selftrain_assets.pipeline.checks import check
from selftrain_assets.pipeline.loop import ALL_ROUNDS, ONE_ROUND
from selftrain_assets.pipeline.results import CheckpointResult, PolicyResult
from selftrain_assets.pipeline.run import BASE, Run
from selftrain_assets.reports import findings, summarize, write_report
from selftrain_assets.reports.figures import INLINE, figures, sweep
from selftrain_assets.reports.render import markdown_table
from selftrain_assets.reports.sweeps import short, sweep_table
from selftrain_assets.store import SHORT, Manifest


def stage_result(
    run: Run, manifest: Manifest, instance: dg.DagsterInstance
) -> dg.MaterializeResult:
    """The digest as data version, metadata, and the outcome of the stage's checks."""
    checks = check(run, manifest)
    if manifest.stage == "policy" and manifest.result(PolicyResult).origin.startswith("iter-"):
        checks = [
            _in_the_log(run, manifest, instance, c) if c.name == LOOP_EDGE else c for c in checks
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


def _in_the_log(run: Run, manifest: Manifest, instance: dg.DagsterInstance, found: Check) -> Check:
    """Does Dagster's event log, too, give this policy and the checkpoint that it is the same
    data version?"""
    origin = manifest.result(PolicyResult).origin
    recorded = data_version(
        latest_materialization(instance, asset_key(run.name, "checkpoint"), origin, run.store.root)
    )
    if not found.passed or recorded in (None, manifest.digest):
        return found
    message = (
        f"Dagster's event log has {origin} checkpoint with data version {recorded[:SHORT]}, the"
        f" store with digest {manifest.digest[:SHORT]}; run `selftrain run {run.name} --sync`,"
        " which tells Dagster what the store holds"
    )
    return Check(LOOP_EDGE, False, False, message, found.evidence)


def base_result(run: Run) -> dg.MaterializeResult:
    """Weights and evaluation of the base, as one asset."""
    weights, measured = run.need(BASE, "checkpoint"), run.need(BASE, "evaluation")
    return dg.MaterializeResult(
        metadata={**metadata_of(run, measured), **metadata_of(run, weights)},
        data_version=dg.DataVersion(weights.digest),
    )


def human_only_result(run: Run) -> dg.MaterializeResult:
    """Both controls, as one asset."""
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
    """The report, written anew, with its figures inline."""
    page, summary = write_report(run), summarize(run)
    shown = {name: figure(png) for name, png in figures(summary, INLINE).items()}
    return dg.MaterializeResult(
        metadata={
            "findings": dg.MetadataValue.md(findings(summary)),
            **shown,
            "report": dg.MetadataValue.path(str(page)),
        }
    )


def sweep_result(found: dict[str, Any], page: Path) -> dg.MaterializeResult:
    """The comparison of a sweep's points: table, figure, and the accuracy of each."""
    _, columns, cells = table = sweep_table(found)
    accuracy = {
        f"{split} {measure} {short(found, arm['name'])}": of[measure][-1]["mean"]
        for arm in found["arms"]
        for split, of in arm["accuracy"].items()
        for measure in of
    }
    return dg.MaterializeResult(
        metadata={
            "table": dg.MetadataValue.md(f"{table.title}\n\n{markdown_table(columns, cells)}"),
            "figure": figure(sweep(found, INLINE)),
            "terms": dg.MetadataValue.md(" ".join(found["terms"])),
            **{
                name: dg.MetadataValue.float(round(mean, DIGITS))
                for name, mean in accuracy.items()
                if mean is not None
            },
            "points": len(found["arms"]),
            "left out": len(found["sweep"]["left_out"]),
            "report": dg.MetadataValue.path(str(page)),
        }
    )
