"""What Dagster records of finished stages: the same whether an asset or the command line finished them."""

from __future__ import annotations

import dagster as dg

from selftrain_assets.assets.metadata import figure, metadata_of
from selftrain_assets.reports import figures_of, findings, summarize, write_report
from selftrain_assets.stages.checks import check
from selftrain_assets.stages.loop import ALL_ROUNDS, ONE_ROUND
from selftrain_assets.stages.run import BASE, Run
from selftrain_assets.store import Manifest


def stage_result(run: Run, manifest: Manifest) -> dg.MaterializeResult:
    """The digest as data version, metadata, and the outcome of the stage's checks."""
    results = [
        dg.AssetCheckResult(
            check_name=c.name,
            passed=c.passed,
            description=c.message,
            metadata={**c.evidence, "round": manifest.scope},
            severity=dg.AssetCheckSeverity.ERROR if c.blocking else dg.AssetCheckSeverity.WARN,
        )
        for c in check(manifest)
    ]
    return dg.MaterializeResult(metadata=metadata_of(run, manifest), data_version=dg.DataVersion(manifest.digest), check_results=results)


def base_result(run: Run) -> dg.MaterializeResult:
    """Weights and evaluation of the base, as one asset."""
    weights, measured = run.need(BASE, "checkpoint"), run.need(BASE, "evaluation")
    return dg.MaterializeResult(
        metadata={**metadata_of(run, measured), **metadata_of(run, weights)}, data_version=dg.DataVersion(weights.digest)
    )


def human_only_result(run: Run) -> dg.MaterializeResult:
    """Both controls, as one asset."""
    numbers: dict[str, dg.MetadataValue] = {}
    for scope in (ONE_ROUND, ALL_ROUNDS):
        steps = run.need(scope, "checkpoint").counts["optimizer_steps"]
        numbers |= {
            f"{scope} ({steps} steps) {name}": value
            for name, value in metadata_of(run, run.need(scope, "evaluation")).items()
            if name.startswith(("greedy_accuracy", "pass@", "maj@"))
        }
    return dg.MaterializeResult(metadata=numbers, data_version=dg.DataVersion(run.need(ALL_ROUNDS, "checkpoint").digest))


def report_result(run: Run) -> dg.MaterializeResult:
    """The report, written anew, with its figures inline."""
    page, summary = write_report(run), summarize(run)
    shown = {name: figure((page.parent / f"{name}.png").read_bytes()) for name in figures_of(summary)}
    return dg.MaterializeResult(
        metadata={"findings": dg.MetadataValue.md(findings(summary)), **shown, "report": dg.MetadataValue.path(str(page))}
    )
