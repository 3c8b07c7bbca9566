"""Rewriting rules, families of strings, and shares: what the task string_rewriting is made of."""

import random
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.apportion import apportion, even_sizes, power_law, spread
from selftrain_assets.tasks.rewriting import Inputs, Rule, holding, occurrences, rewrite, without
from selftrain_assets.tasks.string_families import Strings, shaped

parts = st.text("abc", min_size=1, max_size=3)
rules = st.builds(Rule, parts, parts)
ordered = st.lists(rules, min_size=1, max_size=4)
texts = st.text("abc", min_size=1, max_size=12)
seeds = st.integers(0, 10_000).map(random.Random)


# -- rules -----------------------------------------------------------------------------------------


@given(rules, texts)
def test_a_rule_replaces_the_leftmost_occurrence(rule, text):
    places = [i for i in range(len(text)) if text.startswith(rule.search, i)]
    expected = (
        text[: places[0]] + rule.replacement + text[places[0] + len(rule.search) :]
        if places
        else text
    )
    assert rule.apply(text) == expected


@given(ordered, texts)
def test_a_run_ends_at_a_fixed_point_or_not_at_all(several, text):
    output = rewrite(several, text, 30)
    assert output is None or not any(rule.search in output for rule in several)


@given(ordered, texts, st.integers(1, 6))
def test_every_step_of_a_run_is_of_the_first_rule_that_matches(several, text, max_steps):
    now = text
    for _ in range(max_steps):
        places = [now.find(rule.search) for rule in several]
        matching = [(rule, at) for rule, at in zip(several, places, strict=True) if at >= 0]
        if not matching:
            break
        (search, replacement), at = matching[0]
        now = now[:at] + replacement + now[at + len(search) :]
    ended = not any(rule.search in now for rule in several)
    assert rewrite(several, text, max_steps) == (now if ended else None)


@pytest.mark.parametrize(
    ("several", "text", "output"),
    [
        ([Rule("ab", "c"), Rule("cc", "d")], "abab", "d"),
        ([Rule("cc", "d"), Rule("ab", "c")], "ccab", "dc"),
        ([Rule("ba", "ab")], "bbaa", "aabb"),
        ([Rule("a", "b"), Rule("b", "a")], "a", None),
        ([Rule("a", "aa")], "a", None),
        ([Rule("a", "b")], "ccc", "ccc"),
    ],
)
def test_runs_of_markov_algorithms(several, text, output):
    assert rewrite(several, text, 50) == output


def test_a_run_may_take_its_last_step():
    assert rewrite([Rule("a", "b")], "aaa", 3) == "bbb"
    assert rewrite([Rule("a", "b")], "aaa", 2) is None


def test_overlapping_occurrences_count():
    assert [occurrences("aaaa", "aa"), occurrences("abab", "ab"), occurrences("abab", "c")] == [
        3,
        2,
        0,
    ]


# -- inputs ----------------------------------------------------------------------------------------


@given(seeds, st.lists(parts, min_size=1, max_size=3), st.integers(0, 12))
def test_an_input_can_be_without_a_search_string(rng, searches, length):
    text = without(rng, "abc", length, searches)
    exists = any(
        not any(search in "".join(letters) for search in searches)
        for letters in product("abc", repeat=min(length, 6))
    )
    if text is None:
        assert not exists or length > 6
    else:
        assert len(text) == length
        assert not any(search in text for search in searches)


@given(seeds, ordered, st.integers(1, 3), st.integers(0, 6), st.data())
def test_an_input_holds_the_search_string_of_its_first_match_so_many_times(
    rng, several, times, more, data
):
    first = data.draw(st.integers(0, len(several) - 1))
    length = times * len(several[first].search) + more
    text = holding(rng, "abcd", length, several, first, times)
    if text is not None:
        assert len(text) == length
        assert occurrences(text, several[first].search) == times
        assert not any(rule.search in text for rule in several[:first])


def test_inputs_that_there_are_are_found():
    rng, inputs = random.Random(0), Inputs("ab", (4, 4), 10)
    taken = set()
    while inputs.new(rng, [Rule("ab", "b")], (0, 1), taken):
        pass
    every = ["".join(letters) for letters in product("ab", repeat=4)]
    assert taken == {text for text in every if occurrences(text, "ab") == 1}
    while inputs.new(rng, [Rule("ab", "b")], None, taken):
        pass
    assert taken == {text for text in every if occurrences(text, "ab") <= 1}


def test_rules_that_never_end_or_never_match_first_are_told():
    inputs = Inputs("abc", (4, 4), 20)
    assert inputs.ends(random.Random(0), [Rule("ab", "b"), Rule("cc", "a")])
    assert not inputs.ends(random.Random(0), [Rule("a", "b"), Rule("b", "a")])
    assert not inputs.ends(random.Random(0), [Rule("a", "b"), Rule("ca", "b")])


# -- families --------------------------------------------------------------------------------------


def test_the_families_of_the_paper():
    assert [shaped(family, "abc", 3) for family in ("repeated", "periodic", "mirrored")] == [
        "aaabbbccc",
        "abcabcabc",
        "abccbaabc",
    ]
    assert shaped("none", "abc", 1) == "abc"


def is_of(family, text, k):
    """By the definition, letter by letter."""
    unit = len(text) // k
    source = {
        "none": lambda i: i,
        "repeated": lambda i: i - i % k,
        "periodic": lambda i: i % unit,
        "mirrored": lambda i: i % unit if i // unit % 2 == 0 else unit - 1 - i % unit,
    }[family]
    return len(text) % k == 0 and all(letter == text[source(i)] for i, letter in enumerate(text))


families = st.sampled_from(["none", "repeated", "periodic", "mirrored"])


def spans(most):
    return st.tuples(st.integers(1, most), st.integers(1, most)).map(
        lambda ends: (min(ends), max(ends))
    )


@given(seeds, families, spans(12), spans(6))
def test_strings_have_the_structure_of_their_family(rng, family, lengths, k):
    strings = Strings(family, "abcd", lengths, k)
    if strings.shapes:
        text = strings.draw(rng)
        assert lengths[0] <= len(text) <= lengths[1]
        assert family == "none" or any(is_of(family, text, each) for each in range(k[0], k[1] + 1))
    else:
        assert not any(
            n % each == 0
            for n in range(lengths[0], lengths[1] + 1)
            for each in range(k[0], k[1] + 1)
        )


@pytest.mark.parametrize("family", ["none", "repeated", "periodic", "mirrored"])
@pytest.mark.parametrize("k", [(2, 2), (2, 3), (3, 6), (2, 12), (4, 6)])
def test_strings_are_counted_once(family, k):
    every = ["".join(letters) for n in range(11, 13) for letters in product("ab", repeat=n)]
    of_family = [
        text
        for text in every
        if family == "none" or any(is_of(family, text, each) for each in range(k[0], k[1] + 1))
    ]
    assert Strings(family, "ab", (11, 12), k).count() == len(of_family)


# -- shares ----------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.lists(st.integers(0, 50), min_size=1, max_size=20).filter(any))
def test_shares_sum_up_and_are_less_than_one_off(total, weights):
    counts = apportion(total, weights)
    assert sum(counts) == total
    assert all(
        abs(count - Fraction(total * weight, sum(weights))) < 1
        for count, weight in zip(counts, weights, strict=True)
    )


def test_equal_remainders_go_to_the_first():
    assert apportion(2, [1, 1, 1]) == [1, 1, 0]
    assert even_sizes(7, 3) == [3, 2, 2]
    assert apportion(0, []) == []


@given(st.integers(1, 300), st.integers(0, 5000), st.floats(0.01, 20))
def test_a_power_law_gives_each_one_at_least_and_sums_up(count, more, alpha):
    sizes = power_law(count + more, count, alpha)
    assert len(sizes) == count
    assert sum(sizes) == count + more
    assert min(sizes) >= 1
    assert sizes == sorted(sizes, reverse=True)


def effective(sizes):
    return sum(sizes) ** 2 / sum(size**2 for size in sizes)


def test_a_smaller_alpha_is_more_peaked_and_by_how_much():
    alphas = (1000, 2, 1, 0.5, 0.2, 0.1, 0.07, 0.03)
    counts = [effective(power_law(1_000_000, 1000, alpha)) for alpha in alphas]
    assert counts == sorted(counts, reverse=True)
    assert counts == pytest.approx([1000 * a * (a + 2) / (a + 1) ** 2 for a in alphas], rel=0.05)


@given(st.integers(0, 60), st.integers(0, 60))
def test_marks_are_spread_evenly(marked, more):
    marks = spread(marked, marked + more)
    assert sum(marks) == marked
    for start, end in ((0, 7), (3, 10), (11, 24)):
        some = marks[start:end]
        assert not some or abs(sum(some) - len(some) * marked / len(marks)) <= 1
