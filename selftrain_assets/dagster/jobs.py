"""The jobs of an experiment: one round, the report, and the whole experiment."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.dagster.event_log import Event, events, report_events
from selftrain_assets.dagster.keys import asset_key, group_name
from selftrain_assets.dagster.open_run import opened_in
from selftrain_assets.dagster.resources import LaunchSettings, StoreResource
from selftrain_assets.dagster.specs import GPU, asset_specs
from selftrain_assets.domain.errors import SelftrainError
from selftrain_assets.domain.ranges import ROUNDS, rounds_between
from selftrain_assets.pipeline.loop import controls, walk
from selftrain_assets.pipeline.run import Run

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )

CLOSING = ("human_only", "report")


def round_job(name: str, config: Experiment) -> "UnresolvedAssetJobDefinition":
    """Return `<experiment>_round`: one round, and its inputs where they are missing."""
    rounds = [
        asset_key(name, spec.name) for spec in asset_specs(config) if spec.name not in CLOSING
    ]
    return dg.define_asset_job(
        f"{group_name(name)}_round",
        selection=dg.AssetSelection.assets(*rounds),
        description=f"One round of {name}. Launch it for one partition, or several as a backfill.",
    )


def report_job(name: str, config: Experiment) -> "UnresolvedAssetJobDefinition":
    """Return `<experiment>_report`: the controls and the report."""
    closing = [asset_key(name, spec.name) for spec in asset_specs(config) if spec.name in CLOSING]
    return dg.define_asset_job(
        f"{group_name(name)}_report",
        selection=dg.AssetSelection.assets(*closing),
        description=f"Controls and report of {name}. Launch it when the rounds are finished.",
    )


class Rounds(dg.Config):
    """Which rounds one launch does."""

    rounds: str | None = Field(None, description=ROUNDS)


def everything(context: dg.OpExecutionContext, run: Run, rounds: str | None) -> Iterator[Event]:
    """Do everything that is owed of an experiment, and yield each stage once it is finished.

    Raises:
        SelftrainError: A stage cannot go on.
    """
    for manifest in walk(run, rounds_between(rounds, run.config.rounds, "rounds")):
        yield from events(run, context.instance, manifest)
    for manifest in controls(run):
        yield from events(run, context.instance, manifest)
    yield from report_events(run, context.instance)


def experiment_job(name: str, settings: Experiment) -> dg.JobDefinition:
    """Return `<experiment>_experiment`: everything that is owed, in one run.

    It does the same as `selftrain run`.
    """

    @dg.op(
        name=f"{group_name(name)}_all_rounds",
        pool=GPU,
        out=dg.Out(dg.Nothing),
        description=(
            "Problems, base, every stage of every round, controls and report. Each is recorded as"
            " its asset when it is finished."
        ),
    )
    def all_rounds(
        context: dg.OpExecutionContext, config: Rounds, store: StoreResource, launch: LaunchSettings
    ) -> Iterator[Event]:
        try:
            yield from everything(
                context, opened_in(context, name, settings, store, launch), config.rounds
            )
        except SelftrainError as error:
            raise dg.Failure(str(error), allow_retries=False) from None

    @dg.job(
        name=f"{group_name(name)}_experiment",
        description=(
            f"Everything of {name} that is not done yet, in one run: all rounds in order, controls"
            " and report. To run each round by itself, launch a backfill."
        ),
    )
    def experiment() -> None:
        all_rounds()

    return experiment
