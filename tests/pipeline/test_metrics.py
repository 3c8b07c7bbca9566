"""What an evaluation says in numbers, each worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from types import SimpleNamespace

import pytest

from selftrain_assets.config.evaluation import Evaluation, Suite
from selftrain_assets.domain.statistics import newcombe, wilson
from selftrain_assets.domain.types import Improvement, Problem, Score
from selftrain_assets.pipeline.metrics import CORRECT, Ballots, measure, vote_of_all
from selftrain_assets.recipes.tripost import self_improvement
from selftrain_assets.tasks import WordProblems

SETTINGS = Evaluation(samples_per_problem=4, pass_at=(1, 2), majority_at=(1, 3), resamples=100)
R, A, B = CORRECT, "7", "8"
SAMPLED = {"a": [R, R, R, R], "b": [R, R, A, B], "c": [A, A, B, None], "d": [R, R, R, A]}
BASE = [
    Score("a", "test", "x", 1, 4, 4),
    Score("b", "test", "x", 0, 4, 1),
    Score("c", "test", "y", 0, 4, 0),
    Score("d", "test", "y", 1, 4, 3),
]
NOW = [
    Score("a", "test", "x", 1, 4, 4),
    Score("b", "test", "x", 1, 4, 2),
    Score("c", "test", "y", 0, 4, 0),
    Score("d", "test", "y", 1, 4, 3),
    Score("t1", "train", "x", 1, 0, 0),
    Score("t2", "train", "y", 0, 0, 0),
    Score("v1", "validation", "x", 1, 0, 0),
    Score("u1", "transfer", "z", 0, 0, 0),
]


def run(methods=(), suites=(), problems=()):
    """As much of a run as measuring looks at."""
    settings = SETTINGS.model_copy(
        update={"suites": {name: Suite(task=WordProblems()) for name in suites}}
    )
    recipe = SimpleNamespace(methods=[SimpleNamespace(name=name) for name in methods])
    named = [SimpleNamespace(name=name) for name in methods or (None,)]
    return SimpleNamespace(
        config=SimpleNamespace(evaluation=settings, recipe=recipe),
        methods=named,
        suites=dict.fromkeys(suites),
        problems=problems,
    )


def ballots(sampled, greedy=None):
    return {id: Ballots([(greedy or {}).get(id)], answers) for id, answers in sampled.items()}


@pytest.fixture
def measured():
    return measure(run(), NOW, {None: ballots(SAMPLED)}, BASE)


def test_greedy_accuracy_is_the_share_of_problems_by_split(measured):
    low, high = wilson(3, 4)
    assert measured["greedy_accuracy"] == {"mean": 0.75, "low": low, "high": high, "problems": 4}
    shares = {split: measured[f"{split}_accuracy"] for split in ("train", "validation", "transfer")}
    assert {split: (of["mean"], of["problems"]) for split, of in shares.items()} == {
        "train": (0.5, 2),
        "validation": (1.0, 1),
        "transfer": (0.0, 1),
    }


def test_mean_reward_is_measured_where_verdicts_are_graded(measured):
    """By hand: rewards 1, 0.5, 0 and 0.25 have the mean 0.4375."""
    assert "mean_reward" not in measured, "rewards of 0 and 1 alone are the accuracy"
    graded = ballots(SAMPLED)
    for id, reward in {"a": 1.0, "b": 0.5, "c": 0.0, "d": 0.25}.items():
        graded[id].reward = reward
    found = measure(run(), NOW, {None: graded}, BASE)
    assert found["mean_reward"]["mean"] == 0.4375
    assert found["mean_reward"]["problems"] == 4
    assert 0 <= found["mean_reward"]["low"] < 0.4375 < found["mean_reward"]["high"] <= 1
    assert found["greedy_accuracy"] == measured["greedy_accuracy"]


def test_pass_at_k_is_the_chance_that_one_of_k_is_right(measured):
    assert measured["pass_at_k"]["1"]["mean"] == pytest.approx((1 + 2 / 4 + 0 + 3 / 4) / 4)
    # of the six pairs of b one has none that is right, and of those of d none
    assert measured["pass_at_k"]["2"]["mean"] == pytest.approx((1 + 5 / 6 + 0 + 1) / 4)


def test_maj_at_k_is_the_chance_that_most_of_k_are_right(measured):
    assert measured["maj_at_k"]["1"]["mean"] == pytest.approx((1 + 2 / 4 + 0 + 3 / 4) / 4)
    # b: of its four triples two have two right answers, and two have three that are each different
    assert measured["maj_at_k"]["3"]["mean"] == pytest.approx((1 + (2 + 2 / 3) / 4 + 0 + 1) / 4)


def test_programs_have_no_answer_to_vote_on():
    program = Problem("d", "q", "", tests="{}")
    found = measure(run(problems=[program]), NOW, {None: ballots(SAMPLED)}, [])
    assert found["maj_at_k"]["3"]["mean"] == pytest.approx((1 + (2 + 2 / 3) / 4 + 0) / 3)
    assert found["maj_at_k"]["3"]["problems"] == 3


def test_a_gain_is_what_is_solved_now_less_what_the_base_solved(measured):
    low, high = newcombe(both=2, only_first=1, only_second=0, neither=1)
    gain = measured["gain_over_base"]
    assert gain == {"mean": 0.25, "low": low, "high": high, "problems": 4}
    lost = measure(run(), BASE, {None: ballots(SAMPLED)}, NOW)["gain_over_base"]
    assert (lost["mean"], lost["low"], lost["high"]) == pytest.approx((-0.25, -high, -low))


def test_difficulty_is_how_often_the_base_is_right(measured):
    assert measured["by_difficulty"] == {
        "easy": {"problems": 2, "base": 1.0, "now": 1.0},
        "hard": {"problems": 1, "base": 0.0, "now": 1.0},
        "very hard": {"problems": 1, "base": 0.0, "now": 0.0},
    }


def test_groups_are_told_apart_where_there_are_several(measured):
    groups = measured["groups"]
    assert groups.keys() == {"test"}
    assert {name: (of["mean"], of["problems"]) for name, of in groups["test"].items()} == {
        "x": (1.0, 2),
        "y": (0.5, 2),
    }


def test_a_suite_is_measured_by_itself_and_against_the_base():
    before = [
        Score("other/1", "suite", "", 0, 0, 0, "other"),
        Score("other/2", "suite", "", 1, 0, 0, "other"),
    ]
    after = [replace(score, greedy=1) for score in before]
    found = measure(
        run(suites=["other"]), [*NOW, *after], {None: ballots(SAMPLED)}, [*BASE, *before]
    )
    assert (found["greedy_accuracy"]["mean"], found["gain_over_base"]["mean"]) == (0.75, 0.25)
    suite = found["suites"]["other"]
    assert (suite["greedy_accuracy"]["mean"], suite["greedy_accuracy"]["problems"]) == (1.0, 2)
    assert suite["gain_over_base"]["mean"] == 0.5


# -- several methods -------------------------------------------------------------------------------


def solved(method, right, split="test", samples=2, correct=1):
    return [
        Score(id, split, "", int(id in right), samples, correct if id in right else 0, method)
        for id in ("12345" if split == "test" else "v")
    ]


BY_METHOD = [
    *solved("text", "123"),
    *solved("text", "", "validation"),
    *solved("code", "234"),
    *solved("code", "v", "validation"),
]
GREEDY = {
    "text": {"1": R, "2": R, "3": R, "4": A, "5": A, "v": A},
    "code": {"1": B, "2": R, "3": R, "4": R, "5": B, "v": R},
}
VOTES = {
    name: ballots({id: [R, A] if greedy == R else [A, A] for id, greedy in of.items()}, of)
    for name, of in GREEDY.items()
}


@pytest.fixture
def methods():
    return run(methods=["text", "code"])


def test_where_methods_disagree_the_better_one_on_the_validation_split_counts(methods):
    whole = {score.problem_id: score for score in vote_of_all(methods, BY_METHOD, VOTES)}
    assert {id: score.greedy for id, score in whole.items()} == {
        "1": 0,  # text is right, and code, which is better, is not
        "2": 1,
        "3": 1,
        "4": 1,
        "5": 0,
        "v": 1,
    }
    assert {id: (score.samples, score.correct) for id, score in whole.items()} == {
        "1": (4, 1),
        "2": (4, 2),
        "3": (4, 2),
        "4": (4, 1),
        "5": (4, 0),
        "v": (4, 1),
    }
    missing = [score for score in BY_METHOD if (score.method, score.problem_id) != ("code", "2")]
    assert "2" not in {score.problem_id for score in vote_of_all(methods, missing, VOTES)}


def test_agreement_of_methods_and_which_to_use(methods):
    whole = vote_of_all(methods, BY_METHOD, VOTES)
    base = [
        Score(id, "test", "", 0, 4, correct)
        for id, correct in zip("12345", (4, 3, 1, 1, 0), strict=True)
    ]
    found = measure(methods, [*whole, *BY_METHOD], VOTES, base)
    assert found["ranked"] == ["code", "text"]
    assert found["methods"]["text"]["greedy_accuracy"]["mean"] == 0.6
    assert found["greedy_accuracy"]["mean"] == 0.6
    pair = found["agreement"]["test"]["pairs"]["text, code"]
    counts = [pair[name] for name in ("both", "only_first", "only_second", "neither")]
    assert counts == [2, 1, 1, 1]
    assert pair["phi"] == pytest.approx((2 * 1 - 1 * 1) / sqrt(3 * 2 * 3 * 2))
    assert pair["phi_of_solved"] == pytest.approx(-1 / 3)
    assert found["agreement"]["test"]["union"] == 0.8
    assert found["choice"] == {
        "easy": {"problems": 2, "vote": 0.5, "text": 1.0, "code": 0.5},
        "hard": {"problems": 2, "vote": 1.0, "text": 0.5, "code": 1.0},
        "very hard": {"problems": 1, "vote": 0.0, "text": 0.0, "code": 0.0},
    }


# -- attempts that are improved --------------------------------------------------------------------


def improvement(id, direct, final, updates, flagged=0, flagged_wrong=0, wrong=0, group="x"):
    return Improvement(
        id, "test", group, direct, final, updates, "correct", flagged, flagged_wrong, wrong, 3
    )


def test_self_improvement_is_what_becomes_of_first_attempts():
    improved = [
        improvement("1", "pass", "pass", 0),
        improvement("2", "wrong", "pass", 2, flagged=2, flagged_wrong=2, wrong=2),
        improvement("3", "pass", "wrong", 1, flagged=1, flagged_wrong=0, wrong=1, group="y"),
        improvement("4", "wrong", "wrong", 3, flagged=1, flagged_wrong=1, wrong=3, group="y"),
        improvement("5", "malformed", "pass", 1, flagged=1, flagged_wrong=1, wrong=1, group="y"),
    ]
    found = self_improvement.measure(improved)["test"]
    assert found == {
        "problems": 5,
        "direct": 0.4,
        "final": 0.6,
        "wrong_to_right": 2,
        "right_to_wrong": 1,
        "updates": 7 / 5,
        "ended": {"correct": 5},
        "feedback_precision": 4 / 5,
        "feedback_recall": 4 / 7,
        "groups": {
            "x": {"problems": 2, "direct": 0.5, "final": 1.0},
            "y": {"problems": 3, "direct": 1 / 3, "final": 1 / 3},
        },
    }
    without_flags = self_improvement.measure(improved[:1])["test"]
    assert without_flags["feedback_precision"] is without_flags["feedback_recall"] is None


def test_the_last_attempt_is_the_answer():
    scores = [Score("1", "test", "", 1, 0, 0), Score("2", "test", "", 0, 0, 0)]
    improved = [improvement("1", "pass", "wrong", 1), improvement("2", "wrong", "pass", 1)]
    final = self_improvement.with_final_answers(scores, improved)
    assert [score.greedy for score in final] == [0, 1]
