"""Rows of several sources in one dataset, and budgets split among instructions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.mixing import amounts, sizes, split_budget
from selftrain_assets.domain.types import Problem

SHARES = st.dictionaries(st.sampled_from("abc"), st.floats(0.01, 0.3))


@given(own=st.integers(1, 10_000), mix=SHARES)
def test_shares_are_of_the_whole_dataset(own, mix):
    left, asked = amounts(own, mix, "add")
    assert left == own
    total = own / (1 - sum(mix.values()))
    assert all(abs(asked[name] - share * total) <= 0.5 for name, share in mix.items())


@given(own=st.integers(100, 10_000), mix=SHARES)
def test_what_replaces_keeps_the_dataset_as_large(own, mix):
    left, asked = amounts(own, mix, "replace")
    assert left + sum(asked.values()) == own
    assert all(abs(asked[name] - share * own) <= 0.5 for name, share in mix.items())


def test_numbers_of_rows_are_taken_as_they_are():
    assert amounts(18_000, {"general": 2000}, "add") == (18_000, {"general": 2000})
    assert amounts(20_000, {"general": 2000}, "replace") == (18_000, {"general": 2000})
    assert amounts(50, {"a": 50, "b": 0.5}, "add") == (50, {"a": 50, "b": 100})
    assert amounts(7, {}, "replace") == (7, {})
    assert amounts(0, {"a": 0.5}, "replace") == (0, {"a": 0})
    with pytest.raises(ValueError, match="20 rows of other sources would replace all 20"):
        amounts(20, {"general": 20}, "replace")


@given(parts=st.integers(1, 200), each=st.integers(1, 50))
def test_a_budget_is_divided_evenly(parts, each):
    assert sizes(parts * each, parts, None) == [each] * parts


@given(parts=st.integers(1, 100), more=st.integers(0, 5000), alpha=st.floats(0.03, 2))
def test_a_long_tail_gives_everything_away_and_something_to_each(parts, more, alpha):
    found = sizes(parts + more, parts, alpha)
    assert sum(found) == parts + more
    assert len(found) == parts
    assert min(found) >= 1
    assert found == sorted(found, reverse=True)


def test_the_smaller_alpha_the_more_are_of_the_first():
    first = [sizes(10_000, 100, alpha)[0] for alpha in (2.0, 1.0, 0.5, 0.2, 0.1, 0.03)]
    assert first == sorted(first)
    assert first[0] < 2 * 10_000 / 100
    assert first[-1] > 20 * 10_000 / 100


def test_what_does_not_divide_is_told_with_what_does():
    with pytest.raises(
        ValueError,
        match="1000 rows cannot be divided evenly among 300 instructions; 900 or 1200 can",
    ):
        sizes(1000, 300, None)
    with pytest.raises(ValueError, match="10 rows are fewer than 11 instructions"):
        sizes(10, 11, 0.5)


def pool(*counts):
    """Problems of so many instructions, each with so many examples."""
    return [
        Problem(f"{g}-{i}", f"q{g}-{i}", "a", group=f"rule {g}")
        for g, count in enumerate(counts)
        for i in range(count)
    ]


POOLS = st.lists(st.integers(1, 12), min_size=1, max_size=12).map(lambda counts: pool(*counts))


@given(problems=POOLS, data=st.data(), seed=st.integers(0, 3))
def test_so_many_instructions_with_so_many_examples(problems, data, seed):
    groups = {p.group for p in problems}
    instructions = data.draw(st.integers(1, len(groups)))
    most = sorted((sum(p.group == g for p in problems) for g in groups), reverse=True)[
        instructions - 1
    ]
    each = data.draw(st.integers(1, most))
    chosen = split_budget(problems, each * instructions, instructions, None, seed)
    assert len(chosen) == each * instructions
    counts = {g: sum(p.group == g for p in chosen) for g in {p.group for p in chosen}}
    assert set(counts.values()) == {each}
    assert len(counts) == instructions
    assert chosen == [p for p in problems if p in chosen]


@given(problems=POOLS, seed=st.integers(0, 3), data=st.data())
def test_a_draw_of_rows_holds_every_smaller_one(problems, seed, data):
    more = data.draw(st.integers(1, len(problems)))
    fewer = data.draw(st.integers(1, more))
    large, small = ({p.id for p in split_budget(problems, n, 0, None, seed)} for n in (more, fewer))
    assert small <= large
    assert (len(small), len(large)) == (fewer, more)


def test_a_power_law_is_filled_from_the_most_plentiful_down():
    chosen = split_budget(pool(100, 3, 3, 3), 60, 4, 0.05, 0)
    counts = [sum(p.group == f"rule {g}" for p in chosen) for g in range(4)]
    assert sum(counts) == 60
    assert counts[0] == sizes(60, 4, 0.05)[0]


def test_all_without_a_budget_and_a_problem_without_a_group_is_an_instruction():
    problems = [Problem(f"p{i}", f"q{i}", "a") for i in range(10)]
    assert split_budget(problems, 0, 0, None, 0) == problems
    assert len(split_budget(problems, 0, 4, None, 0)) == 4
    assert len(split_budget(problems, 4, 4, None, 0)) == 4


@pytest.mark.parametrize(
    ("budget", "instructions", "told"),
    [
        (0, 5, "5 instructions are asked for, and there are 2"),
        (50, 2, "50 rows are asked for, and there are 12"),
        (12, 2, "2 instructions are to have up to 6 examples each, and 1 have that many"),
    ],
)
def test_what_is_not_there_is_told(budget, instructions, told):
    with pytest.raises(ValueError, match=told):
        split_budget(pool(10, 2), budget, instructions, None, 0)
