"""Summaries of numbers made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selftrain_assets.domain.statistics import Estimate
from selftrain_assets.reports.summary import PolicySummary, RoundCounts, RoundSummary, Summary


def estimate(mean: float, problems: int = 10) -> Estimate:
    """With an interval of 0.1 on each side."""
    return Estimate(mean, mean - 0.1, mean + 0.1, problems)


def estimates(means: Mapping[str, float]) -> dict[str, Estimate]:
    return {name: estimate(mean) for name, mean in means.items()}


def base(**changes: Any) -> PolicySummary:
    """The base, half of whose greedy answers are right."""
    values: dict[str, Any] = {
        "name": "base",
        "seconds": {},
        "methods": {},
        "test_problems": 10,
        "greedy_accuracy": estimate(0.5),
        "pass_at_k": {},
        "maj_at_k": {},
        "groups": {},
        "by_difficulty": {},
    }
    return PolicySummary(**values | changes)


def summary(*iterations: RoundSummary, recipe: str = "rest_em", **changes: Any) -> Summary:
    """Of the base, with these changes, and of these rounds."""
    return Summary(
        experiment="made-up",
        model="embedded",
        recipe=recipe,
        seed=0,
        confidence=0.9,
        forks=(),
        allowed=(),
        baseline=base(**changes),
        iterations=iterations,
        human_only=(),
    )


def round(iteration: int = 1, **changes: Any) -> RoundSummary:
    """A finished round, of which no number is but what `changes` say."""
    values: dict[str, Any] = {
        "name": f"iter-{iteration:03d}",
        "seconds": {},
        "methods": {},
        "test_problems": 10,
        "greedy_accuracy": estimate(0.6),
        "pass_at_k": {},
        "maj_at_k": {},
        "groups": {},
        "by_difficulty": {},
        "iteration": iteration,
        "counts": RoundCounts(kept_rows=0, own_rows=0, human_rows=0, optimizer_steps=0),
        "yields": {},
        "thoughts_drawn": None,
        "second_opinion": {},
        "rows_by_method": {},
        "rows_mixed_in": {},
        "diversity": {},
        "tokenization": None,
        "policy": None,
        "policy_from": None,
        "checkpoint": "weights",
        "work_seconds": {},
    }
    return RoundSummary(**values | changes)
