"""How a policy answers held-out problems where it gives itself feedback and updates its attempts
(TriPosT, section 3.3)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.types import Improvement, Outcome, Score
from selftrain_assets.models.loading import Policy
from selftrain_assets.pipeline.run import Clock, Run
from selftrain_assets.recipes import TriPosT
from selftrain_assets.recipes.tripost.conversation_runner import Responder
from selftrain_assets.recipes.tripost.conversations import Conversations
from selftrain_assets.recipes.tripost.stages import script_of, script_version


def improves(run: Run) -> bool:
    """Does this experiment's policy answer with self-improvement?"""
    return isinstance(run.config.recipe, TriPosT) and run.config.recipe.updates_at_test > 0


def identity(run: Run) -> list[str]:
    """What it depends on beside the attempts."""
    if not improves(run):
        return []
    recipe = run.config.recipe.model_dump(include={"wording", "updates_at_test", "sampling"})
    return [fingerprint("self-improvement", recipe, script_version(script_of(run)))]


def self_improvement(
    run: Run, answers: Sequence[tuple[str, str]], policy: Policy, label: str, clock: Clock
) -> tuple[list[Improvement], int]:
    """Go on from greedy answers, given as problem id and text, and the tokens that it took. What
    could not be judged is left out."""
    recipe = run.config.recipe
    assert isinstance(recipe, TriPosT)
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
    """Scores in which the last attempt counts, and not the first."""
    final = {each.problem_id: int(each.final == Outcome.PASS) for each in improved}
    return [
        replace(s, greedy=final.get(s.problem_id, s.greedy)) if s.method is None else s
        for s in scores
    ]


def measure(improved: Sequence[Improvement]) -> dict[str, Any]:
    """By split: accuracy of the first attempts and of the last, problems whose answer was put
    right or broken, own updates, how it ended, precision and recall of the policy's feedback
    that an attempt is wrong, and accuracy by problem group."""
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
