"""Answering held-out problems with self-improvement (TriPosT, section 3.3).

The policy gives itself feedback and updates its attempts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.types import Improvement, Outcome, Score
from selftrain_assets.models.loading import Policy
from selftrain_assets.pipeline.recipe import FinalAnswers
from selftrain_assets.pipeline.run import Clock, Run
from selftrain_assets.pipeline.stage import TableSpec
from selftrain_assets.recipes.tripost.conversation_runner import Responder
from selftrain_assets.recipes.tripost.conversations import Conversations
from selftrain_assets.recipes.tripost.feedback_script import (
    script_of,
    script_version,
    settings_of,
)


def improves(run: Run) -> bool:
    """Whether this experiment's policy answers with self-improvement."""
    return settings_of(run).updates_at_test > 0


def identity(run: Run) -> list[str]:
    """What the answers depend on besides the first attempts."""
    recipe = run.config.recipe.model_dump(include={"wording", "updates_at_test", "sampling"})
    return [fingerprint("self-improvement", recipe, script_version(script_of(run)))]


def self_improvement(
    run: Run, answers: Sequence[tuple[str, str]], policy: Policy, label: str, clock: Clock
) -> tuple[list[Improvement], int]:
    """Improve greedy answers.

    What could not be judged is left out.

    Args:
        run: The run.
        answers: Greedy answers as (problem id, text).
        policy: The policy that improves them.
        label: The name under which progress is displayed.
        clock: Counts the time spent in engine and verifier.

    Returns:
        The improvements, and the number of tokens that they took.
    """
    recipe = settings_of(run)
    problems = {p.id: p for p in run.problems}
    conversations = Conversations(recipe, run.methods[0].prompt, script_of(run), own=True)
    with Responder(run, {"policy": policy}, label, clock) as responder:
        found = list(
            responder.converse(conversations.answer(problems[id], text) for id, text in answers)
        )
    return [
        each for each in found if Outcome.INFRA_ERROR not in (each.direct, each.final)
    ], responder.tokens


def with_final_answers(scores: Sequence[Score], improved: Sequence[Improvement]) -> list[Score]:
    """The scores with the last attempt in place of the first."""
    final = {each.problem_id: int(each.final == Outcome.PASS) for each in improved}
    return [
        replace(s, greedy=final.get(s.problem_id, s.greedy)) if s.method is None else s
        for s in scores
    ]


def measure(improved: Sequence[Improvement]) -> dict[str, Any]:
    """Measure self-improvement by split.

    Returns:
        Accuracy of first and last attempts, the number of answers that were corrected or broken,
        own updates, how the conversations ended, precision and recall of the policy's feedback that
        an attempt is wrong, and accuracy by problem group.
    """
    splits: dict[str, list[Improvement]] = defaultdict(list)
    for each in improved:
        splits[each.split].append(each)
    return {split: _measured(of) | {"groups": _groups(of)} for split, of in splits.items()}


def _measured(of: Sequence[Improvement]) -> dict[str, Any]:
    right = [(each.direct == Outcome.PASS, each.final == Outcome.PASS) for each in of]
    flagged, flagged_wrong, wrong = (
        sum(getattr(each, name) for each in of) for name in ("flagged", "flagged_wrong", "wrong")
    )
    return {
        "problems": len(of),
        "direct": sum(before for before, _ in right) / len(of),
        "final": sum(after for _, after in right) / len(of),
        "wrong_to_right": sum(after and not before for before, after in right),
        "right_to_wrong": sum(before and not after for before, after in right),
        "updates": sum(each.updates for each in of) / len(of),
        "ended": dict(sorted(Counter(each.ended for each in of).items())),
        "feedback_precision": flagged_wrong / flagged if flagged else None,
        "feedback_recall": flagged_wrong / wrong if wrong else None,
    }


def _groups(of: Sequence[Improvement]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[Improvement]] = defaultdict(list)
    for each in of:
        groups[each.group].append(each)
    names = ("problems", "direct", "final")
    return {
        group: {name: _measured(those)[name] for name in names}
        for group, those in sorted(groups.items())
    }


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that the UI plots: each number by split."""
    return {
        f"{split} {name.replace('_', ' ')}": float(number)
        for split, numbers_of in metrics.items()
        for name, number in numbers_of.items()
        if isinstance(number, int | float) and name != "problems"
    }


SELF_IMPROVEMENT = FinalAnswers(
    metric="self_improvement",
    table=TableSpec(
        name="improvements",
        record=Improvement,
        view="improvements",
        identified_by=("problem_id",),
        main=False,
    ),
    applies=improves,
    identity=identity,
    answer=self_improvement,
    final=with_final_answers,
    measure=measure,
    numbers=numbers,
)
