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
        improvements = list(
            responder.converse(conversations.answer(problems[id], text) for id, text in answers)
        )
    return [
        improvement
        for improvement in improvements
        if Outcome.INFRA_ERROR not in (improvement.direct, improvement.final)
    ], responder.tokens


def with_final_answers(scores: Sequence[Score], improved: Sequence[Improvement]) -> list[Score]:
    """The scores with the last attempt in place of the first."""
    final = {answer.problem_id: int(answer.final == Outcome.PASS) for answer in improved}
    return [
        replace(score, greedy=final.get(score.problem_id, score.greedy))
        if score.method is None
        else score
        for score in scores
    ]


def measure(improved: Sequence[Improvement]) -> dict[str, Any]:
    """Measure self-improvement by split.

    Returns:
        Accuracy of first and last attempts, the number of answers that were corrected or broken,
        own updates, how the conversations ended, precision and recall of the policy's feedback that
        an attempt is wrong, and accuracy by problem group.
    """
    splits: dict[str, list[Improvement]] = defaultdict(list)
    for answer in improved:
        splits[answer.split].append(answer)
    return {
        split: _measures(answers) | {"groups": _groups(answers)}
        for split, answers in splits.items()
    }


def _measures(answers: Sequence[Improvement]) -> dict[str, Any]:
    right = [(answer.direct == Outcome.PASS, answer.final == Outcome.PASS) for answer in answers]
    flagged, flagged_wrong, wrong = (
        sum(getattr(answer, name) for answer in answers)
        for name in ("flagged", "flagged_wrong", "wrong")
    )
    return {
        "problems": len(answers),
        "direct": sum(before for before, _ in right) / len(answers),
        "final": sum(after for _, after in right) / len(answers),
        "wrong_to_right": sum(after and not before for before, after in right),
        "right_to_wrong": sum(before and not after for before, after in right),
        "updates": sum(answer.updates for answer in answers) / len(answers),
        "ended": dict(sorted(Counter(answer.ended for answer in answers).items())),
        "feedback_precision": flagged_wrong / flagged if flagged else None,
        "feedback_recall": flagged_wrong / wrong if wrong else None,
    }


def _groups(answers: Sequence[Improvement]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[Improvement]] = defaultdict(list)
    for answer in answers:
        groups[answer.group].append(answer)
    names = ("problems", "direct", "final")
    return {
        group: {name: _measures(members)[name] for name in names}
        for group, members in sorted(groups.items())
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
