"""Which verified samples become training rows: queries/selection.sql against the rules said in
Python, and each rule by itself."""

import hashlib
import re
from collections import Counter
from itertools import groupby
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.selection import Selection, make_row
from selftrain_assets.domain.types import Outcome, Sample
from selftrain_assets.store.database import Database
from selftrain_assets.store.selection import Excluded, PairWeight
from tests.selecting import STOPS, Drawn, selected

ALL = Selection(dedup="none", cap=0)
METHODS = [("text", None), ("code", None), ("text", "code"), ("code", "text")]  # method and origin
PAIRS = [PairWeight("text", "code", 0.5), PairWeight("code", "text", 2.0)]
TEXTS = ["3+4=7", "3 + 4 = 7 so", "So 3 + 4 = 7", "so 3 + 4  =\n7 ", "1+6=7", "seven", "Seven"]
HUMAN = [make_row(f"human {n}", "worked out", 1.0, "human", f"h{n}", 1) for n in range(3)]


ENDINGS = [
    ("stop", None, None, None),
    ("stop", [3, 4], "t", "<end>"),
    ("stop", [3], "t", None),
    ("length", [5, 6], "t", None),
    ("stop", [7, 8], "other", "<end>"),
    ("stop", None, None, "\n\n"),
    ("stop", [3, 4, 5], "t", "<end>", 2, 1, [1, 2]),  # a thought, the mark at its end forced
    ("stop", [3, 4, 5], "t", "<end>", 3, None, None),  # the answer begins within a token
    ("thought", [3, 4, 5], "t", None, 5, 3, None),  # a thought that never closes
]


def sample(problem, completion, index, prompt="prompt", ending=ENDINGS[0]):
    """`ending`: how it finished, its tokens, their tokenizer, the end token, where its answer
    begins, and what was forced."""
    key, (finished, *drawn) = f"{problem}/{index}/{prompt}", ending
    return Sample(
        key,
        problem,
        prompt,
        completion,
        0,
        index,
        finished,
        1,
        len(completion),
        "policy",
        "engine",
        *drawn,
    )


def right(problem, completion, index, iteration=1, **more):
    return Drawn(iteration, sample(problem, completion, index), **more)


@st.composite
def drawings(draw):
    """Samples of three problems in two rounds, some hinted, some saying the same, some in both
    rounds, in any order; by one method, or by two, each with some translations of the other's."""
    several = draw(st.booleans())
    content = st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(TEXTS),
        st.sampled_from(["prompt", "hint"]),
        st.sampled_from(ENDINGS),
    )
    verdict = st.tuples(
        st.sampled_from(["pass", "pass", "pass", "wrong", "infra_error"]),
        st.sampled_from([0.0, 0.5, 1.0]),
    )
    samples = [
        sample(p, text, index, *more)
        for index, (p, text, *more) in enumerate(draw(st.lists(content, max_size=14)))
    ]
    by = {s.key: draw(st.sampled_from(METHODS)) if several else (None, None) for s in samples}
    found = [
        Drawn(iteration, s, *draw(verdict), *by[s.key])
        for s in samples
        for iteration in draw(st.sampled_from([(1,), (2,), (1, 2)]))
    ]
    return draw(st.permutations(found))


RULES = st.builds(
    Selection,
    threshold=st.sampled_from([0.0, 0.5, 1.0]),
    cut_off=st.sampled_from(["drop", "keep"]),
    thoughts=st.sampled_from(["keep", "drop"]),
    dedup=st.sampled_from(["none", "text", "equations"]),
    cap=st.integers(0, 3),
    choice=st.sampled_from(["random", "shortest", "first"]),
    balance=st.sampled_from(["none", "group", "method"]),
    weight=st.sampled_from(["binary", "reward", "exp"]),
)
GROUPS = {"a": "sums", "b": "sums", "c": "products"}


def at_random(seed, purpose, key):
    # DuckDB reads the digest from its end
    return hashlib.md5(f"{seed}:{purpose}:{key}".encode()).digest()[::-1]


def solution(text, rule):
    folded = " ".join(text.lower().split())
    equations = [
        re.sub(r"\s", "", e) for e in re.findall(r"[-+*/().\d\s]*\d\s*=\s*-?\d+(?:[.,]\d+)*", text)
    ]
    return (";".join(equations) or folded) if rule == "equations" else folded


def learnt(rules, sample):
    """The prompt of a row, its completion, and the tokens of that."""
    if rules.thoughts == "keep" or sample.answer_start is None:
        return "prompt", sample.completion, sample.tokens
    return (
        "closed prompt",
        sample.completion[sample.answer_start :],
        None if sample.answer_token is None else sample.tokens[sample.answer_token :],
    )


def source(drawn):
    return (
        "translated"
        if drawn.origin
        else "self"
        if drawn.sample.prompt == "prompt"
        else "rationalized"
    )


def place(drawn):
    """What samples compete for: a problem by a method."""
    return drawn.sample.problem_id, drawn.method or ""


def earns(outcome, reward, threshold):
    """Whether a verdict makes its sample a training row: a pass, or wrong in part."""
    return reward >= threshold and (outcome == "pass" or (outcome == "wrong" and reward > 0))


def by_the_book(rules, drawn, human, seed, excluded, groups, size_match):
    """The same selection, step by step."""
    newest = {
        d.sample.key: d
        for d in sorted(drawn, key=lambda d: d.iteration)
        if d.iteration not in excluded.rounds
    }
    left = [
        d
        for d in newest.values()
        if earns(d.outcome, d.reward, rules.threshold)
        and d.sample.key not in excluded.samples
        and (rules.cut_off == "keep" or d.sample.finish_reason == "stop")
        and source(d) not in excluded.sources
    ]
    if rules.dedup != "none":
        left.sort(
            key=lambda d: (source(d) == "translated", -d.iteration, d.sample.index, d.sample.key)
        )
        left = list(
            {
                (place(d), solution(learnt(rules, d.sample)[1], rules.dedup)): d
                for d in reversed(left)
            }.values()
        )
    rank = {
        "random": lambda d: (at_random(seed, "cap", d.sample.key), d.sample.key),
        "first": lambda d: (d.sample.index, d.sample.key),
        "shortest": lambda d: (
            d.sample.completion_tokens - (d.sample.answer_token or 0) * (rules.thoughts == "drop"),
            d.sample.key,
        ),
    }[rules.choice]
    found = Counter(place(d) for d in left if d.origin is None)
    left.sort(key=lambda d: (place(d), rank(d)))
    left = [d for _, ds in groupby(left, key=place) for d in list(ds)[: rules.cap or None]]
    if size_match != "off":
        lots = {"per_method": lambda d: d.method, "total": lambda d: None}[size_match]
        own: Counter = Counter()  # what each lot would have without translations
        for d in {place(d): d for d in drawn}.values():
            own[lots(d)] += min(found[place(d)], rules.cap or found[place(d)])
        left = first_of(seed, "size", left, lots, lambda lot: own[lots(lot[0])])
    if rules.balance != "none" and left:
        strata = {"group": lambda d: groups[d.sample.problem_id], "method": lambda d: d.method}[
            rules.balance
        ]
        fewest = min(Counter(strata(d) for d in left).values())
        left = first_of(seed, "balance", left, strata, lambda _: fewest)
    weight = {"binary": lambda r: 1.0, "reward": lambda r: r, "exp": exp}[rules.weight]
    rows = [
        make_row(
            *learnt(rules, d.sample)[:2],
            weight(d.reward)
            * next((pair.weight for pair in PAIRS if pair[:2] == (d.origin, d.method)), 1),
            source(d),
            d.sample.problem_id,
            d.iteration,
            d.sample.key,
            d.method,
            d.origin,
            learnt(rules, d.sample)[2],
            None if learnt(rules, d.sample)[2] is None else d.sample.tokenizer,
            end_of(d.sample),
            d.sample.forced if rules.thoughts == "keep" else None,
        )
        for d in left
    ]
    return rows + human


def end_of(sample):
    """Of a sample that another tokenizer ended, or nobody knows what, the model's own."""
    if sample.finish_reason != "stop":
        return ""
    return sample.ended_by if sample.tokenizer == "t" or sample.ended_by in STOPS else "<own>"


def first_of(seed, purpose, drawn, lots, count):
    """Of each lot the first so many, in an order at random, in the order they have."""
    ordered = sorted(drawn, key=lambda d: (at_random(seed, purpose, d.sample.key), d.sample.key))
    kept = [
        d
        for lot in {lots(d) for d in drawn}
        for own in [[d for d in ordered if lots(d) == lot]]
        for d in own[: count(own)]
    ]
    return [d for d in drawn if d in kept]


@given(
    RULES,
    drawings(),
    st.integers(0, 3),
    st.builds(
        Excluded,
        st.sampled_from([(), ("a/0/prompt", "b/1/hint")]),
        st.sampled_from([(), (1,)]),
        st.sampled_from([(), ("rationalized",), ("translated",)]),
    ),
    st.sampled_from(["off", "per_method", "total"]),
)
def test_tables_are_selected_from_as_the_rules_say(rules, drawn, seed, excluded, size_match):
    found = selected(
        rules, drawn, HUMAN, seed, excluded, groups=GROUPS, pairs=PAIRS, size_match=size_match
    )
    assert found == by_the_book(rules, drawn, HUMAN, seed, excluded, GROUPS, size_match)


@given(
    st.lists(st.tuples(st.sampled_from(list(Outcome)), st.floats(0, 1)), max_size=8),
    st.floats(0, 1),
)
def test_passes_and_graded_answers_at_the_threshold_are_kept(judged, threshold):
    """Even an infra_error that carries a full reward is never trained on."""
    drawn = [
        right("p", str(i), i, outcome=str(outcome), reward=reward)
        for i, (outcome, reward) in enumerate(judged)
    ]
    rows = selected(ALL.model_copy(update={"threshold": threshold}), drawn)
    expected = [
        str(i) for i, (outcome, reward) in enumerate(judged) if earns(outcome, reward, threshold)
    ]
    assert sorted(r.completion for r in rows) == sorted(expected)


def test_graded_answers_are_kept_and_weighted_by_their_reward():
    """By hand: of rewards 1, 0.6, 0.5, 0.4 and 0, a threshold of 0.5 keeps the first three."""
    drawn = [
        right("p", "a", 0),
        right("p", "b", 1, outcome="wrong", reward=0.6),
        right("p", "c", 2, outcome="pass", reward=0.5),
        right("p", "d", 3, outcome="wrong", reward=0.4),
        right("p", "e", 4, outcome="wrong", reward=0.0),
        right("p", "f", 5, outcome="timeout", reward=0.9),
    ]
    rows = selected(ALL.model_copy(update={"threshold": 0.5, "weight": "reward"}), drawn)
    assert {r.completion: r.weight for r in rows} == {"a": 1.0, "b": 0.6, "c": 0.5}
    rows = selected(ALL.model_copy(update={"threshold": 0.0}), drawn)
    assert {r.completion: r.weight for r in rows} == dict.fromkeys("abcd", 1.0)
    rows = selected(ALL, drawn)
    assert [r.completion for r in rows] == ["a"]


@pytest.mark.parametrize(
    ("choice", "expected"), [("first", {"wordy", "long"}), ("shortest", {"s", "long"})]
)
def test_what_each_choice_prefers(choice, expected):
    drawn = [right("p", "s", 7), right("p", "long", 3), right("p", "wordy", 1)]
    assert {r.completion for r in selected(Selection(cap=2, choice=choice), drawn)} == expected


def test_a_random_choice_changes_with_the_seed():
    drawn = [right("p", str(n), n) for n in range(6)]
    assert (
        len({selected(Selection(cap=1), drawn, seed=seed)[0].completion for seed in range(20)}) == 6
    )


@pytest.mark.parametrize(("rule", "expected"), [("none", 6), ("text", 4), ("equations", 2)])
def test_what_each_rule_calls_the_same(rule, expected):
    texts = ["3 + 4 = 7", "3 + 4 = 7", "3  + 4 =\n7", "so 3+4=7", "3 + 4 = 7 apples", "4 + 3 = 7"]
    assert (
        len(
            selected(
                Selection(dedup=rule, cap=0), [right("p", text, n) for n, text in enumerate(texts)]
            )
        )
        == expected
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Reasoning path of a text."""
    with Database(tmp_path_factory.mktemp("spilt")) as db:
        yield lambda text: db.execute("SELECT equation_path(?)", [text])[0][0]


@pytest.mark.parametrize(
    "text",
    [
        "3+4=7 so",
        "First, 3 + 4 = 7",
        "3 + 4 =7 apples",
        "She has 3 + 4 = 7.",
        "3 + 4 = 7, and that is all",
    ],
)
def test_words_around_equations_do_not_matter(path, text):
    assert path(text) == path("3 + 4 = 7")


@pytest.mark.parametrize(
    "text",
    [
        "4 + 3 = 7",
        "3 + 4 = 7 ; 7 * 2 = 14",
        "3 - 4 = 7",
        "3 + 4 = 7.5",
        "three and four make seven",
    ],
)
def test_other_equations_are_another_path(path, text):
    assert path(text) != path("3 + 4 = 7")


def test_balance_leaves_every_group_as_many_rows_as_the_smallest():
    drawn = [
        right(problem, f"{problem} {n}", n)
        for problem, count in (("a", 5), ("b", 4), ("c", 3))
        for n in range(count)
    ]
    rows = selected(Selection(balance="group"), drawn, HUMAN, groups=GROUPS)
    assert Counter(GROUPS.get(r.problem_id) for r in rows) == {
        "sums": 3,
        "products": 3,
        None: len(HUMAN),
    }


def test_nothing_to_select_from_leaves_the_human_rows():
    assert selected(Selection(balance="group"), [], HUMAN) == HUMAN
    assert selected(Selection(), [right("p", "3", 0, outcome="wrong", reward=0.0)]) == []
