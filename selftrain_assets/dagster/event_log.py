"""What Dagster's event log is told of stages that no asset body has made: by the command line,
or by the job of a whole experiment."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

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
from selftrain_assets.store import Manifest

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation


@contextmanager
def _alone() -> Iterator[None]:
    """One process of the command line at a time, on this machine: two that make the same
    database at once are one too many for it."""
    folder = os.open(os.environ["DAGSTER_HOME"], os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


class EventLog:
    """The log of the instance in DAGSTER_HOME, for what the command line makes."""

    def __init__(self, run: Run) -> None:
        self._run, self._news = run, False
        with _alone():
            self._instance = dg.DagsterInstance.get()
            self._instance.event_log_storage.is_persistent  # noqa: B018  opens it, and makes it where it is not there yet

    def tell(self, manifest: Manifest) -> None:
        """Of a finished stage."""
        for event in events(self._run, self._instance, manifest):
            self._report(event)

    def tell_of_report(self) -> None:
        """Where there was anything new, or nobody ever told of one."""
        if (
            self._news
            or latest_materialization(self._instance, asset_key(self._run.name, "report"), None)
            is None
        ):
            for event in report_events(self._run, self._instance):
                self._report(event)

    def _report(self, event: Event) -> None:
        with _alone():
            self._instance.report_runless_asset_event(event)
        self._news = True


def events(run: Run, instance: dg.DagsterInstance, manifest: Manifest) -> Iterator[Event]:
    """What there is to tell of a finished stage. What the log holds already is not told again."""
    match manifest.scope, manifest.stage:
        case str(scope), "problems" if scope == INPUTS:
            yield from _told(
                instance,
                run,
                "problems",
                None,
                manifest.digest,
                lambda: stage_result(run, manifest, instance),
            )
        case str(scope), "evaluation" if scope == BASE:
            yield from _told(
                instance,
                run,
                "base",
                None,
                run.need(BASE, "checkpoint").digest,
                lambda: base_result(run),
            )
        case str(scope), "evaluation" if scope == ALL_ROUNDS:
            weights = run.need(ALL_ROUNDS, "checkpoint").digest
            yield from _told(
                instance, run, "human_only", None, weights, lambda: human_only_result(run)
            )
        case str(scope), str(stage) if scope.startswith("iter-"):
            yield from _told(
                instance,
                run,
                stage,
                scope,
                manifest.digest,
                lambda: stage_result(run, manifest, instance),
            )


def report_events(run: Run, instance: dg.DagsterInstance) -> Iterator[Event]:
    """Of the report, which is written anew."""
    yield from _told(instance, run, "report", None, None, lambda: report_result(run))


def sweep_event(name: str, found: dict[str, Any], page: Path) -> dg.AssetMaterialization:
    """Of the comparison of an experiment's points."""
    metadata = sweep_result(found, page).metadata
    return dg.AssetMaterialization(
        asset_key(name, "sweep"), metadata=metadata, tags={"dagster/code_version": CODE_VERSION}
    )


def tell_of_sweep(name: str, found: dict[str, Any], page: Path) -> None:
    """The log of the instance in DAGSTER_HOME."""
    with _alone(), dg.DagsterInstance.get() as instance:
        instance.report_runless_asset_event(sweep_event(name, found, page))


def _told(
    instance: dg.DagsterInstance,
    run: Run,
    name: str,
    partition: str | None,
    version: str | None,
    made: Callable[[], dg.MaterializeResult],
) -> Iterator[Event]:
    """An asset of this data version and, where the log does not hold it, what there is to tell.
    Without a version it is always told."""
    key = asset_key(run.name, name)
    if (
        version is not None
        and data_version(latest_materialization(instance, key, partition, run.store.root))
        == version
    ):
        return
    result = made()
    tags = {
        "dagster/code_version": CODE_VERSION,
        **({"dagster/data_version": version} if version else {}),
    }
    yield dg.AssetMaterialization(key, partition=partition, metadata=result.metadata, tags=tags)
    for found in result.check_results or []:
        yield dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=str(found.check_name),
            passed=found.passed,
            metadata=dict(found.metadata),
            severity=found.severity,
            description=found.description,
            blocking=found.severity == dg.AssetCheckSeverity.ERROR,
        )
