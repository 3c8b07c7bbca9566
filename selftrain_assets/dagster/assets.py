"""Make the assets of an experiment."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import dagster as dg

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.dagster.keys import asset_key, group_name
from selftrain_assets.dagster.open_run import opened_in
from selftrain_assets.dagster.partitions import partitions, wait_for_previous
from selftrain_assets.dagster.resources import LaunchSettings, StoreResource
from selftrain_assets.dagster.results import (
    base_result,
    human_only_result,
    report_result,
    stage_result,
)
from selftrain_assets.dagster.specs import CODE_VERSION, AssetSpec, asset_specs
from selftrain_assets.domain.errors import SelftrainError
from selftrain_assets.pipeline import loop, training
from selftrain_assets.pipeline.evaluation import evaluation
from selftrain_assets.pipeline.inputs import problems
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.run import BASE, Run, iteration_of
from selftrain_assets.pipeline.stage import StageSpec
from selftrain_assets.pipeline.stages import round_stages
from selftrain_assets.reports import write_report

OWNER = "team:selftrain"


def build_assets(name: str, config: Experiment) -> list[dg.AssetsDefinition]:
    """Return the assets of an experiment, in order."""
    bodies = _bodies(config)
    return [_asset(name, config, spec, bodies[spec.name]) for spec in asset_specs(config)]


Body = Callable[[dg.AssetExecutionContext, Run], dg.MaterializeResult]


def _bodies(config: Experiment) -> dict[str, Body]:
    rounds = {stage.name: _round_body(stage) for stage in round_stages(config.recipe)}
    return rounds | {
        "problems": _problems,
        "base": _base,
        "human_only": _human_only,
        "report": _report,
    }


def _asset(name: str, config: Experiment, spec: AssetSpec, body: Body) -> dg.AssetsDefinition:
    key = asset_key(name, spec.name)
    specs = [
        dg.AssetCheckSpec(
            check.name, asset=key, blocking=check.blocking, description=check.description
        )
        for check in (spec.stage.checks if spec.stage else ())
    ]

    @dg.asset(
        key=key,
        group_name=group_name(name),
        description=spec.description,
        kinds=set(spec.kinds),
        owners=[OWNER],
        code_version=CODE_VERSION,
        deps=[asset_key(name, d) for d in spec.deps],
        pool=spec.pool,
        check_specs=specs,
        partitions_def=partitions(config.rounds) if spec.partitioned else None,
        metadata=_source_link(spec),
    )
    def stage(
        context: dg.AssetExecutionContext, store: StoreResource, launch: LaunchSettings
    ) -> dg.MaterializeResult:
        try:
            return body(context, opened_in(context, name, config, store, launch))
        except SelftrainError as error:
            raise dg.Failure(str(error), allow_retries=False) from None

    return stage


def _source_link(spec: AssetSpec) -> dict[str, Any]:
    """Return a link to the stage's source for the UI; Dagster adds the experiment's file itself."""
    others: dict[str, Callable[..., Any]] = {
        "base": training.base,
        "human_only": loop.human_only,
        "report": write_report,
    }
    stage = (spec.stage.requests or spec.stage.run) if spec.stage else others[spec.name]
    _, line = inspect.getsourcelines(stage)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # of these classes
        source = dg.LocalFileCodeReference(
            file_path=str(inspect.getsourcefile(stage)),
            line_number=line,
            label=f"the stage {spec.name}",
        )
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[source])}


def _round_body(stage: StageSpec) -> Body:
    def body(context: dg.AssetExecutionContext, run: Run) -> dg.MaterializeResult:
        iteration = iteration_of(context.partition_key)
        if stage.name == POLICY.name:
            wait_for_previous(
                context.instance,
                run,
                iteration,
                asset_key(run.name, "checkpoint"),
                context.run.run_id,
            )
        return stage_result(run, stage.do(run, iteration), context.instance)

    return body


def _problems(context: dg.AssetExecutionContext, run: Run) -> dg.MaterializeResult:
    run.store.check_writable()
    return stage_result(run, problems(run), context.instance)


def _base(context: dg.AssetExecutionContext, run: Run) -> dg.MaterializeResult:
    training.base(run)
    evaluation(run, BASE)
    return base_result(run)


def _human_only(context: dg.AssetExecutionContext, run: Run) -> dg.MaterializeResult:
    loop.human_only(run)
    return human_only_result(run)


def _report(context: dg.AssetExecutionContext, run: Run) -> dg.MaterializeResult:
    return report_result(run)
