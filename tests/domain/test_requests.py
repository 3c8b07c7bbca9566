"""What a stage wants of a policy, and the rows and problems that are chosen without looking at
samples."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from selftrain_assets.domain.prompts import Prompt
from selftrain_assets.domain.requests import plan_draws
from selftrain_assets.domain.sampling import Sampling
from selftrain_assets.domain.selection import difficulty_bin, make_row, problem_subset, take_share
from selftrain_assets.domain.types import Problem

PROBLEMS = [Problem(f"p{n}", f"question {n}", str(n)) for n in range(4)]


PROMPT = Prompt("Q: {question} A:")


def plan(samples_per_problem=3, problems=PROBLEMS, seed=0, **sampling):
    draws = Sampling(samples_per_problem=samples_per_problem, **sampling)
    return plan_draws(problems, PROMPT, draws, "policy", seed)


def row(n, **fields):
    return replace(make_row(f"prompt {n}", "completion", 1.0, "human", f"p{n}", 1), **fields)


# -- draws -----------------------------------------------------------------------------------------


@given(st.integers(1, 5), st.integers(1, 5))
def test_drawing_more_keeps_the_draws_already_made(few, more):
    earlier, later = plan(few), plan(few + more)
    assert set(earlier.requests()) < set(later.requests())
    assert len(list(later.requests())) == len(later) == len(PROBLEMS) * (few + more)


def test_keys_and_seeds_of_a_plan_are_unique():
    requests = list(plan(samples_per_problem=8).requests())
    assert len({r.key for r in requests}) == len({r.seed for r in requests}) == len(requests)


def test_another_policy_is_asked_with_other_seeds_and_another_seed_too():
    draws = Sampling(samples_per_problem=3)
    asked = [
        {request.seed for request in plan_draws(PROBLEMS, PROMPT, draws, policy, seed).requests()}
        for policy, seed in (("policy", 0), ("other", 0), ("policy", 1))
    ]
    assert len(set.union(*asked)) == 3 * 3 * len(PROBLEMS)


def test_a_plan_is_known_by_all_that_it_wants():
    plans = [
        plan(),
        plan(4),
        plan(seed=1),
        plan(temperature=0.1),
        plan(problems=PROBLEMS[:3]),
        plan(problems=PROBLEMS[::-1]),
    ]
    assert len({p.identity() for p in plans}) == len(plans)
    assert plan().identity() == plan().identity()


# -- rows ------------------------------------------------------------------------------------------


def test_a_row_is_known_by_what_is_trained_on():
    known = make_row("prompt", "completion", 1.0, "self", "p1", 1, "sample")
    assert make_row("prompt", "completion", 1, "self", "p2", 2, "sample").key == known.key
    others = [
        ("prompt", "completion", 0.5, "self"),
        ("prompt", "completion", 1.0, "human"),
        ("promptc", "ompletion", 1.0, "self"),
    ]
    keys = {known.key, make_row("prompt", "completion", 1.0, "self", "p1", 1, "other sample").key}
    assert len(keys | {make_row(*content, "p1", 1, "sample").key for content in others}) == 5


@given(st.integers(0, 12), st.floats(0, 1), st.floats(0, 1), st.integers(0, 5))
def test_a_larger_share_holds_the_smaller(count, small, large, seed):
    assume(small <= large)
    rows = [row(n) for n in range(count)]
    fewer, more = take_share(rows, small, seed), take_share(rows, large, seed)
    assert fewer == [r for r in more if r in fewer]
    assert len(fewer) == round(small * count)
    assert take_share(rows, 1.0, seed) == rows


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 5))
def test_growing_the_problem_subset_keeps_the_earlier_ones(few, more, seed):
    problems = [Problem(f"p{n}", str(n), "1") for n in range(12)]
    small, large = problem_subset(problems, few, seed), problem_subset(problems, few + more, seed)
    assert (len(small), len(large)) == (few, min(few + more, 12))
    assert small == [p for p in large if p in small]
    assert large == [p for p in problems if p in large]
    assert problem_subset(problems, 0, seed) == problems


@pytest.mark.parametrize(
    ("rate", "name"),
    [
        (0.0, "very hard"),
        (0.249, "very hard"),
        (0.25, "hard"),
        (0.499, "hard"),
        (0.5, "medium"),
        (0.749, "medium"),
        (0.75, "easy"),
        (1.0, "easy"),
    ],
)
def test_difficulty_in_quarters_of_the_success_rate(rate, name):
    assert difficulty_bin(rate) == name
