"""One YAML file, one experiment, one asset graph."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
from click import ClickException
from pydantic import BaseModel, Field, GetCoreSchemaHandler, RootModel, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.config.experiment_files import FILE_NAME, check_name, shown, sweep_experiments
from selftrain_assets.config.scaffold import scaffold
from selftrain_assets.config.sweep import Sweep
from selftrain_assets.dagster.assets import build_assets
from selftrain_assets.dagster.audit_check import audit_check
from selftrain_assets.dagster.jobs import experiment_job, report_job, round_job
from selftrain_assets.dagster.resources import resources
from selftrain_assets.dagster.sensors import next_round_sensor
from selftrain_assets.dagster.sweep import sweep_asset, sweep_job
from selftrain_assets.domain.errors import UserError
from selftrain_assets.plugins import beside
from selftrain_assets.project import enter
from selftrain_assets.store import Store


class _Written(RootModel[dict[str, Any]]):
    """Settings with files that lie beside them, validated when their folder is known."""


def _unless_beside(data: Any, validated: ValidatorFunctionWrapHandler) -> Experiment | _Written:
    return _Written(data) if beside(data, Path("/")) != data else validated(data)


class _Attributes(BaseModel):
    """Settings as Dagster reads them, with the schema of an experiment."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(_unless_beside, handler(Experiment))


class ScaffoldParameters(BaseModel):
    """Options of `dg scaffold defs selftrain_assets.SelfTraining NAME`, as of `selftrain new`."""

    preset: str = Field("rest_em", description="a preset of a recipe, or a study")
    task: str | None = Field(None, description="a problem set, such as gsm8k; or leave it out")
    path: str | None = Field(None, description="file or folder of the problems")
    model: str | None = Field(None, description="a model directory or hub name")


class ExperimentScaffolder(dg.Scaffolder[ScaffoldParameters]):
    """Writes the file that `selftrain new` writes."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldParameters]:
        return ScaffoldParameters

    def scaffold(self, request: dg.ScaffoldRequest[ScaffoldParameters]) -> None:
        """Write it.

        Raises:
            ClickException: The name or a parameter is wrong, or Python was asked for and not YAML.
        """
        folder = request.target_path
        enter(request.project_root or Path.cwd())
        try:
            if request.scaffold_format != "yaml":
                raise UserError("--format: an experiment is a YAML file; leave --format out")
            check_name(folder.name)
            text = scaffold(**request.params.model_dump())
        except UserError as error:
            with suppress(OSError):  # Dagster has made it
                folder.rmdir()
            raise ClickException(str(error)) from None
        (folder / FILE_NAME).write_text(text, encoding="utf-8")


@dg.scaffold_with(ExperimentScaffolder)
class SelfTraining(dg.Component):
    """A self-training experiment; the name of its folder is the experiment's.

    Its assets are partitioned by round. It has jobs for one round, for all rounds and for the
    report, and a sensor that starts the next round.
    """

    def __init__(self, config: Experiment) -> None:
        self.config = config

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        return _Attributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> SelfTraining:
        if isinstance(attributes, _Written):
            settings = beside(attributes.root, context.path)
            return cls(parse_experiment(settings, shown(context.path / FILE_NAME)))
        return cls(attributes if isinstance(attributes, Experiment) else Experiment())

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Everything of the experiment, with its resources; the store is that of the project."""
        enter(context.project_root)
        return dg.Definitions.merge(
            experiment_definitions(check_name(context.path.name), self.config),
            dg.Definitions(resources=resources(str(Store.default().root))),
        )


def experiment_definitions(name: str, config: Experiment) -> dg.Definitions:
    """Assets, checks, jobs and sensor of one experiment.

    An experiment with a sweep has assets, checks and one job for each of its runs, the comparison
    of its points, and a job that does all runs.
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
    runs = {run: settings for seeds in points.values() for run, settings in seeds.items()}
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
