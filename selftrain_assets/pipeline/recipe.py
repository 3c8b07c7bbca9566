"""The interface of a recipe to the pipeline: stages, datasets, evaluation and reports."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from selftrain_assets.config.experiment_files import recipes_in_files
from selftrain_assets.domain.errors import UserError, nearest
from selftrain_assets.domain.types import Problem, Score
from selftrain_assets.models.loading import Policy
from selftrain_assets.pipeline.rows import Rows
from selftrain_assets.pipeline.run import Clock, Run
from selftrain_assets.pipeline.sampling import VERIFICATIONS
from selftrain_assets.pipeline.stage import RowSource, StageSpec, TableSpec
from selftrain_assets.recipes import RECIPES, Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FinalAnswers:
    """How a recipe answers held-out problems, if it revises its first attempts.

    Attributes:
        metric: Name of its numbers among the metrics of an evaluation.
        table: Name of the table with its answers in the manifest of the evaluation.
        applies: Whether the settings ask for it.
        identity: What the answers depend on besides the first attempts.
        answer: Draws the answers, given the greedy attempts as (problem id, text). Returns them and
            the number of tokens that they took. What could not be judged is left out.
        final: The scores of the last attempts.
        measure: The metrics.
        numbers: The metrics that the UI plots over the rounds.
    """

    metric: str
    table: TableSpec
    applies: Callable[[Run], bool]
    identity: Callable[[Run], list[str]]
    answer: Callable[[Run, Sequence[tuple[str, str]], Policy, str, Clock], tuple[list[Any], int]]
    final: Callable[[Sequence[Score], Sequence[Any]], list[Score]]
    measure: Callable[[Sequence[Any]], dict[str, Any]]
    numbers: Callable[[Mapping[str, Any]], Mapping[str, float]]


def _nothing(*_: Any) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class RecipeImplementation:
    """The code of a recipe, which its settings name in `Recipe.implementation`.

    Attributes:
        build_dataset: Builds the training rows of a round: (run, iteration).
        stages: Stages of its own; its settings say which of them a round has (`own_stages`).
        row_sources: Sources of its rows, besides those that its stages name.
        check_problems: Raises UserError if it cannot learn from the problems of an experiment.
        final_answers: How it answers held-out problems, if not by the first attempt.
        selection_settings: Settings that decide which rows a round trains on, listed in cards.
    """

    build_dataset: Callable[[Run, int], Rows]
    stages: tuple[StageSpec, ...] = ()
    row_sources: tuple[RowSource, ...] = ()
    check_problems: Callable[[Run, list[Problem]], None] = _nothing
    final_answers: FinalAnswers | None = None
    selection_settings: tuple[str, ...] = ()


def implementation_of(recipe: Recipe | type[Recipe]) -> RecipeImplementation:
    """The implementation of a recipe.

    Raises:
        UserError: Its module cannot be imported, offers no IMPLEMENTATION, or two stages of one
            name.
    """
    return _loaded(recipe.implementation)


@cache
def _loaded(module: str) -> RecipeImplementation:
    try:
        implementation = getattr(import_module(module), "IMPLEMENTATION", None)
    except UserError:
        raise
    except Exception as error:  # whatever a person's module raises
        raise UserError(
            f"recipe: its implementation, module {module}, cannot be imported"
            f" ({type(error).__name__}: {error}); correct it, put its folder on PYTHONPATH, or"
            " install its package"
        ) from error
    if not isinstance(implementation, RecipeImplementation):
        raise UserError(
            f"recipe: module {module} has no IMPLEMENTATION that is a RecipeImplementation"
        )
    names = [stage.name for stage in implementation.stages]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(
            f'recipe: module {module} offers two stages called "{twice[0]}"; each needs a name of'
            " its own"
        )
    return implementation


def all_implementations() -> list[RecipeImplementation]:
    """The implementations of all known recipes.

    One that cannot be loaded is left out with a warning: it is an error only where an experiment of
    its recipe needs it.
    """
    recipes_in_files()
    implementations = []
    for recipe in RECIPES.in_use:
        try:
            implementations.append(implementation_of(recipe))
        except UserError as error:
            _warn(f"recipe {RECIPES.name_of(recipe)} is left out: {error}")
    return implementations


@cache  # once for each message
def _warn(message: str) -> None:
    log.warning(message)


def own_stages(recipe: Recipe) -> tuple[StageSpec, ...]:
    """The stages that a recipe adds to its rounds.

    Raises:
        UserError: Its settings name a stage that its implementation does not offer.
    """
    offered = {stage.name: stage for stage in implementation_of(recipe).stages}
    if unknown := [name for name in recipe.own_stages if name not in offered]:
        raise UserError(
            f"recipe {recipe.type}: its implementation, module {recipe.implementation}, has no"
            f' stage "{unknown[0]}"{nearest(unknown[0], offered) if offered else ""}'
        )
    return tuple(offered[name] for name in recipe.own_stages)


def evidence_stage(recipe: Recipe, name: str) -> StageSpec:
    """The stage of this name whose results become rows: the verifications, or a recipe's own."""
    return next(s for s in (VERIFICATIONS, *own_stages(recipe)) if s.name == name)
