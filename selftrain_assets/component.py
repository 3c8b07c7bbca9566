"""One YAML file, one experiment, one asset graph."""

from __future__ import annotations

import dagster as dg
from pydantic import BaseModel

from selftrain_assets.assets.build import build_assets
from selftrain_assets.assets.checks import audit_check
from selftrain_assets.assets.jobs import experiment_job, report_job, round_job
from selftrain_assets.config import Experiment
from selftrain_assets.experiments import check_name
from selftrain_assets.sensors import next_round_sensor


class SelfTraining(dg.Component):
    """A self-training experiment: its assets partitioned by iteration, jobs for a round, for all of it and for the report, and a
    sensor for the next round. The folder's name is the experiment's."""

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
    """Assets, checks, jobs and sensor of one experiment."""
    one_round = round_job(check_name(name), config)
    return dg.Definitions(
        assets=build_assets(name, config),
        asset_checks=[audit_check(name, config)],
        jobs=[one_round, experiment_job(name, config), report_job(name, config)],
        sensors=[next_round_sensor(name, config, one_round)],
    )
