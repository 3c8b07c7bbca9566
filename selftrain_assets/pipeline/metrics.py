"""The metrics of an evaluation, by method and for all methods together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from selftrain_assets.config.evaluation import Evaluation
from selftrain_assets.domain.selection import difficulty_bin
from selftrain_assets.domain.statistics import (
    agreement,
    estimate,
    maj_at_k,
    paired_difference,
    pass_at_k,
    vote,
)
from selftrain_assets.domain.types import Score
from selftrain_assets.pipeline.run import Run

VERSION = 2  # of the metrics; it enters the key of an evaluation
CORRECT = "correct"  # the vote of every answer that the verifier passes


@dataclass
class Ballots:
    """The answers to one problem by one method: the greedy one and the sampled ones.

    None means that the completion has no answer. A completion without a verdict is left out, so
    that what could not be judged does not count as wrong.

    Attributes:
        reward: Of the greedy completion; None without a verdict.
    """

    greedy: list[str | None] = field(default_factory=list)
    sampled: list[str | None] = field(default_factory=list)
    reward: float | None = None


Votes = Mapping[str | None, Mapping[str, Ballots]]
"""Method -> problem -> answers."""


def vote_of_all(run: Run, scores: Sequence[Score], votes: Votes) -> list[Score]:
    """Scores of the experiment as a whole; their method is None.

    With one method they are its own scores. With several they are those of a vote: the greedy
    answer that most methods give or, where they disagree, that of the method that is best on the
    validation split; the sampled completions of all methods count as one pool. A problem for which
    some method has no verdict is left out.
    """
    if not run.config.recipe.methods:
        return list(scores)
    ranked = _ranking(scores)
    by_problem: dict[str, list[Score]] = defaultdict(list)
    for s in scores:
        by_problem[s.problem_id].append(s)
    return [
        Score(
            id,
            problem_scores[0].split,
            problem_scores[0].group,
            int(vote([answer for name in ranked for answer in votes[name][id].greedy]) == CORRECT),
            sum(s.samples for s in problem_scores),
            sum(s.correct for s in problem_scores),
        )
        for id, problem_scores in by_problem.items()
        if len(problem_scores) == len(ranked)
    ]


def measure(
    run: Run, scores: Sequence[Score], votes: Votes, base: Sequence[Score]
) -> dict[str, Any]:
    """Compute the metrics of an evaluation, with differences from `base` if it is given.

    They cover the experiment as a whole, each suite (under `suites`) and, with several methods,
    each method (under `methods`) and how the methods agree.
    """
    settings = run.config.evaluation

    def metrics(
        method: str | None,
        sampled: Mapping[str, list[str | None]],
        settings: Evaluation = settings,
    ) -> dict[str, Any]:
        own, before = (
            [_as_test(s) for s in policy_scores if s.method == method]
            for policy_scores in (scores, base)
        )
        return (
            _metrics(run, settings, own, sampled)
            | _mean_reward(settings, own, votes.get(method, {}))
            | (_against_base(settings, own, before) if before else {})
        )

    def suite(name: str) -> dict[str, Any]:
        ks = {"pass_at": settings.suites[name].pass_at, "majority_at": ()}
        return metrics(name, {}, settings.model_copy(update=ks))

    names = [m.name for m in run.methods if m.name is not None]
    method_votes = [votes[m.name] for m in run.methods]
    pool = {
        id: [answer for ballots in method_votes for answer in ballots[id].sampled]
        for id in method_votes[0]
    }
    overall = metrics(None, pool)
    if run.suites:
        overall["suites"] = {name: suite(name) for name in run.suites}
    if not names:
        return overall
    by_method = {
        name: metrics(name, {id: b.sampled for id, b in votes[name].items()}) for name in names
    }
    return overall | {
        "methods": by_method,
        "ranked": _ranking(scores),
        "agreement": _agreement(scores, names),
        "choice": _choice(scores, base),
    }


def _as_test(score: Score) -> Score:
    """The score with a suite's problems counted as a test split."""
    return replace(score, split="test") if score.split == "suite" else score


def _ranking(scores: Sequence[Score]) -> list[str]:
    """The methods, the best on the validation split first; ties keep the order of the settings."""
    right: dict[str, int] = defaultdict(int)
    for s in scores:
        if s.method is not None and s.split != "suite":
            right[s.method] += s.greedy if s.split == "validation" else 0
    return sorted(right, key=lambda name: -right[name])


def _agreement(scores: Sequence[Score], names: Sequence[str]) -> dict[str, Any]:
    """Agreement of each pair of methods on the test and train splits (MMST, table 4).

    It counts the problems that both, one or neither solves, with the correlation phi, and gives the
    share of problems that any method solves.
    """
    by_split: dict[str, Any] = {}
    for split in ("test", "train"):
        right = {
            name: {
                s.problem_id: bool(s.greedy)
                for s in scores
                if s.method == name and s.split == split
            }
            for name in names
        }
        if problems := [id for id in right[names[0]] if all(id in right[name] for name in names)]:
            pairs = {
                f"{a}, {b}": agreement([(right[a][id], right[b][id]) for id in problems])
                for i, a in enumerate(names)
                for b in names[i + 1 :]
            }
            by_split[split] = {
                "pairs": pairs,
                "union": sum(any(right[name][id] for name in names) for id in problems)
                / len(problems),
            }
    return by_split


VOTE = "vote"


def _choice(scores: Sequence[Score], base: Sequence[Score]) -> dict[str, Any]:
    """Greedy test accuracy of each method and of their vote, by how often the base is right."""
    rate = {s.problem_id: s.correct / s.samples for s in base if s.method is None and s.samples}
    bins: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for s in scores:
        if s.split == "test" and s.problem_id in rate:
            bins[difficulty_bin(rate[s.problem_id])][s.method or VOTE].append(s.greedy)
    return {
        name: {"problems": len(greedy_by_method[VOTE])}
        | {method: sum(greedy) / len(greedy) for method, greedy in greedy_by_method.items()}
        for name, greedy_by_method in bins.items()
    }


def _metrics(
    run: Run, settings: Evaluation, scores: Sequence[Score], sampled: Mapping[str, list[str | None]]
) -> dict[str, Any]:
    test = [s for s in scores if s.split == "test"]
    # Programs have no answer to vote on.
    programs = {p.id for p in run.problems if p.tests is not None}
    voted = [s for s in test if s.problem_id not in programs]

    def measured(values: list[float]) -> dict[str, Any]:
        return asdict(estimate(values, settings.confidence, settings.resamples))

    return (
        {
            "greedy_accuracy": measured([float(s.greedy) for s in test]),
            "pass_at_k": {
                str(k): measured([pass_at_k(s.samples, s.correct, k) for s in test])
                for k in settings.pass_at
            },
            "maj_at_k": {
                str(k): measured(
                    [maj_at_k(sampled[s.problem_id], CORRECT, k, settings.ties) for s in voted]
                )
                for k in settings.majority_at
                if voted
            },
        }
        | {
            f"{split}_accuracy": measured([float(s.greedy) for s in scores if s.split == split])
            for split in ("train", "validation", "transfer")
            if any(s.split == split for s in scores)
        }
        | {
            "groups": {
                split: by_group
                for split in ("test", "transfer")
                if (by_group := _by_group([s for s in scores if s.split == split], measured))
            }
        }
    )


def _mean_reward(
    settings: Evaluation, scores: Sequence[Score], ballots: Mapping[str, Ballots]
) -> dict[str, Any]:
    """Mean reward of the greedy test completions; empty where no verdict is graded.

    Without grades it would be the accuracy once more.
    """
    rewards = [
        reward
        for s in scores
        if s.split == "test"
        and s.problem_id in ballots
        and (reward := ballots[s.problem_id].reward) is not None
    ]
    if not any(0 < reward < 1 for reward in rewards):
        return {}
    return {"mean_reward": asdict(estimate(rewards, settings.confidence, settings.resamples))}


# The most groups in a split: with more, a group would not be a kind of problem any more.
MOST_GROUPS = 24


def _by_group(
    scores: Sequence[Score], measured: Callable[[list[float]], dict[str, Any]]
) -> dict[str, Any]:
    """Greedy accuracy by group of problems, if there are 2 to MOST_GROUPS groups."""
    names = sorted({s.group for s in scores})
    if not 1 < len(names) <= MOST_GROUPS:
        return {}
    return {name: measured([float(s.greedy) for s in scores if s.group == name]) for name in names}


def _against_base(
    settings: Evaluation, scores: Sequence[Score], base: Sequence[Score]
) -> dict[str, Any]:
    """Paired difference from the base on the test split, and accuracy by difficulty.

    Difficulty bins follow how often the base solves a problem (ReST-EM, section 5.3).
    """
    before = {s.problem_id: s for s in base}
    pairs = [
        (before[s.problem_id], s) for s in scores if s.split == "test" and s.problem_id in before
    ]
    gain = paired_difference(
        [float(b.greedy) for b, _ in pairs],
        [float(s.greedy) for _, s in pairs],
        settings.confidence,
        settings.resamples,
    )
    bins: dict[str, list[tuple[Score, Score]]] = defaultdict(list)
    for b, s in pairs:
        if b.samples:
            bins[difficulty_bin(b.correct / b.samples)].append((b, s))
    by_bin = {
        name: {
            "problems": len(group),
            "base": sum(b.greedy for b, _ in group) / len(group),
            "now": sum(s.greedy for _, s in group) / len(group),
        }
        for name, group in bins.items()
    }
    return {"gain_over_base": asdict(gain), "by_difficulty": by_bin}
