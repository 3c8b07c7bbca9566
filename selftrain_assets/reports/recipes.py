"""What a recipe adds to reports: numbers, tables, figures and measures of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module

from selftrain_assets.pipeline.run import Run
from selftrain_assets.recipes.base import Recipe
from selftrain_assets.reports.summary import Summary
from selftrain_assets.reports.tables import Titled
from selftrain_assets.store import Manifest

Scores = dict[str, float]
"""By problem: is the greedy answer right, 1 or 0?"""


def _no_numbers(stages: Mapping[str, Manifest]) -> Mapping[str, object]:
    return {}


def _no_tables(summary: Summary) -> Sequence[Titled]:
    return []


def _no_scores(run: Run, evaluation: Manifest) -> Mapping[str, Scores]:
    return {}


@dataclass(frozen=True, slots=True)
class RecipeReport:
    """What reports ask a recipe for.

    Attributes:
        numbers: From the finished stages of a scope, among them `evaluation`, dataclasses by the
        name that JSON gives them. They are
            `PolicySummary.own`.
        tables: Tables of an experiment, each under its title. figures: By name, what draws it as
        PNG, from the summary and the dots per inch. scores: What comparisons measure beside the
        accuracy, by name, of an evaluation; nothing where it was not measured. by_group: Whether
        comparisons show the accuracy of each group of problems.
    """

    numbers: Callable[[Mapping[str, Manifest]], Mapping[str, object]] = _no_numbers
    tables: Callable[[Summary], Sequence[Titled]] = _no_tables
    figures: Mapping[str, Callable[[Summary, int], bytes]] = field(default_factory=dict)
    scores: Callable[[Run, Manifest], Mapping[str, Scores]] = _no_scores
    by_group: bool = False


def report_of(recipe: Recipe | type[Recipe]) -> RecipeReport:
    """What a recipe adds, as the module that its settings name says it (`Recipe.report`)."""
    return import_module(recipe.report).REPORT if recipe.report else RecipeReport()
