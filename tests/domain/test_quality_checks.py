"""Checks say what is wrong only where it is."""

import pytest

from selftrain_assets.domain import quality_checks
from selftrain_assets.domain.statistics import Estimate
from selftrain_assets.pipeline.sampling import VERIFICATIONS
from selftrain_assets.pipeline.stages import every_stage


@pytest.mark.parametrize(
    ("check", "of", "blocking"),
    [
        (quality_checks.infra_errors, 1000, True),
        (quality_checks.unscorable, 1000, False),
        (quality_checks.parse_failures, 40, False),
    ],
)
@pytest.mark.parametrize(("count", "passed"), [(0, True), (10, True), (11, False), (40, False)])
def test_each_share_has_its_limit(check, of, blocking, count, passed):
    found = check(count, of)
    assert (found.passed, found.blocking) == (passed, blocking)
    assert f"{count} of {of}" in found.message
    assert (";" in found.message) == (not passed), "advice where there is something to do"
    declared = {spec.name: spec.blocking for spec in VERIFICATIONS.checks}
    assert declared[found.name] == blocking


def test_nothing_verified_is_nothing_wrong():
    assert quality_checks.unscorable(0, 0).passed


FIRST = {"correct": 100, "distinct": 80}


@pytest.mark.parametrize(
    ("distinct", "passed", "blocking"),
    [(80, True, False), (40, True, False), (39, False, False), (19, False, True)],
)
def test_fewer_distinct_solutions_warn_and_then_stop(distinct, passed, blocking):
    repeated = [{"problem_id": "p", "times": 9, "completion": "#### 1"}]
    found = quality_checks.distinct_solutions(
        {"correct": 100, "distinct": distinct, "repeated": repeated}, FIRST
    )
    assert (found.passed, found.blocking) == (passed, blocking)
    assert f"{distinct} of 100" in found.message
    assert found.evidence["most repeated"] == repeated
    assert (";" in found.message.partition("; 0.800")[2]) == (not passed)


@pytest.mark.parametrize(
    ("now", "first"),
    [({"correct": 0, "distinct": 0}, FIRST), (FIRST, {"correct": 0, "distinct": 0})],
)
def test_without_correct_samples_there_is_nothing_to_compare(now, first):
    assert quality_checks.distinct_solutions(now, first).passed
    assert quality_checks.length_drift(None, 3.0).passed
    assert quality_checks.length_drift(3.0, None).passed


@pytest.mark.parametrize(
    ("now", "passed"), [(10.0, True), (20.0, True), (5.0, True), (20.1, False), (4.9, False)]
)
def test_length_may_halve_or_double(now, passed):
    found = quality_checks.length_drift(now, 10.0)
    assert (found.passed, found.blocking) == (passed, False)


@pytest.mark.parametrize(("share", "passed"), [(None, True), (0.5, True), (0.51, False)])
def test_few_problems_may_hold_half_of_the_rows(share, passed):
    assert quality_checks.top_problems({"share": share}).passed == passed
    assert quality_checks.top_problems(None).passed


@pytest.mark.parametrize(
    ("low", "high", "passed"), [(-0.2, -0.1, False), (-0.2, 0.0, True), (0.1, 0.2, True)]
)
def test_a_loss_is_one_whose_whole_interval_is_below_zero(low, high, passed):
    gain = Estimate((low + high) / 2, low, high, 100)
    found = quality_checks.not_below_base(gain)
    assert (found.passed, found.blocking) == (passed, False)
    assert quality_checks.not_below_base(None).passed


def leak(exact):
    return {
        "exact": exact,
        "held_out": "question of t1 (test)",
        "found_in": "the question of p1 (train)",
        "problem_id": "p1",
    }


def test_one_whole_question_stops_and_near_copies_warn_above_their_limit():
    found = quality_checks.held_out_apart([leak(True), leak(False)], "100 problems to learn from")
    assert (found.passed, found.blocking) == (False, True)
    assert "question of t1 (test) in the question of p1 (train)" in found.message
    assert "retract NAME --problem p1" in found.message
    assert quality_checks.held_out_apart([leak(False)], "100 problems").passed
    assert quality_checks.near_copies([leak(False)], 100, "100 problems").passed
    assert not quality_checks.held_out_apart([], "100 problems", unseen=3).passed
    many = quality_checks.near_copies([leak(False)] * 2, 100, "100 problems")
    assert (many.passed, many.blocking, len(many.evidence["leaks"])) == (False, False, 2)


def test_every_check_that_can_stop_a_round_is_declared_as_one_that_can():
    declared = {
        spec.name: spec.blocking for stage in every_stage().values() for spec in stage.checks
    }
    assert declared["distinct_solutions"]
    assert declared["held_out_apart"]
    assert declared["intact"]
    assert not declared["near_copies"]
