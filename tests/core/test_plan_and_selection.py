"""What is owed, and which verified samples become training rows."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from selftrain_assets.core.dedup import equation_path, solution_key
from selftrain_assets.core.plan import owed, plan_requests
from selftrain_assets.core.prompts import Prompt
from selftrain_assets.core.sampling import Sampling
from selftrain_assets.core.selection import (
    Verified,
    cap_per_problem,
    difficulty_bin,
    drop_repeated,
    human_rows,
    kept,
    make_row,
    merge,
    problem_subset,
    take_share,
)
from selftrain_assets.core.types import Outcome, Problem, Sample, Verification

PROBLEMS = [Problem(f"p{n}", f"question {n}", str(n)) for n in range(4)]
CHOICES = st.sampled_from(["random", "shortest", "first"])


def plan(samples_per_problem=3, problems=PROBLEMS, seed=0, **sampling):
    draws = Sampling(samples_per_problem=samples_per_problem, **sampling)
    return plan_requests(problems, Prompt("Q: {question} A:"), draws, "policy", seed)


def verified(problem_id, completion, index, outcome=Outcome.PASS, reward=1.0):
    key = f"{problem_id}/{index}"
    sample = Sample(key, problem_id, "prompt", completion, 0, index, "stop", 1, len(completion), "policy", "engine")
    return Verified(sample, Verification(f"v/{key}", key, problem_id, str(outcome), reward, None, "", "verifier"))


@st.composite
def samples(draw):
    """Correct samples of three problems, some of them saying the same."""
    texts = st.sampled_from(["3+4=7", "3 + 4 = 7 so", "So 3 + 4 = 7", "1+6=7", "seven"])
    drawn = draw(st.lists(st.tuples(st.sampled_from("abc"), texts), max_size=12))
    return draw(st.permutations([verified(problem, text, index) for index, (problem, text) in enumerate(drawn)]))


def row(n, **fields):
    return replace(make_row(f"prompt {n}", "completion", 1.0, "human", f"p{n}", 1), **fields)


# -- what is owed -------------------------------------------------------------------------------------------------------


@given(st.sets(st.integers(0, 11)), st.sets(st.text(max_size=3)))
def test_owed_is_wanted_minus_committed(committed, strangers):
    wanted = plan()
    found = owed(wanted, {wanted[i].key for i in committed} | strangers)
    assert found.requests == [r for i, r in enumerate(wanted) if i not in committed]
    assert (found.wanted, found.reused) == (12, len(committed))


@given(st.integers(1, 5), st.integers(1, 5))
def test_drawing_more_keeps_the_draws_already_made(few, more):
    earlier, later = plan(few), plan(few + more)
    assert set(earlier) < set(later)
    assert len(later) == len(PROBLEMS) * (few + more)


def test_keys_and_seeds_of_a_plan_are_unique():
    requests = plan(samples_per_problem=8)
    assert len({r.key for r in requests}) == len({r.seed for r in requests}) == len(requests)


def test_other_problems_beside_it_do_not_change_a_draw():
    assert set(plan(problems=PROBLEMS[:1])) < set(plan(problems=PROBLEMS[::-1]))


def test_another_temperature_or_seed_is_owed_anew():
    committed = {r.key for r in plan()}
    assert owed(plan(temperature=0.1), committed).reused == owed(plan(seed=1), committed).reused == 0
    assert owed(plan(), committed).requests == []


# -- which samples are kept ---------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from(list(Outcome)), st.floats(0, 1))), st.floats(0, 1))
def test_only_passes_at_the_threshold_are_kept(judged, threshold):
    """Even an infra_error that carries a full reward is never trained on."""
    items = [verified("p", "text", i, outcome, reward) for i, (outcome, reward) in enumerate(judged)]
    expected = [i for i, (outcome, reward) in enumerate(judged) if outcome == "pass" and reward >= threshold]
    assert [v.sample.index for v in kept(items, threshold)] == expected


@given(samples(), st.integers(0, 4), CHOICES, st.integers(0, 3))
def test_the_cap_is_never_exceeded_and_never_wasted(items, cap, choice, seed):
    chosen = Counter(v.sample.problem_id for v in cap_per_problem(items, cap, choice, seed))
    assert chosen == {id: min(n, cap or n) for id, n in Counter(v.sample.problem_id for v in items).items()}


@given(samples(), st.integers(0, 4), CHOICES, st.data())
def test_the_choice_does_not_depend_on_the_order_of_arrival(items, cap, choice, data):
    shuffled = data.draw(st.permutations(items))
    assert cap_per_problem(items, cap, choice, seed=0) == cap_per_problem(shuffled, cap, choice, seed=0)


@pytest.mark.parametrize(("choice", "expected"), [("first", ["wordy", "long"]), ("shortest", ["s", "long"])])
def test_what_each_choice_prefers(choice, expected):
    items = [verified("p", "s", 7), verified("p", "long", 3), verified("p", "wordy", 1)]
    assert [v.sample.completion for v in cap_per_problem(items, 2, choice, seed=0)] == expected


def test_a_random_choice_changes_with_the_seed():
    items = [verified("p", str(n), n) for n in range(6)]
    assert len({cap_per_problem(items, 1, "random", seed)[0].sample.key for seed in range(40)}) == 6


@given(samples(), st.sampled_from(["text", "equations"]))
def test_of_same_solutions_exactly_one_is_kept(items, rule):
    def solutions(some):
        return [(v.sample.problem_id, solution_key(v.sample.completion, rule)) for v in some]

    fresh = drop_repeated(items, rule)
    assert len(set(solutions(fresh))) == len(fresh)
    assert set(solutions(fresh)) == set(solutions(items))
    assert drop_repeated(items, "none") == items


@pytest.mark.parametrize(("rule", "expected"), [("none", 5), ("text", 4), ("equations", 2)])
def test_what_each_rule_calls_the_same(rule, expected):
    texts = ["3 + 4 = 7", "3  + 4 =\n7", "so 3+4=7", "3 + 4 = 7 apples", "4 + 3 = 7"]
    assert len({solution_key(text, rule) for text in texts}) == expected


@pytest.mark.parametrize("text", ["3+4=7 so", "First, 3 + 4 = 7", "3 + 4 =7 apples", "She has 3 + 4 = 7.", "3 + 4 = 7, and that is all"])
def test_words_around_equations_do_not_matter(text):
    assert equation_path(text) == equation_path("3 + 4 = 7")


@pytest.mark.parametrize("text", ["4 + 3 = 7", "3 + 4 = 7 ; 7 * 2 = 14", "3 - 4 = 7", "3 + 4 = 7.5", "three and four make seven"])
def test_other_equations_are_another_path(text):
    assert equation_path(text) != equation_path("3 + 4 = 7")


# -- rows ---------------------------------------------------------------------------------------------------------------


def test_a_row_is_known_by_what_is_trained_on():
    known = make_row("prompt", "completion", 1.0, "self", "p1", 1, "sample")
    assert make_row("prompt", "completion", 1, "self", "p1", 2, "other sample").key == known.key
    others = [("prompt", "completion", 0.5, "self"), ("prompt", "completion", 1.0, "human"), ("promptc", "ompletion", 1.0, "self")]
    assert len({known.key, *(make_row(*content, "p1", 1).key for content in others)}) == 4


def test_human_rows_come_from_the_human_split_alone():
    given_solution = [replace(PROBLEMS[n], split=split, solution="worked out") for n, split in enumerate(("human", "train", "test"))]
    rows = human_rows([*given_solution, PROBLEMS[3]], Prompt("Q: {question} A:").render, iteration=2)
    assert [(r.problem_id, r.prompt, r.completion, r.source, r.sample_key) for r in rows] == [
        ("p0", "Q: question 0 A:", "worked out", "human", None)
    ]


@given(st.lists(st.integers(0, 5)), st.lists(st.integers(0, 5)))
def test_merging_keeps_each_key_once_new_rows_first(new, earlier):
    merged = [r.problem_id for r in merge(map(row, new), map(row, earlier))]
    assert merged == list(dict.fromkeys(f"p{n}" for n in (*new, *earlier)))


def test_merging_prefers_the_new_row():
    assert [r.iteration for r in merge([row(1, iteration=2)], [row(1, iteration=1)])] == [2]


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
