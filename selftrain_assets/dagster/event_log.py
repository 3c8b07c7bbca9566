"""Record stages in Dagster's event log that were not made by an asset body.

They were made by the command line or by the job of a whole experiment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import dagster as dg
from filelock import FileLock

from selftrain_assets.dagster.keys import asset_key
from selftrain_assets.dagster.partitions import data_version, latest_materialization
from selftrain_assets.dagster.results import (
    base_result,
    human_only_result,
    report_result,
    stage_result,
    sweep_result,
)
from selftrain_assets.dagster.specs import CODE_VERSION
from selftrain_assets.pipeline.loop import ALL_ROUNDS
from selftrain_assets.pipeline.run import BASE, INPUTS, Run
from selftrain_assets.reports.comparison import Comparison
from selftrain_assets.store import Manifest

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation


def open_instance() -> dg.DagsterInstance:
    """Open the Dagster instance in DAGSTER_HOME.

    Dagster breaks its database if several processes create it at once, so a lock lets one process
    at a time open it.
    """
    with FileLock(Path(os.environ["DAGSTER_HOME"]) / ".selftrain.lock"):
        instance = dg.DagsterInstance.get()
        instance.event_log_storage.is_persistent  # noqa: B018  makes the database where there is none
        return instance


class EventLog:
    """Records what the command line makes in the event log of the instance in DAGSTER_HOME."""

    def __init__(self, run: Run) -> None:
        self._run, self._has_reported = run, False
        self._instance = open_instance()

    def report(self, manifest: Manifest) -> None:
        """Record a finished stage."""
        self._report(events(self._run, self._instance, manifest))

    def report_report(self) -> None:
        """Record the report, if any stage was recorded or the report never was."""
        if (
            self._has_reported
            or latest_materialization(self._instance, asset_key(self._run.name, "report"), None)
            is None
        ):
            self._report(report_events(self._run, self._instance))

    def _report(self, events: Iterable[Event]) -> None:
        for event in events:
            self._instance.report_runless_asset_event(event)
            self._has_reported = True


def events(run: Run, instance: dg.DagsterInstance, manifest: Manifest) -> Iterator[Event]:
    """Yield the events of a finished stage that the log does not have yet."""
    match manifest.scope, manifest.stage:
        case str(scope), "problems" if scope == INPUTS:
            yield from _unrecorded(
                instance,
                run,
                "problems",
                None,
                manifest.digest,
                lambda: stage_result(run, manifest, instance),
            )
        case str(scope), "evaluation" if scope == BASE:
            yield from _unrecorded(
                instance,
                run,
                "base",
                None,
                run.need(BASE, "checkpoint").digest,
                lambda: base_result(run),
            )
        case str(scope), "evaluation" if scope == ALL_ROUNDS:
            weights = run.need(ALL_ROUNDS, "checkpoint").digest
            yield from _unrecorded(
                instance, run, "human_only", None, weights, lambda: human_only_result(run)
            )
        case str(scope), str(stage) if scope.startswith("iter-"):
            yield from _unrecorded(
                instance,
                run,
                stage,
                scope,
                manifest.digest,
                lambda: stage_result(run, manifest, instance),
            )


def report_events(run: Run, instance: dg.DagsterInstance) -> Iterator[Event]:
    """Write the report anew and yield its event."""
    yield from _unrecorded(instance, run, "report", None, None, lambda: report_result(run))


def sweep_event(name: str, comparison: Comparison, page: Path) -> dg.AssetMaterialization:
    """Return the event for the comparison of a sweep's points."""
    metadata = sweep_result(comparison, page).metadata
    return dg.AssetMaterialization(
        asset_key(name, "sweep"), metadata=metadata, tags={"dagster/code_version": CODE_VERSION}
    )


def report_sweep(name: str, comparison: Comparison, page: Path) -> None:
    """Record the comparison of a sweep in the instance in DAGSTER_HOME."""
    with open_instance() as instance:
        instance.report_runless_asset_event(sweep_event(name, comparison, page))


def _unrecorded(
    instance: dg.DagsterInstance,
    run: Run,
    name: str,
    partition: str | None,
    version: str | None,
    make_result: Callable[[], dg.MaterializeResult],
) -> Iterator[Event]:
    """Yield the events of an asset, unless the log has them from this store.

    Without a data version they are always yielded.
    """
    key = asset_key(run.name, name)
    if (
        version is not None
        and data_version(latest_materialization(instance, key, partition, run.store.root))
        == version
    ):
        return
    result = make_result()
    tags = {
        "dagster/code_version": CODE_VERSION,
        **({"dagster/data_version": version} if version else {}),
    }
    yield dg.AssetMaterialization(key, partition=partition, metadata=result.metadata, tags=tags)
    for check in result.check_results or []:
        yield dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=str(check.check_name),
            passed=check.passed,
            metadata=dict(check.metadata),
            severity=check.severity,
            description=check.description,
            blocking=check.severity == dg.AssetCheckSeverity.ERROR,
        )
