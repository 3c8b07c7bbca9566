"""The main table of an experiment as rows of text, for the command line, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Iterable
from math import isnan
from typing import NamedTuple

from selftrain_assets.domain.statistics import Estimate
from selftrain_assets.reports.summary import PolicySummary, RoundSummary, Summary

GROUPS = {
    "sample": ("policy", "samples"),
    "verify": ("verifications", "rationalizations"),
    "train": ("dataset", "checkpoint"),
    "evaluate": ("evaluation",),
}


class Titled(NamedTuple):
    """A table with its title."""

    title: str
    header: list[str]
    rows: list[list[str]]


def header(summary: Summary) -> list[str]:
    """Return the column titles; of pass@k they have 1 and the largest k, of maj@k the largest."""
    return [
        "iteration",
        "held-out accuracy",
        f"{summary.confidence:.0%} interval",
        *(("mean reward", f"{summary.confidence:.0%} interval") if _is_graded(summary) else ()),
        *(f"pass@{k}" for k in _one_and_largest(summary.base.pass_at_k)),
        f"maj@{_largest(summary.base.maj_at_k) or 'k'}",
        "train accuracy",
        "solved",
        "samples",
        "kept rows",
        *(f"{name} s" for name in GROUPS),
    ]


def rows(summary: Summary) -> list[list[str]]:
    """Return one row for the base, one for each iteration and one for each control."""
    graded = _is_graded(summary)
    return [_row(name, policy, graded) for name, policy in summary.policies]


def _is_graded(summary: Summary) -> bool:
    """Whether the verifier has given rewards between 0 and 1."""
    return any(policy.mean_reward is not None for _, policy in summary.policies)


def _row(name: str, policy: PolicySummary, graded: bool) -> list[str]:
    accuracy = policy.greedy_accuracy
    # a policy without a graded verdict has the accuracy as its mean reward
    reward = policy.mean_reward or accuracy
    solved = samples = kept = ""
    if isinstance(policy, RoundSummary):
        counts = policy.counts
        solved = "" if counts.problems is None else f"{counts.problems_solved} of {counts.problems}"
        samples = "" if counts.samples is None else str(counts.samples)
        kept = str(counts.kept_rows)
    seconds = [
        sum(policy.seconds.get(stage, 0.0) for stage in stages) for stages in GROUPS.values()
    ]
    return [
        name,
        number(accuracy.mean),
        f"{number(accuracy.low)} to {number(accuracy.high)}",
        *((mean(reward), f"{number(reward.low)} to {number(reward.high)}") if graded else ()),
        *(mean(policy.pass_at_k.get(k)) for k in _one_and_largest(policy.pass_at_k)),
        mean(policy.maj_at_k.get(_largest(policy.maj_at_k))),
        mean(policy.train_accuracy),
        solved,
        samples,
        kept,
        *(f"{total:.0f}" if total else "" for total in seconds),
    ]


def number(value: float | None) -> str:
    """Format a number with three digits; empty if it is not defined."""
    return "" if value is None or isnan(value) else f"{value:.3f}"


def mean(estimate: Estimate | None) -> str:
    """Format the mean of an estimate; empty if there is none."""
    return number(estimate.mean) if estimate else ""


def estimated(estimate: Estimate | None, sign: str = "") -> str:
    """Format a mean with its interval, as far as they are defined."""
    if estimate is None or isnan(estimate.mean):
        return ""
    interval = (
        ""
        if isnan(estimate.low) or isnan(estimate.high)
        else f" [{estimate.low:{sign}.3f}, {estimate.high:{sign}.3f}]"
    )
    return f"{estimate.mean:{sign}.3f}{interval}"


def _one_and_largest(by_k: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(("1", _largest(by_k) or "1")))


def _largest(by_k: Iterable[str]) -> str:
    return max(by_k, key=int, default="")
