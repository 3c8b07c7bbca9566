"""Effective numbers have the properties that make them numbers, and near-duplicates are those
that a comparison of all pairs finds."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.diversity import (
    FEW,
    LETTERS,
    RUN,
    SIMILAR,
    distinct,
    effective_number,
    jaccard,
    near_duplicates,
    top_share,
    units_of,
)

ROWS = st.lists(st.integers(0, 30), min_size=1, max_size=60)


def frequencies(rows):
    return Counter(Counter(rows).values())


# -- effective numbers and shares ------------------------------------------------------------------


@given(kinds=st.integers(1, 10_000), each=st.integers(1, 1000))
def test_equally_frequent_kinds_count_as_what_they_are(kinds, each):
    assert effective_number({each: kinds}) == pytest.approx(kinds)


@given(rows=ROWS)
def test_an_effective_number_lies_between_one_and_the_distinct_number(rows):
    found = frequencies(rows)
    assert distinct(found) == len(set(rows))
    assert 1 - 1e-9 <= effective_number(found) <= len(set(rows)) + 1e-9


@given(rows=ROWS, data=st.data())
def test_names_and_order_make_no_difference(rows, data):
    renamed = dict(zip(range(31), data.draw(st.permutations(range(31))), strict=True))
    again = frequencies(data.draw(st.permutations([renamed[row] for row in rows])))
    assert (effective_number(again), top_share(again, 3)) == (
        effective_number(frequencies(rows)),
        top_share(frequencies(rows), 3),
    )


@given(rows=ROWS, times=st.integers(2, 5))
def test_every_row_as_often_again_makes_no_difference(rows, times):
    assert effective_number(frequencies(rows * times)) == pytest.approx(
        effective_number(frequencies(rows))
    )


@given(rows=ROWS)
def test_one_more_of_the_most_frequent_kind_lowers_it(rows):
    [(most, _)] = Counter(rows).most_common(1)
    before, after = (effective_number(frequencies(of)) for of in (rows, [*rows, most]))
    assert after < before if len(set(rows)) > 1 else after == pytest.approx(before)


@given(rows=ROWS, most=st.integers(0, 40))
def test_the_top_share_is_that_of_the_kinds_with_most_rows(rows, most):
    assert top_share(frequencies(rows), most) == sum(
        n for _, n in Counter(rows).most_common(most)
    ) / len(rows)


def test_two_kinds_of_nine_and_one_rows():
    # exp(-0.9 ln 0.9 - 0.1 ln 0.1)
    assert effective_number({9: 1, 1: 1}) == pytest.approx(1.3841, abs=1e-4)


def test_of_no_rows():
    assert (distinct({}), effective_number({}), near_duplicates([])) == (0, 0.0, 0)
    assert top_share({}, 10) != top_share({}, 10), "NaN"


# -- near-duplicates -------------------------------------------------------------------------------

WORDS = [f"w{i}" for i in range(400)]


def by_all_pairs(texts):
    """The same, by comparing every text with every other one."""
    sets = [
        (run, {units[i : i + run] for i in range(len(units) - run + 1)})
        for run, units in map(units_of, texts)
    ]
    return sum(
        any(i != j and a[0] == b[0] and jaccard(a[1], b[1]) >= SIMILAR for j, b in enumerate(sets))
        for i, a in enumerate(sets)
    )


def edited(rng, words, changes):
    changed = list(words)
    for _ in range(changes):
        changed[rng.randrange(len(words))] = rng.choice(WORDS)
    return " ".join(changed)


@given(text=st.text(), times=st.integers(2, 5))
def test_copies_are_duplicates(text, times):
    assert near_duplicates([text] * times) == times
    assert near_duplicates([text]) == 0


@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=40), upper=st.booleans())
def test_case_and_white_space_make_no_difference(words, upper):
    other = "\n ".join(words).upper() if upper else "  ".join(words)
    assert near_duplicates([" ".join(words), other]) == 2


def test_a_sign_makes_a_difference():
    assert near_duplicates(["1 + 2 = 3", "1 - 2 = 3"]) == 0
    assert [units_of("a b")[0], units_of("a " * FEW)[0]] == [LETTERS, RUN]


@given(length=st.integers(1, 40), count=st.integers(1, 9))
def test_texts_with_nothing_in_common_are_no_duplicates(length, count):
    assert (
        near_duplicates(
            " ".join(f"{letter}{i}" for i in range(length)) for letter in "abcdefghi"[:count]
        )
        == 0
    )


@given(st.lists(st.text("ab+ ", max_size=30), max_size=12))
def test_no_text_is_called_a_duplicate_that_is_none(texts):
    assert near_duplicates(texts) <= by_all_pairs(texts)


@pytest.mark.parametrize("length", [8, 30, 120])
def test_nearly_all_are_found_that_a_comparison_of_all_pairs_finds(length):
    rng = random.Random(length)
    seeds = [rng.choices(WORDS, k=length) for _ in range(120)]
    texts = [
        edited(rng, words, rng.randrange(2 + length // 16)) for words in seeds for _ in range(3)
    ]
    there = by_all_pairs(texts)
    assert 0.1 * len(texts) < there < len(texts)
    assert 0.98 * there <= near_duplicates(texts) <= there
