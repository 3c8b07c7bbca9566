"""Parts of a dataset in a ratio, and rows without duplicates."""

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.group_balance import distinct_rows, in_ratio
from selftrain_assets.domain.selection import make_row

COUNTS = st.fixed_dictionaries(dict.fromkeys(("correct", "improved", "gold"), st.integers(0, 40)))
SHARES = st.fixed_dictionaries(
    dict.fromkeys(("correct", "improved", "gold"), st.sampled_from([0.0, 0.5, 1.0, 1.5, 3.0]))
)


def rows(part, count):
    return [make_row(f"{part} {n}", "so it is", 1.0, "self", f"{part}{n}", 1) for n in range(count)]


def parts_of(counts):
    return {part: rows(part, count) for part, count in counts.items()}


@given(COUNTS, SHARES, st.integers(0, 3))
def test_parts_stand_in_the_ratio_and_none_could_be_larger(counts, ratio, seed):
    parts = parts_of(counts)
    chosen = in_ratio(parts, ratio, seed)
    shares = {part: Fraction(ratio[part]) for part in parts if ratio[part] and parts[part]}
    assert {part for part in parts if chosen[part]} <= set(shares)
    if shares:
        unit = min(counts[part] / share for part, share in shares.items())
        assert all(
            abs(len(chosen[part]) - unit * share) <= Fraction(1, 2)
            for part, share in shares.items()
        )
        assert any(chosen[part] == parts[part] for part in shares), "the scarcest part is used up"


@given(COUNTS, SHARES, st.integers(0, 3))
def test_rows_are_some_of_those_given_in_their_order(counts, ratio, seed):
    parts = parts_of(counts)
    for part, chosen in in_ratio(parts, ratio, seed).items():
        assert chosen == [row for row in parts[part] if row in chosen]


@given(COUNTS, SHARES, st.integers(0, 3))
def test_the_choice_depends_on_seed_and_keys_alone(counts, ratio, seed):
    parts = parts_of(counts)
    shuffled = {
        part: random.Random(seed).sample(of, len(of)) for part, of in reversed(parts.items())
    }
    first, again = in_ratio(parts, ratio, seed), in_ratio(shuffled, ratio, seed)
    assert {part: {row.key for row in of} for part, of in first.items()} == {
        part: {row.key for row in of} for part, of in again.items()
    }


def test_another_seed_chooses_others():
    parts = {"correct": rows("correct", 40), "gold": rows("gold", 10)}
    chosen = [in_ratio(parts, {"correct": 1.0, "gold": 1.0}, seed)["correct"] for seed in range(5)]
    assert len({tuple(row.key for row in of) for of in chosen}) == 5


@pytest.mark.parametrize(
    ("counts", "ratio", "left"),
    [
        ((100, 60, 50), (1, 1.5, 1), (40, 60, 40)),
        ((10, 60, 50), (1, 1.5, 1), (10, 15, 10)),
        ((0, 60, 50), (1, 1.5, 1), (0, 60, 40)),  # an empty part does not hold the others back
        ((5, 60, 50), (0, 1.5, 1), (0, 60, 40)),  # a part of 0 is left out
        ((5, 60, 50), (0, 0, 1), (0, 0, 50)),
        ((0, 0, 0), (1, 1.5, 1), (0, 0, 0)),
        ((1, 60, 50), (1, 1.5, 1), (1, 2, 1)),
    ],
)
def test_by_example(counts, ratio, left):
    names = ("correct", "improved", "gold")
    parts = parts_of(dict(zip(names, counts, strict=True)))
    chosen = in_ratio(parts, dict(zip(names, ratio, strict=True)), 0)
    assert tuple(len(chosen[name]) for name in names) == left


# -- duplicates ------------------------------------------------------------------------------------


def row(prompt, completion, key):
    return make_row(prompt, completion, 1.0, "self", key, 1)


def test_of_equal_texts_the_first_row_stays():
    first, spaced, other = (
        row("p", "3 + 4 = 7", "a"),
        row("p", " 3  + 4 =\n7 ", "b"),
        row("p", "4 + 3 = 7", "c"),
    )
    elsewhere = row("q", "3 + 4 = 7", "d")
    assert distinct_rows([first, spaced, other, elsewhere, first]) == [first, other, elsewhere]


@given(st.lists(st.tuples(st.sampled_from("pq"), st.text("ab ", max_size=3)), max_size=12))
def test_what_is_left_is_distinct_and_nothing_else_is_gone(texts):
    given_rows = [row(prompt, completion, str(n)) for n, (prompt, completion) in enumerate(texts)]
    left = distinct_rows(given_rows)
    told = [(r.prompt, " ".join(r.completion.split())) for r in left]
    assert len(told) == len(set(told))
    assert set(told) == {(prompt, " ".join(completion.split())) for prompt, completion in texts}
    assert distinct_rows(left) == left
