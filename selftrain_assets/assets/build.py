"""From one experiment to its assets and jobs."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import dagster as dg

from selftrain_assets.assets.keys import asset_key, group_name
from selftrain_assets.assets.results import base_result, human_only_result, report_result, stage_result
from selftrain_assets.assets.specs import CODE_VERSION, AssetSpec, asset_specs
from selftrain_assets.config import Experiment
from selftrain_assets.core.errors import SelftrainError
from selftrain_assets.core.health import CHECKS
from selftrain_assets.iterations import iteration_of, partitions, wait_for_previous
from selftrain_assets.resources import StoreResource
from selftrain_assets.stages import loop, training
from selftrain_assets.stages.evaluation import evaluation
from selftrain_assets.stages.inputs import problems
from selftrain_assets.stages.run import BASE, Run

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

SECONDS_BETWEEN_LOGS = 10
OWNER = "team:selftrain"


def build_assets(name: str, config: Experiment) -> list[dg.AssetsDefinition]:
    """One asset per stage."""
    bodies = _bodies(config)
    return [_asset(name, config, spec, bodies[spec.name]) for spec in asset_specs(config)]


Body = Callable[[dg.AssetExecutionContext, Run], dg.MaterializeResult]


def _bodies(config: Experiment) -> dict[str, Body]:
    rounds = {stage: _round_body(stage, do) for stage, do in loop.round_stages(config.recipe.own_stages).items()}
    return rounds | {"problems": _problems, "base": _base, "human_only": _human_only, "report": _report}


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
    )
    def stage(context: dg.AssetExecutionContext, store: StoreResource) -> dg.MaterializeResult:
        run = Run(name, config, store.open(), _logging_progress(context), owner=f"Dagster run {context.run.run_id}")
        try:
            return body(context, run)
        except SelftrainError as error:
            raise dg.Failure(str(error), allow_retries=False) from error

    return stage


def _round_body(stage: str, do: loop.Stage) -> Body:
    def body(context: dg.AssetExecutionContext, run: Run) -> dg.MaterializeResult:
        iteration = iteration_of(context.partition_key)
        if stage == "policy":
            wait_for_previous(context.instance, run, iteration, asset_key(run.name, "checkpoint"), context.run.run_id)
        return stage_result(run, do(run, iteration))

    return body


def _problems(context: dg.AssetExecutionContext, run: Run) -> dg.MaterializeResult:
    run.store.check_writable()
    return stage_result(run, problems(run))


def _base(context: dg.AssetExecutionContext, run: Run) -> dg.MaterializeResult:
    training.base(run)
    evaluation(run, BASE)
    return base_result(run)


def _human_only(context: dg.AssetExecutionContext, run: Run) -> dg.MaterializeResult:
    loop.human_only(run)
    return human_only_result(run)


def _report(context: dg.AssetExecutionContext, run: Run) -> dg.MaterializeResult:
    return report_result(run)


def _logging_progress(context: dg.AssetExecutionContext) -> Callable[[str, int, int], None]:
    told = time.monotonic()

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal told
        if done == total or time.monotonic() - told > SECONDS_BETWEEN_LOGS:
            told = time.monotonic()
            context.log.info(f"{stage}: {done} of {total}")

    return progress


def build_jobs(name: str, config: Experiment) -> list["UnresolvedAssetJobDefinition"]:
    """`<experiment>_round` does one round, and what it stands on where that is missing; `<experiment>_report` the rest."""
    names = [spec.name for spec in asset_specs(config)]
    closing = [asset_key(name, n) for n in names if n in ("human_only", "report")]
    rounds = [asset_key(name, n) for n in names if n not in ("human_only", "report")]
    group = group_name(name)
    return [
        dg.define_asset_job(
            f"{group}_round",
            selection=dg.AssetSelection.assets(*rounds),
            description=f"One round of {name}; launch it for one partition, or as a backfill.",
        ),
        dg.define_asset_job(
            f"{group}_report",
            selection=dg.AssetSelection.assets(*closing),
            description=f"Controls and report of {name}, once its rounds are done.",
        ),
    ]
