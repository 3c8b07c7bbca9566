"""The part of a report about TriPosT: results of attempts, and the gain of self-improvement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selftrain_assets.domain.types import Improvement, Outcome
from selftrain_assets.pipeline.results import DatasetResult, EvaluationResult
from selftrain_assets.pipeline.run import Run
from selftrain_assets.reports.recipes import RecipeReport, Scores
from selftrain_assets.reports.summary import PolicySummary, Summary
from selftrain_assets.reports.tables import Titled, number
from selftrain_assets.store import Manifest

FUNNEL = ("attempted", "parsable", "edited", "successful")
PARTS = ("correct", "improved", "gold")


@dataclass(frozen=True, slots=True)
class Trajectories:
    """Statistics of trajectories.

    They are the funnel from attempts to rows, how trajectories ended, which errors were corrected,
    and who gave feedback and updates.
    """

    counts: Mapping[str, int]
    endings: Mapping[str, int]
    errors: Mapping[str, int]
    by: Mapping[str, Any]
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class GroupAttempts:
    """Accuracy of first and of last attempts on a group of problems."""

    problems: int
    direct: float
    final: float


@dataclass(frozen=True, slots=True)
class SelfImprovement:
    """The effect of self-improvement on a split."""

    problems: int
    direct: float
    final: float
    wrong_to_right: int
    right_to_wrong: int
    updates: float
    ended: Mapping[str, int]
    feedback_precision: float | None
    feedback_recall: float | None
    groups: Mapping[str, GroupAttempts]


def numbers(stages: Mapping[str, Manifest]) -> dict[str, object]:
    """The numbers for the JSON report.

    They are `trajectories` of a round, and `self_improvement` of an evaluation by split.
    """
    own: dict[str, object] = {}
    if "trajectories" in stages:
        trajectories, rows = stages["trajectories"], stages["dataset"].result(DatasetResult)
        improved = rows.improved or 0
        parts = {"correct": rows.own - improved, "improved": improved, "gold": rows.human}
        own["trajectories"] = Trajectories(trajectories.counts, **trajectories.metrics, rows=parts)
    if measured := stages["evaluation"].result(EvaluationResult).self_improvement:
        own["self_improvement"] = {
            split: _self_improvement(metrics) for split, metrics in measured.items()
        }
    return own


def _self_improvement(metrics: Mapping[str, Any]) -> SelfImprovement:
    groups = {group: GroupAttempts(**attempts) for group, attempts in metrics["groups"].items()}
    return SelfImprovement(**{**metrics, "groups": groups})


def _improvement_of(policy: PolicySummary) -> Mapping[str, SelfImprovement]:
    """The effect of self-improvement, by split."""
    return policy.own.get("self_improvement", {})  # type: ignore[return-value]


def trajectory_tables(summary: Summary) -> list[Titled]:
    """Tables of trajectories by round, and of self-improvement by policy."""
    trajectories = {
        str(point.iteration): point.own["trajectories"]
        for point in summary.iterations
        if "trajectories" in point.own
    }
    tables = [_funnel(trajectories), _dropped(trajectories), _answers(summary), _groups(summary)]  # type: ignore[arg-type]
    return [table for table in tables if table.rows]


def _funnel(trajectories: Mapping[str, Trajectories]) -> Titled:
    rows = []
    for iteration, counted in trajectories.items():
        steps = [str(counted.counts[step]) for step in FUNNEL]
        rows.append([iteration, *steps, *(str(counted.rows[part]) for part in PARTS)])
    title = (
        "Attempts, edited until they are right; and the rows of those right at once, of"
        " improvements, and of reference solutions"
    )
    return Titled(title, ["iteration", *FUNNEL, *(f"rows {part}" for part in PARTS)], rows)


def _dropped(trajectories: Mapping[str, Trajectories]) -> Titled:
    reasons: set[str] = set()
    kinds: set[str] = set()
    for counted in trajectories.values():
        reasons |= counted.endings.keys() - {"correct", "improved"}
        kinds |= counted.errors.keys()
    rows = []
    for iteration, counted in trajectories.items() if reasons or kinds else ():
        dropped = [str(counted.endings.get(reason, 0)) for reason in sorted(reasons)]
        corrected = [str(counted.errors.get(kind, 0)) for kind in sorted(kinds)]
        rows.append([iteration, *dropped, *corrected])
    header = [
        "iteration",
        *(reason.replace("_", " ") for reason in sorted(reasons)),
        *(f"{kind} corrected" for kind in sorted(kinds)),
    ]
    return Titled(
        "Why trajectories were dropped, and errors that were corrected, by kind", header, rows
    )


def _answers(summary: Summary) -> Titled:
    rows = []
    for name, policy in summary.policies:
        for split, effect in _improvement_of(policy).items():
            accuracies = [number(effect.direct), number(effect.final)]
            changed = [
                str(effect.wrong_to_right),
                str(effect.right_to_wrong),
                f"{effect.updates:.2f}",
            ]
            feedback = [number(effect.feedback_precision), number(effect.feedback_recall)]
            rows.append([name, split, *accuracies, *changed, *feedback])
    header = [
        "iteration",
        "split",
        "first attempt",
        "last attempt",
        "put right",
        "broken",
        "updates",
        "precision",
        "recall",
    ]
    title = (
        "Held-out accuracy of first and last attempts; precision and recall of the policy's"
        " feedback that an attempt is wrong"
    )
    return Titled(title, header, rows)


def _groups(summary: Summary) -> Titled:
    """Table of test and transfer groups: those seen in training, and those not seen."""
    rows = []
    for split in ("test", "transfer"):
        base = _improvement_of(summary.base).get(split)
        for group in base.groups if base else ():
            cells = []
            for _, policy in summary.policies:
                effect = _improvement_of(policy).get(split)
                attempts = effect.groups.get(group) if effect else None
                cells.append(
                    f"{number(attempts.direct)} / {number(attempts.final)}" if attempts else ""
                )
            rows.append([split, group, *cells])
    names = [name for name, _ in summary.policies]
    return Titled("First / last attempt by group of problems", ["split", "group", *names], rows)


# -- comparisons -----------------------------------------------------------------------------------


def first_attempts(run: Run, evaluation: Manifest) -> dict[str, Scores]:
    """Whether the first attempt is right, by problem."""
    if "improvements" not in evaluation.files:
        return {}
    improvements = run.store.read_table(evaluation, "improvements", Improvement)
    return {
        "first attempt": {
            answer.problem_id: float(answer.direct == Outcome.PASS) for answer in improvements
        }
    }


REPORT = RecipeReport(numbers=numbers, tables=trajectory_tables, scores=first_attempts)
