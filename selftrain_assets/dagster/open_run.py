"""Open the experiment of a Dagster launch."""

from __future__ import annotations

import time
from collections.abc import Callable

import dagster as dg

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.dagster.resources import LaunchSettings, StoreResource
from selftrain_assets.pipeline.run import Run

SECONDS_BETWEEN_LOGS = 10


def opened_in(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    name: str,
    config: Experiment,
    store: StoreResource,
    launch: LaunchSettings,
) -> Run:
    """Open the experiment in the store with the settings of this launch.

    Raises:
        UserError: A setting of the launch does not fit the experiment.
    """
    return Run(
        name,
        launch.applied(config),
        store.open(),
        _logging_progress(context),
        owner=f"Dagster run {context.run.run_id}",
    )


def _logging_progress(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
) -> Callable[[str, int, int], None]:
    logged_at = time.monotonic()

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal logged_at
        if done == total or time.monotonic() - logged_at > SECONDS_BETWEEN_LOGS:
            logged_at = time.monotonic()
            context.log.info(f"{stage}: {done} of {total}")

    return progress
