"""Rounds that start themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.dagster.keys import asset_key, group_name
from selftrain_assets.dagster.partitions import ALIVE, data_version, latest_materialization
from selftrain_assets.pipeline.run import iteration_scope

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

SECONDS_BETWEEN = 15


def next_round_sensor(
    name: str, config: Experiment, job: UnresolvedAssetJobDefinition
) -> dg.SensorDefinition:
    """Starts round i+1 when checkpoint[i] is finished, once per digest of its weights.

    Off until somebody turns it on. Start round 1 by hand.
    """
    # It reads state, not events: an asset sensor sees only the newest event of a tick and can miss
    # a checkpoint.
    checkpoint = asset_key(name, "checkpoint")

    @dg.sensor(
        name=f"{group_name(name)}_next_round",
        job=job,
        minimum_interval_seconds=SECONDS_BETWEEN,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=next_round_sensor.__doc__,
    )
    def next_round(context: dg.SensorEvaluationContext) -> dg.SkipReason | dg.RunRequest:
        done = context.instance.get_materialized_partitions(checkpoint)
        following = next(
            (i for i in range(1, config.rounds + 1) if iteration_scope(i) not in done), None
        )
        if following in (None, 1):
            return dg.SkipReason(
                "all rounds are finished" if following is None else "start round 1 by hand"
            )
        if _busy(context.instance, job.name):
            return dg.SkipReason("a run of this experiment is queued or under way")
        previous = latest_materialization(
            context.instance, checkpoint, iteration_scope(following - 1)
        )
        scope = iteration_scope(following)
        return dg.RunRequest(
            run_key=f"{name}/{scope}@{data_version(previous)}", partition_key=scope
        )

    return next_round


def _busy(instance: dg.DagsterInstance, job: str) -> bool:
    waiting = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, *ALIVE)
    return bool(instance.get_runs(dg.RunsFilter(job_name=job, statuses=list(waiting)), limit=1))
