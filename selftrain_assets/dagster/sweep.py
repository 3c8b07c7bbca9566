"""A sweep in Dagster: its comparison as an asset, and a job that does all points."""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.config.sweep import Sweep
from selftrain_assets.dagster.assets import OWNER
from selftrain_assets.dagster.event_log import Event, sweep_event
from selftrain_assets.dagster.jobs import Rounds, everything
from selftrain_assets.dagster.keys import asset_key, group_name
from selftrain_assets.dagster.open_run import opened_in
from selftrain_assets.dagster.resources import LaunchSettings, StoreResource
from selftrain_assets.dagster.results import sweep_result
from selftrain_assets.dagster.specs import CODE_VERSION, GPU
from selftrain_assets.domain.errors import BusyError, SelftrainError, TaskError
from selftrain_assets.operations.sweep.state import point_lease
from selftrain_assets.pipeline.run import Run
from selftrain_assets.reports.comparison import Comparison
from selftrain_assets.reports.sweeps import compare_sweep, write_sweep
from selftrain_assets.store import Store
from selftrain_assets.store.lease import lease

PAUSE = 5.0  # seconds to wait while other processes work on all points that are left

Points = Mapping[str, Mapping[str, Experiment]]
"""By the name of each point, its experiments, one for each seed."""


def sweep_asset(name: str, sweep: Sweep, points: Points) -> dg.AssetsDefinition:
    """Return the asset `<experiment>/sweep`, which compares the points that are finished."""

    @dg.asset(
        key=asset_key(name, "sweep"),
        group_name=group_name(name),
        description=(
            f"Compares the points of the sweep of {name}: accuracy with intervals, and paired"
            " differences from the first point."
        ),
        kinds={"markdown"},
        owners=[OWNER],
        code_version=CODE_VERSION,
        deps=[asset_key(run, "report") for seeds in points.values() for run in seeds],
    )
    def comparison(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult:
        try:
            return sweep_result(*_compared(name, sweep, points, store.open()))
        except SelftrainError as error:
            raise dg.Failure(str(error), allow_retries=False) from None

    return comparison


def _compared(name: str, sweep: Sweep, points: Points, store: Store) -> tuple[Comparison, Path]:
    opened = {
        point: [Run(run, settings, store) for run, settings in seeds.items()]
        for point, seeds in points.items()
    }
    comparison = compare_sweep(name, sweep, opened)
    page, _ = write_sweep(comparison, store.root)
    return comparison, page


def sweep_job(name: str, sweep: Sweep, points: Points) -> dg.JobDefinition:
    """Return `<experiment>_sweep`: everything that is owed of all points, in one run.

    The points are done one after the other.
    """
    runs = {run: settings for seeds in points.values() for run, settings in seeds.items()}

    @dg.op(
        name=f"{group_name(name)}_all_points",
        pool=GPU,
        out=dg.Out(dg.Nothing),
        description=(
            "Every stage of every point, recorded as its asset when it is finished, and at the end"
            " their comparison. A point that fails does not stop the others."
        ),
    )
    def all_points(
        context: dg.OpExecutionContext, config: Rounds, store: StoreResource, launch: LaunchSettings
    ) -> Iterator[Event]:
        failed: dict[str, str] = {}
        waiting, busy = deque(runs), 0
        while waiting:
            run = waiting.popleft()
            try:
                opened = opened_in(context, run, runs[run], store, launch)
                with lease(point_lease(opened.store, run), opened.owner):
                    yield from everything(context, opened, config.rounds)
                busy = 0
            except BusyError as error:
                context.log.info(f"{run}: {error}; this point is tried again later")
                waiting.append(run)
                busy += 1
                if busy >= len(waiting):
                    time.sleep(PAUSE)
            except SelftrainError as error:
                failed[run] = str(error)
            except Exception as error:
                context.log.exception(f"{run} failed")
                failed[run] = f"{type(error).__name__}: {error}"
        if len(failed) < len(runs):
            yield from _comparison(store)
        if failed:
            failures = "; ".join(f"{run}: {message}" for run, message in failed.items())
            raise dg.Failure(
                f"{len(failed)} of {len(runs)} runs of the sweep failed, the others are done."
                f" {failures}",
                allow_retries=False,
            )

    def _comparison(store: StoreResource) -> Iterator[Event]:
        try:
            yield sweep_event(name, *_compared(name, sweep, points, store.open()))
        except TaskError:  # no point has all its seeds; the failures say why
            return

    @dg.job(
        name=f"{group_name(name)}_sweep",
        description=(
            f"All points of the sweep of {name}, one after the other, in one run. Each point also"
            " has a job of its own; `selftrain run --sweep` runs several at a time."
        ),
    )
    def all_runs() -> None:
        all_points()

    return all_runs
