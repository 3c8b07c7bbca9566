"""From one experiment to its assets."""

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
from selftrain_assets.domain.quality_checks import CHECKS
from selftrain_assets.pipeline import loop, training
from selftrain_assets.pipeline.evaluation import evaluation
from selftrain_assets.pipeline.inputs import problems
from selftrain_assets.pipeline.run import BASE, Run, iteration_of
from selftrain_assets.reports import write_report

OWNER = "team:selftrain"


def build_assets(name: str, config: Experiment) -> list[dg.AssetsDefinition]:
    """One asset per stage."""
    bodies = _bodies(config)
    return [_asset(name, config, spec, bodies[spec.name]) for spec in asset_specs(config)]


Body = Callable[[dg.AssetExecutionContext, Run], dg.MaterializeResult]


def _bodies(config: Experiment) -> dict[str, Body]:
    rounds = {
        stage: _round_body(stage, do) for stage, do in loop.round_stages(config.recipe).items()
    }
    return rounds | {
        "problems": _problems,
        "base": _base,
        "human_only": _human_only,
        "report": _report,
    }


def _asset(name: str, config: Experiment, spec: AssetSpec, body: Body) -> dg.AssetsDefinition:
    key = asset_key(name, spec.name)
    specs = [
        dg.AssetCheckSpec(each, asset=key, blocking=blocking, description=asks)
        for each, (blocking, asks) in CHECKS.get(spec.name, {}).items()
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
        metadata=_written_in(config, spec.name),
    )
    def stage(
        context: dg.AssetExecutionContext, store: StoreResource, launch: LaunchSettings
    ) -> dg.MaterializeResult:
        try:
            return body(context, opened_in(context, name, config, store, launch))
        except SelftrainError as error:
            # its sentence is all that a person needs
            raise dg.Failure(str(error), allow_retries=False) from None

    return stage


def _written_in(config: Experiment, asset: str) -> dict[str, Any]:
    """The stage's source, which the UI links; Dagster adds the experiment's file by itself."""
    others = {
        "problems": problems,
        "base": training.base,
        "human_only": loop.human_only,
        "report": write_report,
    }
    stage = inspect.unwrap((loop.round_stages(config.recipe) | others)[asset])
    _, line = inspect.getsourcelines(stage)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # of these classes
        source = dg.LocalFileCodeReference(
            file_path=str(inspect.getsourcefile(stage)),
            line_number=line,
            label=f"the stage {asset}",
        )
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[source])}


def _round_body(stage: str, do: loop.Stage) -> Body:
    def body(context: dg.AssetExecutionContext, run: Run) -> dg.MaterializeResult:
        iteration = iteration_of(context.partition_key)
        if stage == "policy":
            wait_for_previous(
                context.instance,
                run,
                iteration,
                asset_key(run.name, "checkpoint"),
                context.run.run_id,
            )
        return stage_result(run, do(run, iteration), context.instance)

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
