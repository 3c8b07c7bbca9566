"""The stages of a round, in order.

The command line runs them, and Dagster's assets are made from them.
"""

from __future__ import annotations

from dataclasses import replace

from selftrain_assets.domain.quality_checks import Check
from selftrain_assets.pipeline.dataset import DATASET
from selftrain_assets.pipeline.evaluation import EVALUATION
from selftrain_assets.pipeline.inputs import PROBLEMS
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.recipe import (
    all_implementations,
    implementation_of,
    own_stages,
)
from selftrain_assets.pipeline.run import BASE, Run
from selftrain_assets.pipeline.sampling import SAMPLES, VERIFICATIONS
from selftrain_assets.pipeline.stage import RowSource, StageSpec, TableSpec, in_order
from selftrain_assets.pipeline.training import CHECKPOINT
from selftrain_assets.recipes.base import Recipe
from selftrain_assets.store import Manifest

COMMON = (PROBLEMS, POLICY, SAMPLES, VERIFICATIONS, DATASET, CHECKPOINT, EVALUATION)
"""Stages of every recipe, but that one which samples nothing has neither policy, samples nor
verifications."""
HUMAN = RowSource(name="human", meaning="a worked solution that came with its problem")


def round_stages(recipe: Recipe) -> tuple[StageSpec, ...]:
    """The stages of one round of a recipe, in order.

    The dataset follows all stages that the recipe learns from.
    """
    own = own_stages(recipe)
    common = [stage for stage in COMMON if stage.name in recipe.stages]
    learnt = {stage.name for stage in own}
    dataset = replace(DATASET, after=(*DATASET.after, *recipe.learns_from, *learnt))
    stages = [dataset if stage is DATASET else stage for stage in (*common, *own)]
    offered = (*COMMON, *implementation_of(recipe).stages)
    return in_order(stages, absent={BASE, *(stage.name for stage in offered)})


def every_stage() -> dict[str, StageSpec]:
    """Every stage of every known recipe, by name."""
    own = [stage for work in all_implementations() for stage in work.stages]
    return {stage.name: stage for stage in (*COMMON, *own)}


def stage_of(run: Run, manifest: Manifest) -> StageSpec:
    """The stage that made a manifest."""
    own = {stage.name: stage for stage in own_stages(run.at(1).config.recipe)}
    return own.get(manifest.stage) or next(s for s in COMMON if s.name == manifest.stage)


def check(run: Run, manifest: Manifest) -> list[Check]:
    """Evaluate every check of a finished stage that applies, blocking ones first."""
    return stage_of(run, manifest).check(run, manifest)


def every_table() -> list[TableSpec]:
    """Every table of every known stage."""
    answers = [work.final_answers for work in all_implementations()]
    return [
        *(table for stage in every_stage().values() for table in tables_of(stage)),
        *(answer.table for answer in answers if answer is not None),
    ]


def stage_writing(table: str) -> str:
    """The stage under whose lease a table is written; for an unknown table, its own name."""
    for stage in every_stage().values():
        if table in [spec.name for spec in stage.tables]:
            return stage.name
    answers = [work.final_answers for work in all_implementations()]
    names = [answer.table.name for answer in answers if answer is not None]
    return EVALUATION.name if table in names else table


def tables_of(stage: StageSpec) -> tuple[TableSpec, ...]:
    """The tables of a stage, including that of the samples it draws first."""
    return (*stage.tables, *((stage.samples_table,) if stage.samples_table else ()))


def row_sources() -> dict[str, RowSource]:
    """All known sources of rows, by name."""
    works = all_implementations()
    sources = [HUMAN, *(source for work in works for source in work.row_sources)]
    sources += [stage.row_source for stage in every_stage().values() if stage.row_source]
    return {source.name: source for source in sources}
