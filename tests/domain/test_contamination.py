# ruff: noqa: RUF001
"""Held-out text is found however it is dressed, and what only looks alike is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.contamination import COMMON, RUN, HeldOut
from selftrain_assets.domain.types import HELD_OUT, Problem
from selftrain_assets.tasks import TASKS

# without g: `-- gcd` would be the sign of a formula
WORD = st.text("abcdefhij", min_size=3, max_size=7)
LONG = st.lists(WORD, min_size=RUN, max_size=40, unique=True)


def held_out(question: str, *solutions: str) -> HeldOut:
    return HeldOut([Problem("held", question, "1", "test")], {"held": solutions})


def dressed(draw_from: list[str], separators: list[str], upper: list[bool]) -> str:
    spaced = zip(draw_from, separators, upper, strict=False)
    return "".join((w.upper() if up else w) + s for w, s, up in spaced)


@given(text=LONG, data=st.data())
def test_case_white_space_and_punctuation_make_no_difference(text, data):
    separators = data.draw(
        st.lists(
            st.sampled_from([" ", "\n", ", ", " -- ", "? "]), min_size=len(text), max_size=len(text)
        )
    )
    upper = data.draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    found = held_out(" ".join(text)).find(dressed(text, separators, upper), asks=True)
    assert (found.held_out, found.exact, found.part) == ("held", True, "question")


@given(
    text=LONG,
    before=st.lists(WORD.map(lambda w: f"x{w}"), max_size=20),
    after=st.lists(WORD.map(lambda w: f"y{w}"), max_size=20),
)
def test_a_question_inside_of_a_longer_text_is_found_whole(text, before, after):
    found = held_out(" ".join(text)).find(" ".join([*before, *text, *after]))
    assert found.exact
    assert found.span.split() == text


@given(text=LONG, cut=st.integers(1, RUN - 1))
def test_fewer_words_in_a_row_are_no_evidence(text, cut):
    assert (
        held_out(" ".join(text)).find(" ".join([*text[:cut], "zzz", *text[cut : cut + RUN - 1]]))
        is None
    )


@given(text=st.lists(WORD, min_size=30, max_size=30, unique=True), length=st.integers(RUN, 29))
def test_a_run_counts_where_it_is_most_of_the_shorter_text(text, length):
    other = [f"x{i}" for i in range(40)]
    found = held_out(" ".join(text)).find(" ".join([*other, *text[:length]]))
    assert (found is not None) == (length >= 0.6 * 30)
    if found:
        assert (found.exact, found.span.split()) == (False, text[:length])


def test_the_longest_run_is_told():
    one = [f"a{i}" for i in range(20)]
    two = [f"b{i}" for i in range(30)]
    index = HeldOut(
        [
            Problem("one", " ".join([*one, "c"]), "", "test"),
            Problem("two", " ".join([*two, "d"]), "", "validation"),
        ],
        {},
    )
    found = index.find(" ".join([*one, "and", *two]))
    assert (found.held_out, found.split) == ("two", "validation")


def test_a_solution_is_found_and_is_never_called_a_whole_question():
    solution = " ".join(f"s{i}" for i in range(20))
    found = held_out("what?", solution).find(solution)
    assert (found.part, found.exact) == ("solution", False)


def test_a_phrase_of_the_task_is_the_mark_of_no_problem():
    phrase = " ".join(f"p{i}" for i in range(RUN))
    problems = [Problem(f"t{i}", f"{phrase} a{i} b{i} c{i}", "", "test") for i in range(COMMON + 1)]
    assert HeldOut(problems, {}).find(f"{phrase} a99 b99 c99") is None
    assert HeldOut(problems, {}).find(f"{phrase} a3 b3 c3").held_out == "t3"
    assert HeldOut(problems[:2], {}).find(f"{phrase} a99 b99 c99") is not None


@pytest.mark.parametrize("copies", [2, COMMON + 1, 3 * COMMON])
def test_many_near_copies_hide_neither_one_another_nor_the_copy(copies):
    story = (
        "Anna has 30 apples and she gives 12 of them to Ben before she buys another 7 apples at the"
        " market. How many has she now?"
    )
    index = HeldOut([Problem(f"t{i}", f"Case {i}: {story}", "", "test") for i in range(copies)], {})
    assert index.find(f"Case 99: {story}").exact is False
    assert index.find(f"Once more. Case 1: {story} Think.").exact is True


SHORT = "What is 3 times 13 minus 4?"
WHOLE = [
    (SHORT, f"Please answer: {SHORT}"),
    (SHORT, f"Q: {SHORT.upper()}\nA: 35. Q: What is 4 times 13? A: 52."),
    (SHORT, "First I ask myself what is 3 times 13 minus 4"),
    (
        "Did Aristotle use a laptop?",
        'Somebody asked "Did Aristotle use a laptop?", and nobody knew, for no one had asked him.',
    ),
    ("What is 2 + 2?", "Please: What is 2+2?"),
    (
        "What colour is grass in C++?",
        "Tell me at once, without thinking: what colour is grass in C++? Then rest.",
    ),
    (
        "小明有三个苹果，又买了两个，一共有几个？",
        "请回答下面的问题：小明有三个苹果，又买了两个，一共有几个？请一步一步地思考。",
    ),
    (
        "りんごを三つ持っています。二つ買うといくつですか？",
        "次の問いに答えよ。りんごを三つ持っています。二つ買うといくつですか？答えは五つ。",
    ),
    (
        "แอนมีแอปเปิลสามผลและซื้ออีกสองผล",
        "จงตอบคำถาม: แอนมีแอปเปิลสามผลและซื้ออีกสองผล? คิดทีละขั้น แล้วตอบคำถามนี้ให้ถูกต้องด้วย",
    ),
    (
        "def twice(x):\n    return 2*x\nWhat is printed by twice of seven?",
        "# code\ndef twice(x):\n\treturn 2 * x\nWhat is printed by twice of seven?\n",
    ),
]
NOT_WHOLE = [
    ("2 + 2 =", "I was asked: 2 + 2 ="),
    ("two plus two?", "I was asked: two plus two?"),
    ("3 + 4 * 2 - 5 + 6", "( 3 + 4 * 2 - 5 + 6 ) - ( 5 - 1 )"),
    (
        "What is 2 + 2?",
        "I went to school, and there they asked: What is 2 + 2? I said that it is four.",
    ),
    (SHORT, "Please answer: What is 3 times 13 minus 45?"),
    ("What is 3 times 13?", "Please answer: What is 3 times 13 minus 4?"),
    ("What is the sum of 2 + 3", "What is the sum of 2 + 3 * 4?"),
    ("What is the sum of 2 + 3?", "Please answer: What is the sum of 2 - 3?"),
    (
        "Sort the following words: List: stage staff",
        "Sort the following words: List: stage staff paste pasta",
    ),
    (
        "What colour is grass in C++?",
        "Tell me at once, without thinking: what colour is grass in C? Then rest.",
    ),
    ("一共有几个？", "小明有三个苹果，又买了两个，一共有几个？请一步一步地思考，然后回答。"),
]


@pytest.mark.parametrize(("question", "text"), WHOLE)
def test_a_short_question_that_says_enough_is_found_inside_another_text(question, text):
    found = held_out(question).find(text)
    assert found is not None
    assert (found.held_out, found.exact) == ("held", True)


@pytest.mark.parametrize(("question", "text"), NOT_WHOLE)
def test_a_phrase_an_expression_or_the_beginning_of_another_question_is_no_leak(question, text):
    assert held_out(question).find(text, asks=True) is None


@pytest.mark.parametrize("question", ["2 + 2 =", "two plus two?", "[ ( {"])
def test_whatever_is_asked_is_found_where_nothing_else_is_asked(question):
    assert held_out(question).find(question.upper(), asks=True).exact


def test_other_signs_make_of_a_long_question_a_near_copy():
    story = (
        "A tank holds 30 litres at first and then every hour the pump moves some : how much is 30"
        " {} 12 litres after all of that ?"
    )
    assert held_out(story.format("+")).find(story.format("-")).exact is False
    assert held_out(story.format("+")).find(story.format(" + ")).exact is True


@pytest.mark.parametrize(
    "name", ["word_problems", "multistep_arithmetic", "word_sorting", "string_rewriting"]
)
def test_tasks_that_share_their_templates_hold_no_leak(name):
    problems = TASKS[name]().load()
    index = HeldOut([p for p in problems if p.split in HELD_OUT], {})
    texts = [
        (text, text is p.question)
        for p in problems
        if p.split not in HELD_OUT
        for text in (p.question, p.solution)
        if text
    ]
    assert [
        found for text, asks in texts[:4000] if (found := index.find(text, asks)) and found.exact
    ] == []
