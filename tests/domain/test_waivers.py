"""Which held-out text is let stand, and what a waiver must say."""

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.waivers import Waiver, divide


def waiver(problem):
    return Waiver(problem=problem, reason="known")


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        ("p1", ["p1"]),
        ("p*", ["p1", "p12", "p[1]"]),
        ("p[1]", ["p[1]"]),
        ("*1*", ["p1", "p12", "p[1]"]),
        ("p?", []),
        ("P1", []),
    ],
)
def test_a_waiver_names_a_problem_or_a_pattern_of_them(pattern, covered):
    assert [id for id in ("p1", "p12", "p[1]", "q") if waiver(pattern).covers(id)] == covered


def test_a_leak_is_covered_by_either_of_its_problems_and_counted_once():
    leaks = [
        {"problem_id": "p1", "held_out_id": "t1"},
        {"problem_id": "p2", "held_out_id": "t1"},
        {"problem_id": "p3", "held_out_id": "t2"},
    ]
    left, allowed = divide(leaks, [waiver("t1"), waiver("p1"), waiver("x")])
    assert left == leaks[2:]
    assert [count for _, count in allowed] == [2, 0, 0]


@pytest.mark.parametrize(
    ("contamination", "reason"),
    [
        ({"allow": [{"problem": "p1"}]}, r"contamination\.allow\[0\]\.reason: Field required"),
        (
            {"allow": [{"problem": "p1", "reason": " "}]},
            r"contamination\.allow\[0\]\.reason: String should have at least 1 character",
        ),
        ({"allow": [{"problem": "", "reason": "x"}]}, r"contamination\.allow\[0\]\.problem"),
        (
            {"allow": [{"problm": "p1", "reason": "x"}]},
            r'unknown field "contamination\.allow\[0\]\.problm"; did you mean "problem"\?',
        ),
        ({"alow": []}, r'unknown field "contamination\.alow"; did you mean "allow"\?'),
    ],
)
def test_a_waiver_without_a_reason_and_a_misspelt_one_are_refused(contamination, reason):
    with pytest.raises(UserError, match=reason):
        parse_experiment({"contamination": contamination}, "file")
