"""What a recipe adds to reports: its own numbers, tables, figures and measures."""

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
    """What a recipe adds to reports.

    Attributes:
        numbers: Returns dataclasses, by their name in JSON, from the finished stages of a scope
            with an evaluation. They become `PolicySummary.own`.
        tables: Returns the tables of an experiment.
        figures: By name, functions that draw a PNG image from the summary and the dots per inch.
        scores: Returns the recipe's own measures of an evaluation, by name, for comparisons; empty
            where they were not measured.
        by_group: Whether comparisons show the accuracy of each group of problems.
    """

    numbers: Callable[[Mapping[str, Manifest]], Mapping[str, object]] = _no_numbers
    tables: Callable[[Summary], Sequence[Titled]] = _no_tables
    figures: Mapping[str, Callable[[Summary, int], bytes]] = field(default_factory=dict)
    scores: Callable[[Run, Manifest], Mapping[str, Scores]] = _no_scores
    by_group: bool = False


def report_of(recipe: Recipe | type[Recipe]) -> RecipeReport:
    """Return what a recipe adds to reports, from the module that `Recipe.report` names."""
    return import_module(recipe.report).REPORT if recipe.report else RecipeReport()
