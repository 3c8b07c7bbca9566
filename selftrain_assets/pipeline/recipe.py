"""What a recipe's package hands to the pipeline: its own stages, how its rows are made, and what
it adds to evaluation and reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from selftrain_assets.domain.errors import UserError, nearest
from selftrain_assets.domain.types import Problem, Score
from selftrain_assets.models.loading import Policy
from selftrain_assets.pipeline.rows import Rows
from selftrain_assets.pipeline.run import Clock, Run
from selftrain_assets.pipeline.sampling import VERIFICATIONS
from selftrain_assets.pipeline.stage import RowSource, StageSpec, TableSpec
from selftrain_assets.recipes.base import RECIPES, Recipe


@dataclass(frozen=True, kw_only=True)
class FinalAnswers:
    """How held-out problems are answered by a recipe that goes on from the first attempt.

    Attributes:
        metric: Name of its numbers among the metrics of an evaluation.
        table: Where its answers are kept, in the manifest of the evaluation.
        applies: Do these settings ask for it?
        identity: What the answers depend on beside the first attempts.
        answer: Draws them, from the greedy attempts as (problem id, text); the answers and the
            tokens that they took. What could not be judged is left out.
        final: The scores, in which the last attempt of a problem counts.
        measure: The numbers.
        numbers: Those of them that the UI plots over the rounds.
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
    """The work of a recipe, as its settings name it (`Recipe.implementation`).

    Attributes:
        build_dataset: The rows that a round trains on: (run, iteration).
        stages: Stages of its own; its settings say which of them a round has (`own_stages`).
        row_sources: What its rows are, beside those that its stages name.
        check_problems: Raises UserError where it cannot learn from the problems of an experiment.
        final_answers: How it answers held-out problems, if not by the first attempt.
        selection_settings: Settings that say which rows a round trains on; the cards show them.
    """

    build_dataset: Callable[[Run, int], Rows]
    stages: tuple[StageSpec, ...] = ()
    row_sources: tuple[RowSource, ...] = ()
    check_problems: Callable[[Run, list[Problem]], None] = _nothing
    final_answers: FinalAnswers | None = None
    selection_settings: tuple[str, ...] = ()


def implementation_of(recipe: Recipe | type[Recipe]) -> RecipeImplementation:
    """The work of a recipe.

    Raises:
        UserError: Its module cannot be imported, or offers no IMPLEMENTATION.
    """
    return _loaded(recipe.implementation)


@cache
def _loaded(module: str) -> RecipeImplementation:
    try:
        found = getattr(import_module(module), "IMPLEMENTATION", None)
    except ImportError as error:
        raise UserError(
            f"recipe: its implementation, module {module}, cannot be imported ({error}); put its"
            " folder on PYTHONPATH, or install its package"
        ) from error
    if not isinstance(found, RecipeImplementation):
        raise UserError(
            f"recipe: module {module} has no IMPLEMENTATION that is a RecipeImplementation"
        )
    return found


def all_implementations() -> Iterable[RecipeImplementation]:
    """The work of every recipe that is known."""
    return [implementation_of(recipe) for recipe in RECIPES.values()]


def own_stages(recipe: Recipe) -> tuple[StageSpec, ...]:
    """The stages of its own that the rounds of a recipe have.

    Raises:
        UserError: Its settings name one that its implementation does not offer.
    """
    offered = {stage.name: stage for stage in implementation_of(recipe).stages}
    if unknown := [name for name in recipe.own_stages if name not in offered]:
        raise UserError(
            f"recipe {recipe.type}: its implementation, module {recipe.implementation}, has no"
            f' stage "{unknown[0]}"{nearest(unknown[0], offered) if offered else ""}'
        )
    return tuple(offered[name] for name in recipe.own_stages)


def evidence_stage(recipe: Recipe, name: str) -> StageSpec:
    """A stage whose results become rows: the verifications, or one of the recipe's own."""
    return next(s for s in (VERIFICATIONS, *own_stages(recipe)) if s.name == name)
