"""Held-out text is found however it is dressed, and what only looks alike is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.core.contamination import COMMON, RUN, HeldOut, words
from selftrain_assets.core.types import Problem

WORD = st.text("abcdefghij", min_size=3, max_size=7)
LONG = st.lists(WORD, min_size=RUN, max_size=40, unique=True)


def held_out(question: str, *solutions: str) -> HeldOut:
    return HeldOut([Problem("held", question, "1", "test")], {"held": solutions})


def dressed(draw_from: list[str], separators: list[str], upper: list[bool]) -> str:
    spaced = zip(draw_from, separators, upper, strict=False)
    return "".join((w.upper() if up else w) + s for w, s, up in spaced)


@given(text=LONG, data=st.data())
def test_case_white_space_and_punctuation_make_no_difference(text, data):
    separators = data.draw(st.lists(st.sampled_from([" ", "\n", ", ", " -- ", "? "]), min_size=len(text), max_size=len(text)))
    upper = data.draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    found = held_out(" ".join(text)).same(dressed(text, separators, upper))
    assert (found.held_out, found.exact, found.part) == ("held", True, "question")


@given(text=LONG, before=st.lists(WORD.map(lambda w: f"x{w}"), max_size=20), after=st.lists(WORD.map(lambda w: f"y{w}"), max_size=20))
def test_a_question_inside_of_a_longer_text_is_found_whole(text, before, after):
    found = held_out(" ".join(text)).within(" ".join([*before, *text, *after]))
    assert found.exact
    assert found.span.split() == text


@given(text=LONG, cut=st.integers(1, RUN - 1))
def test_fewer_words_in_a_row_are_no_evidence(text, cut):
    assert held_out(" ".join(text)).within(" ".join([*text[:cut], "zzz", *text[cut : cut + RUN - 1]])) is None


@given(text=st.lists(WORD, min_size=30, max_size=30, unique=True), length=st.integers(RUN, 29))
def test_a_run_counts_where_it_is_most_of_the_shorter_text(text, length):
    other = [f"x{i}" for i in range(40)]
    found = held_out(" ".join(text)).within(" ".join([*other, *text[:length]]))
    assert (found is not None) == (length >= 0.6 * 30)
    if found:
        assert (found.exact, found.span.split()) == (False, text[:length])


def test_the_longest_run_is_told():
    one = [f"a{i}" for i in range(20)]
    two = [f"b{i}" for i in range(30)]
    index = HeldOut([Problem("one", " ".join(one), "", "test"), Problem("two", " ".join(two), "", "validation")], {})
    found = index.within(" ".join([*one, "and", *two]))
    assert (found.held_out, found.split) == ("two", "validation")


def test_a_solution_is_found_and_is_never_called_a_whole_question():
    solution = " ".join(f"s{i}" for i in range(20))
    found = held_out("what?", solution).within(solution)
    assert (found.part, found.exact) == ("solution", False)


def test_a_phrase_of_the_task_is_the_mark_of_no_problem():
    phrase = " ".join(f"p{i}" for i in range(RUN))
    problems = [Problem(f"t{i}", f"{phrase} n{i}", "", "test") for i in range(COMMON + 1)]
    assert HeldOut(problems, {}).within(f"{phrase} n99") is None
    assert HeldOut(problems, {}).within(f"{phrase} n3").held_out == "t3"
    assert HeldOut(problems[:2], {}).within(f"{phrase} n99") is not None


@pytest.mark.parametrize("question", ["2 + 2 =", "two plus two?"])
def test_short_questions_are_found_as_a_whole_alone(question):
    index = held_out(question)
    assert index.same(question.upper()).exact
    assert index.within(f"I was asked: {question}") is None


def test_words_of_other_scripts_are_words():
    assert words("\uff28ow many  ÄPFEL, 苹果?") == ["how", "many", "äpfel", "苹果"]
