"""The estimators against brute force over all subsets, and the intervals against what is known of them."""

import math
from collections import Counter
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.core.statistics import agreement, bootstrap, maj_at_k, over_seeds, paired_bootstrap, pass_at_k, vote

ANSWERS = st.lists(st.sampled_from(["right", "b", "c", None]), max_size=8)
PASS_RATES = st.lists(st.integers(0, 8).map(lambda correct: correct / 8), min_size=1, max_size=30)
TIES = st.sampled_from(["share", "fail"])


@st.composite
def draws(draw):
    """How many samples, how many of them correct, and k."""
    samples = draw(st.integers(0, 9))
    return samples, draw(st.integers(0, samples)), draw(st.integers(1, 11))


def mean_over_subsets(drawn, k, credit):
    subsets = list(combinations(drawn, k))
    return float(sum(map(credit, subsets)) / Fraction(len(subsets)))


def credit_of_majority(votes, ties):
    counts = Counter(v for v in votes if v is not None)
    leaders = [answer for answer, n in counts.items() if n == max(counts.values())]
    if "right" not in leaders:
        return Fraction(0)
    return Fraction(1, len(leaders)) if ties == "share" else Fraction(len(leaders) == 1)


@given(draws())
def test_pass_at_k_is_the_mean_over_all_subsets(drawn):
    samples, correct, k = drawn
    found = pass_at_k(samples, correct, k)
    assert math.isnan(found) == (k > samples)
    if k <= samples:
        brute = mean_over_subsets([1] * correct + [0] * (samples - correct), k, lambda subset: Fraction(any(subset)))
        assert found == pytest.approx(brute, abs=1e-12)


@given(draws())
def test_pass_at_k_never_falls_with_k(drawn):
    samples, correct, _ = drawn
    values = [pass_at_k(samples, correct, k) for k in range(1, samples + 1)]
    assert values == sorted(values)


def test_pass_at_k_stays_exact_for_many_samples():
    assert pass_at_k(10_000, 1, 100) == pytest.approx(0.01, rel=1e-12)


@pytest.mark.parametrize("arguments", [(4, 5, 1), (4, -1, 1), (4, 2, 0)])
def test_pass_at_k_refuses_what_cannot_be(arguments):
    with pytest.raises(ValueError, match="pass_at_k"):
        pass_at_k(*arguments)


@given(ANSWERS, st.integers(1, 10), TIES)
def test_maj_at_k_is_the_mean_over_all_subsets(answers, k, ties):
    found = maj_at_k(answers, "right", k, ties)
    assert math.isnan(found) == (k > len(answers))
    if k <= len(answers):
        assert found == pytest.approx(mean_over_subsets(answers, k, lambda votes: credit_of_majority(votes, ties)), abs=1e-12)


@given(ANSWERS.filter(bool).flatmap(lambda answers: st.tuples(st.just(answers), st.permutations(answers))), TIES, st.data())
def test_maj_at_k_does_not_depend_on_order(orders, ties, data):
    k = data.draw(st.integers(1, len(orders[0])))
    assert maj_at_k(orders[0], "right", k, ties) == maj_at_k(orders[1], "right", k, ties)


@pytest.mark.parametrize(
    ("answers", "share", "fail"),
    [
        (["right", "b"], 1 / 2, 0),
        (["right", "b", "c"], 1 / 3, 0),
        (["right", None, None], 1, 1),
        ([None, None], 0, 0),
        (["b", "b", "right"], 0, 0),
        (["right", "right", "b", None], 1, 1),
    ],
)
def test_maj_at_all_of_the_votes(answers, share, fail):
    assert maj_at_k(answers, "right", len(answers), "share") == pytest.approx(share)
    assert maj_at_k(answers, "right", len(answers), "fail") == fail


def test_maj_at_k_refuses_no_votes():
    with pytest.raises(ValueError, match="k=0"):
        maj_at_k(["right"], "right", 0)


@given(PASS_RATES)
def test_interval_holds_the_mean(values):
    found = bootstrap(values, resamples=200)
    assert found.mean == pytest.approx(sum(values) / len(values))
    assert found.low - 1e-12 <= found.mean <= found.high + 1e-12
    assert found.problems == len(values)


def test_interval_is_deterministic_and_seeded():
    values = [n * n / 100 for n in range(10)]
    assert bootstrap(values, seed=3) == bootstrap(values, seed=3)
    assert bootstrap(values, seed=3) != bootstrap(values, seed=4)


def test_interval_agrees_with_the_normal_approximation_and_shrinks():
    few, many = bootstrap([0.0, 1.0] * 50), bootstrap([0.0, 1.0] * 800)
    assert few.high - few.low == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(100), rel=0.15)
    assert many.high - many.low == pytest.approx((few.high - few.low) / 4, rel=0.15)


def test_more_confidence_is_a_wider_interval():
    narrow, wide = (bootstrap([0.0, 1.0] * 50, confidence=c) for c in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("values", [[], [math.nan], [0.5, math.nan, 1.0]])
def test_undefined_is_nan(values):
    found = bootstrap(values)
    assert all(map(math.isnan, (found.mean, found.low, found.high)))
    assert found.problems == len(values)


@given(PASS_RATES)
def test_no_change_is_exactly_zero(values):
    found = paired_bootstrap(values, values, resamples=100)
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)


def test_pairing_cancels_what_problems_share():
    before = [0.0, 1.0, 0.0, 1.0, 0.5]
    found = paired_bootstrap(before, [b + 0.25 for b in before])
    assert (found.mean, found.low, found.high) == (0.25, 0.25, 0.25)


def test_pairs_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="2 and 1"):
        paired_bootstrap([0.0, 1.0], [1.0])


@pytest.mark.parametrize(
    ("answers", "expected"),
    [(["3", "4", "4"], "4"), (["3", "4"], "3"), ([None, "4"], "4"), ([None, None], None), ([], None), (["4", "3", "3", "4"], "4")],
)
def test_a_vote_is_the_most_frequent_answer_and_of_several_the_first(answers, expected):
    assert vote(answers) == expected


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=40))
def test_phi_is_the_correlation_of_both(pairs):
    found = agreement(pairs)
    assert found["both"] + found["only_first"] + found["only_second"] + found["neither"] == len(pairs)
    for name, some in (("phi", pairs), ("phi_of_solved", [p for p in pairs if any(p)])):
        a, b = np.array(some, dtype=float).reshape(-1, 2).T
        if len(some) and a.std() and b.std():
            assert found[name] == pytest.approx(np.corrcoef(a, b)[0, 1])
        else:
            assert math.isnan(found[name])


@pytest.mark.parametrize(("count", "quantile"), [(2, 12.706), (3, 4.303), (5, 2.776), (10, 2.262)])
def test_the_interval_over_seeds_is_students(count, quantile):
    values = [0.1 * i**2 for i in range(count)]
    found = over_seeds(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.high - found.mean == pytest.approx(found.mean - found.low)
    assert found.high - found.mean == pytest.approx(quantile * np.std(values, ddof=1) / math.sqrt(count), rel=1e-3)


def test_one_seed_has_no_interval_and_an_undefined_value_no_mean():
    assert (over_seeds([0.5]).mean, math.isnan(over_seeds([0.5]).low)) == (0.5, True)
    assert math.isnan(over_seeds([0.5, math.nan]).mean)
    assert math.isnan(over_seeds([]).mean)
