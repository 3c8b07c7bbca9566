"""Tells Dagster's event log what the command line made, so that the UI shows it like any other materialization."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg

from selftrain_assets.assets.keys import asset_key
from selftrain_assets.assets.results import base_result, human_only_result, report_result, stage_result
from selftrain_assets.assets.specs import CODE_VERSION
from selftrain_assets.iterations import data_version, latest_materialization
from selftrain_assets.stages.loop import ALL_ROUNDS
from selftrain_assets.stages.run import BASE, INPUTS, Run
from selftrain_assets.store import Manifest


def recorder(run: Run) -> Callable[[Manifest], None]:
    """A function to be called with each finished manifest. What the log holds already is not told again."""
    instance = dg.DagsterInstance.get()

    def record(manifest: Manifest) -> None:
        match manifest.scope, manifest.stage:
            case str(scope), "problems" if scope == INPUTS:
                _report(instance, run, "problems", None, manifest.digest, lambda: stage_result(run, manifest))
            case str(scope), "evaluation" if scope == BASE:
                _report(instance, run, "base", None, run.need(BASE, "checkpoint").digest, lambda: base_result(run))
            case str(scope), "evaluation" if scope == ALL_ROUNDS:
                _report(instance, run, "human_only", None, run.need(ALL_ROUNDS, "checkpoint").digest, lambda: human_only_result(run))
                _report(instance, run, "report", None, None, lambda: report_result(run))
            case str(scope), str(stage) if scope.startswith("iter-"):
                _report(instance, run, stage, scope, manifest.digest, lambda: stage_result(run, manifest))

    return record


def _report(
    instance: dg.DagsterInstance,
    run: Run,
    name: str,
    partition: str | None,
    version: str | None,
    made: Callable[[], dg.MaterializeResult],
) -> None:
    """Tell of an asset of this data version, and, where the log does not hold it, ask what there is to tell. Without a version
    it is always told."""
    key = asset_key(run.name, name)
    if version is not None and data_version(latest_materialization(instance, key, partition)) == version:
        return
    result = made()
    tags = {"dagster/code_version": CODE_VERSION, **({"dagster/data_version": version} if version else {})}
    instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition, metadata=result.metadata, tags=tags))
    for found in result.check_results or []:
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=key,
                check_name=str(found.check_name),
                passed=found.passed,
                metadata=dict(found.metadata),
                severity=found.severity,
                description=found.description,
                blocking=found.severity == dg.AssetCheckSeverity.ERROR,
            )
        )
