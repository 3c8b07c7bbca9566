"""Word sorting: its lists, and which errors its script finds where."""

import re
from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from selftrain_assets.domain.attempts import Attempt, Feedback
from selftrain_assets.domain.types import Problem
from selftrain_assets.tasks import WordSorting
from selftrain_assets.tasks.word_sorting import families
from tests.tasks.test_generated import PROBLEMS as EVERY

SCRIPT = WordSorting.script
PROBLEMS = EVERY[WordSorting]
some_problem = st.sampled_from(PROBLEMS)
LIST = Problem(
    "p", "Sort the following words alphabetically: List: oven costume counterpart orbit lemon", ""
)
STEPS = (
    "The first letters are o for oven, c for costume, c for counterpart, o for orbit, l for lemon.",
    "The groups in order are c (costume, counterpart), l (lemon), o (oven, orbit).",
    "In group c the order is costume, counterpart.",
    "In group o the order is orbit, oven.",
)
ANSWER = "costume counterpart lemon orbit oven"


def judged(*steps, answer=ANSWER):
    return SCRIPT.feedback(LIST, Attempt(steps, answer))


def changed(steps, position, text):
    return (*steps[:position], text, *steps[position + 1 :])


# -- problems --------------------------------------------------------------------------------------


def test_words_are_in_one_family_and_families_begin_alike():
    words = [word for family in families() for word in family]
    assert len(words) == len(set(words)) == 816
    assert all(re.fullmatch("[a-z]+", word) for word in words)
    assert all(len({word[0] for word in family}) == 1 and len(family) == 6 for family in families())


def test_answers_are_the_words_in_order_and_their_number_that_of_the_group():
    for problem in PROBLEMS:
        words = problem.question.removeprefix(
            "Sort the following words alphabetically: List: "
        ).split()
        assert problem.answer.split() == sorted(words)
        assert len(set(words)) == len(words)
        shortest, longest = {"16+": (16, 20)}.get(problem.group) or map(
            int, problem.group.split("-")
        )
        assert shortest <= len(words) <= longest


def test_no_list_occurs_in_another_order_and_few_are_in_order():
    assert Counter(problem.answer for problem in PROBLEMS).most_common(1)[0][1] == 1
    assert (
        sum(problem.question.endswith(problem.answer) for problem in PROBLEMS) < len(PROBLEMS) / 4
    )


def test_most_lists_have_words_that_begin_alike():
    ties = [len({word[0] for word in p.answer.split()}) < len(p.answer.split()) for p in PROBLEMS]
    assert sum(ties) > 0.9 * len(ties)


# -- errors ----------------------------------------------------------------------------------------


def test_a_solution_has_one_step_for_letters_one_for_groups_and_one_for_each_group_of_several_words():  # noqa: E501
    assert SCRIPT.improve(LIST, ()) == Attempt(STEPS, ANSWER)


@given(some_problem, st.data())
def test_a_wrong_first_letter_is_found(problem, data):
    attempt = SCRIPT.improve(problem, ())
    word = data.draw(st.sampled_from(problem.answer.split()))
    letter = data.draw(
        st.sampled_from("abcdefghijklmnopqrstuvwxyz").filter(lambda letter: letter != word[0])
    )
    steps = changed(
        attempt.steps, 0, re.sub(rf"\w for {word}\b", f"{letter} for {word}", attempt.steps[0])
    )
    told = SCRIPT.feedback(problem, Attempt(steps, attempt.answer))
    assert told == Feedback(1, f"{letter} for {word}", f"{word} begins with {word[0]}", "letters")


@given(some_problem, st.data())
def test_groups_in_the_wrong_order_are_found(problem, data):
    attempt = SCRIPT.improve(problem, ())
    groups = re.findall(r"\w \([^()]*\)", attempt.steps[1])
    assume(len(groups) > 1)
    at = data.draw(st.integers(0, len(groups) - 2))
    swapped = f"{groups[at + 1]}, {groups[at]}"
    steps = changed(
        attempt.steps, 1, attempt.steps[1].replace(f"{groups[at]}, {groups[at + 1]}", swapped)
    )
    told = SCRIPT.feedback(problem, Attempt(steps, attempt.answer))
    assert told == Feedback(
        2, swapped, f"{groups[at][0]} does not come after {groups[at + 1][0]}", "groups"
    )


@given(some_problem, st.data())
def test_two_words_of_a_group_in_the_wrong_order_are_found(problem, data):
    attempt = SCRIPT.improve(problem, ())
    assume(len(attempt.steps) > 2)
    number = data.draw(st.integers(3, len(attempt.steps)))
    text = attempt.steps[number - 1]
    group = text.partition(" is ")[2].rstrip(".").split(", ")
    at = data.draw(st.integers(0, len(group) - 2))
    swapped = f"{group[at + 1]}, {group[at]}"
    steps = changed(
        attempt.steps, number - 1, re.sub(rf"\b{group[at]}, {group[at + 1]}\b", swapped, text)
    )
    told = SCRIPT.feedback(problem, Attempt(steps, attempt.answer))
    assert told == Feedback(number, swapped, f"{group[at]} comes before {group[at + 1]}", "order")


@given(some_problem, st.data())
def test_two_words_of_the_answer_in_the_wrong_order_are_found(problem, data):
    attempt, words = SCRIPT.improve(problem, ()), problem.answer.split()
    at = data.draw(st.integers(0, len(words) - 2))
    words[at : at + 2] = reversed(words[at : at + 2])
    told = SCRIPT.feedback(problem, Attempt(attempt.steps, " ".join(words)))
    reason = f"{words[at + 1]} comes before {words[at]}"
    assert told == Feedback(len(attempt.steps) + 1, f"{words[at]} {words[at + 1]}", reason, "final")


@given(some_problem, st.data())
def test_a_missing_word_and_a_foreign_one_are_found_in_every_step(problem, data):
    attempt = SCRIPT.improve(problem, ())
    number = data.draw(st.integers(1, len(attempt.steps) + 1))
    start, listed = re.fullmatch(
        r"(.* order are |.* letters are |.* order is |)(.*)", attempt.part(number)
    ).groups()
    word = data.draw(
        st.sampled_from(
            [word for word in problem.answer.split() if re.search(rf"\b{word}\b", listed)]
        )
    )
    item = f"{word[0]} for {word}" if number == 1 else word
    kind = (
        "final"
        if number > len(attempt.steps)
        else ("letters", "groups", "order")[min(number, 3) - 1]
    )
    for replaced in ("", item.replace(word, "zzz")):
        parts = [*attempt.steps, attempt.answer]
        parts[number - 1] = start + re.sub(rf"\b{item}\b", replaced, listed)
        told = SCRIPT.feedback(problem, Attempt(tuple(parts[:-1]), parts[-1]))
        assert (told.step, told.kind) == (number, kind)
        assert told.segment in parts[number - 1]
        assert (word if not replaced else "zzz") in told.reason


@given(some_problem, st.randoms(use_true_random=False))
def test_words_may_be_listed_and_groups_be_sorted_in_any_order(problem, rng):
    attempt = SCRIPT.improve(problem, ())
    items = attempt.steps[0].removeprefix("The first letters are ").rstrip(".").split(", ")
    groups = [*attempt.steps[2:]]
    rng.shuffle(items), rng.shuffle(groups)
    steps = (f"The first letters are {', '.join(items)}.", attempt.steps[1], *groups)
    assert SCRIPT.feedback(problem, Attempt(steps, attempt.answer)) == Feedback(None)
    kept = steps[: rng.randint(0, len(steps))]
    assert SCRIPT.improve(problem, kept).steps[: len(kept)] == kept


def test_case_and_white_space_make_no_difference():
    steps = (
        (
            "  the first letters are O for Oven , c for costume,c for counterpart, o for orbit, l"
            " for lemon"
        ),
        "The groups in order are c ( costume , counterpart ) , l(lemon), o (oven, orbit) .",
        "In group C the order is costume,counterpart",
        STEPS[3],
    )
    assert judged(*steps, answer=" Costume counterpart  lemon orbit oven.") == Feedback(None)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (
            ("o, c, c, o, l",),
            Feedback(1, "o, c, c, o, l", "the first letters come first", "letters"),
        ),
        (
            ("The first letters are oven o.",),
            Feedback(1, "oven o", "it is not a letter and its word", "letters"),
        ),
        ((STEPS[0], STEPS[2]), Feedback(2, STEPS[2], "the groups come next", "groups")),
        (
            (STEPS[0], STEPS[1].replace("(lemon)", "(lemon, oven)")),
            Feedback(2, "l (lemon, oven)", "oven begins with o", "groups"),
        ),
        (
            (STEPS[0], STEPS[1].replace("l (lemon)", "c (costume), l (lemon)")),
            Feedback(
                2, "c (costume, counterpart), c (costume)", "c does not come after c", "groups"
            ),
        ),
        (
            (*STEPS[:2], "In group z the order is zoo."),
            Feedback(3, "In group z the order is zoo.", "there is no group z", "order"),
        ),
        ((*STEPS[:3], STEPS[2]), Feedback(4, STEPS[2], "group c is in order already", "order")),
        (
            (*STEPS[:3], "done"),
            Feedback(4, "done", "the order of group o is still to come", "order"),
        ),
        ((*STEPS, "done"), Feedback(5, "done", "nothing is left to be sorted", "order")),
        ((), Feedback(1, ANSWER, "the first letters are still to come", "final")),
        (STEPS[:3], Feedback(4, ANSWER, "the order of group o is still to come", "final")),
    ],
)
def test_the_first_error_is_named_with_its_kind_and_reason(steps, expected):
    assert judged(*steps) == expected
