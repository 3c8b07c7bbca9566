"""One YAML file, one experiment, one asset graph."""

from __future__ import annotations

import dagster as dg
from pydantic import BaseModel

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.config.experiment_files import check_name, sweep_experiments
from selftrain_assets.config.sweep import Sweep
from selftrain_assets.dagster.assets import build_assets
from selftrain_assets.dagster.audit_check import audit_check
from selftrain_assets.dagster.jobs import experiment_job, report_job, round_job
from selftrain_assets.dagster.sensors import next_round_sensor
from selftrain_assets.dagster.sweep import sweep_asset, sweep_job


class SelfTraining(dg.Component):
    """A self-training experiment; the name of its folder is the experiment's.

    Its assets are partitioned by iteration. It has jobs for a round, for all rounds and for the
    report, and a sensor for the next round.
    """

    def __init__(self, config: Experiment) -> None:
        self.config = config

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return Experiment

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> SelfTraining:
        return cls(attributes if isinstance(attributes, Experiment) else Experiment())

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        return experiment_definitions(context.path.name, self.config)


def experiment_definitions(name: str, config: Experiment) -> dg.Definitions:
    """Assets, checks, jobs and sensor of one experiment.

    An experiment with a sweep has, for each of its runs, assets, checks and the job that does all
    of it; and the comparison of the points, and the job that does all of them.
    """
    if config.sweep is not None:
        return _sweep_definitions(name, config, config.sweep)
    one_round = round_job(check_name(name), config)
    return dg.Definitions(
        assets=build_assets(name, config),
        asset_checks=[audit_check(name, config)],
        jobs=[one_round, experiment_job(name, config), report_job(name, config)],
        sensors=[next_round_sensor(name, config, one_round)],
    )


def _sweep_definitions(name: str, config: Experiment, sweep: Sweep) -> dg.Definitions:
    points = sweep_experiments(check_name(name), config)
    runs = {run: settings for of in points.values() for run, settings in of.items()}
    return dg.Definitions(
        assets=[
            sweep_asset(name, sweep, points),
            *(asset for run, settings in runs.items() for asset in build_assets(run, settings)),
        ],
        asset_checks=[audit_check(run, settings) for run, settings in runs.items()],
        jobs=[
            sweep_job(name, sweep, points),
            *(experiment_job(run, settings) for run, settings in runs.items()),
        ],
    )
