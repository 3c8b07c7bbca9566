"""Multistep arithmetic: its expressions, and which errors its script finds where."""

import random
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from selftrain_assets.domain.attempts import Attempt, Feedback
from selftrain_assets.domain.types import Problem
from selftrain_assets.models.pretrain import build_tokenizer
from selftrain_assets.tasks import MultistepArithmetic
from selftrain_assets.tasks.expressions import operations, parse, ready, reductions, solve
from tests.tasks.test_generated import PROBLEMS, SIGNED

SCRIPT = MultistepArithmetic.script
EMBEDDED = PROBLEMS[MultistepArithmetic]
some_problem = st.sampled_from(EMBEDDED + SIGNED)


def asked(expression):
    return Problem("p", expression, str(solve(expression)[1]))


def judged(expression, *steps, answer=None):
    problem = asked(expression)
    return SCRIPT.feedback(problem, Attempt(steps, problem.answer if answer is None else answer))


def changed(steps, position, text):
    return (*steps[:position], text, *steps[position + 1 :])


# -- problems --------------------------------------------------------------------------------------


def test_an_expression_has_the_shape_of_its_group_and_the_value_of_its_answer():
    for problem in EMBEDDED + SIGNED:
        length, depth = map(int, re.match(r"length (\d+), depth (\d+)", problem.group).groups())
        rows = [row for row in re.split(r"[()]", problem.question) if re.search(r"\d", row)]
        assert [len(re.findall(r"\d+", row)) for row in rows] == [length] * 2**depth
        assert problem.question.count("(") == problem.question.count(")") == 2 ** (depth + 1) - 2
        assert eval(problem.question) == int(problem.answer)


def test_no_operation_is_trivial_or_out_of_bounds():
    for problems, largest in ((EMBEDDED, 250), (SIGNED, 10_000)):
        for operation in (
            each for problem in problems for each in operations(parse(problem.question))
        ):
            numbers = [operand.number for operand in operation.operands()]
            result = operation.result().number
            assert 0 not in (*numbers, result)
            assert operation.symbol != "*" or not {1, -1} & {*numbers}
            assert abs(result) <= largest
            assert problems is SIGNED or result > 0
    assert min(int(problem.answer) for problem in SIGNED) < 0


def test_operands_lie_in_their_bounds():
    operands = {int(number) for p in SIGNED for number in re.findall(r"(?<!\S)-?\d+", p.question)}
    assert operands == {*range(-9, 10)} - {0}
    small = [p for p in EMBEDDED if "operands to" not in p.group]
    assert {int(number) for p in small for number in re.findall(r"\d+", p.question)} == {
        *range(1, 21)
    }
    assert max(int(number) for p in EMBEDDED for number in re.findall(r"\d+", p.question)) == 40


def test_the_embedded_model_can_read_and_write_all_of_it():
    tokenizer = build_tokenizer()
    texts = [f"Q: {p.question} A: {p.solution}" for p in EMBEDDED if p.solution]
    ids = tokenizer(texts, add_special_tokens=False).input_ids
    assert not any(tokenizer.unk_token_id in row for row in ids)
    assert max(map(len, ids)) < 256


def test_solutions_in_steps_may_have_negative_numbers():
    assert solve("( -3 + 4 ) * ( 2 - 9 )") == (
        "-3 + 4 = 1 ; 2 - 9 = -7 ; 1 * -7 = -7 ; #### -7",
        -7,
    )
    with pytest.raises(ValueError, match="not integer arithmetic: -x"):
        solve("-x + 4")


# -- errors ----------------------------------------------------------------------------------------


@given(some_problem, st.data())
def test_a_wrong_result_is_found(problem, data):
    attempt = SCRIPT.improve(problem, ())
    at = data.draw(st.integers(0, len(attempt.steps) - 1))
    left, value = attempt.steps[at].split(" = ")
    wrong = int(value) + data.draw(st.integers(-300, 300).filter(bool))
    told = SCRIPT.feedback(
        problem, Attempt(changed(attempt.steps, at, f"{left} = {wrong}"), attempt.answer)
    )
    assert told == Feedback(at + 1, f"= {wrong}", f"{left} is {value}", "calculate")


@given(some_problem, st.data())
def test_a_wrong_operand_or_operator_is_found(problem, data):
    attempt = SCRIPT.improve(problem, ())
    at = data.draw(st.integers(0, len(attempt.steps) - 1))
    left, value = attempt.steps[at].split(" = ")
    parts = left.split()
    which = data.draw(st.integers(0, 2))
    wrong = changed(
        parts,
        which,
        data.draw(st.sampled_from("+-*") if which == 1 else st.integers(-300, 300).map(str)),
    )
    done = [str(each).split() for each in operations(parse(problem.question))]
    assume([*wrong] not in done)
    assume([*reversed(wrong)] not in done)
    told = SCRIPT.feedback(
        problem, Attempt(changed(attempt.steps, at, f"{' '.join(wrong)} = {value}"), attempt.answer)
    )
    joins = all(
        operand.computed for operand in [*operations(parse(problem.question))][at].operands()
    )
    reason = (
        f"the operator is {parts[1]}"
        if which == 1
        else f"the operands are {parts[0]} and {parts[2]}"
    )
    assert told == Feedback(at + 1, " ".join(wrong), reason, "combine" if joins else "partition")


@given(some_problem, st.sampled_from(["3 + 4 = 7", "#### 7", "so it is"]))
def test_a_step_too_many_is_found(problem, text):
    attempt = SCRIPT.improve(problem, ())
    told = SCRIPT.feedback(problem, Attempt((*attempt.steps, text), attempt.answer))
    assert (told.step, told.reason, told.kind) == (
        len(attempt.steps) + 1,
        "nothing is left to calculate",
        "partition",
    )


@given(some_problem, st.integers(-300, 300).filter(bool))
def test_a_wrong_final_answer_is_found(problem, off):
    attempt = SCRIPT.improve(problem, ())
    wrong = str(int(attempt.answer) + off)
    told = SCRIPT.feedback(problem, Attempt(attempt.steps, wrong))
    assert told == Feedback(
        len(attempt.steps) + 1, wrong, f"the last result is {attempt.answer}", "final"
    )


@given(some_problem, st.randoms(use_true_random=False))
def test_every_order_of_operations_that_do_not_depend_on_each_other_is_right(problem, rng):
    tree, steps = parse(problem.question), []
    while options := [*ready(tree)]:
        done = rng.choice(options)
        tree = rng.choice([*reductions(tree, done)])
        steps.append(f"{done} = {done.result()}")
    assert SCRIPT.feedback(problem, Attempt(tuple(steps), problem.answer)) == Feedback(None)
    kept = tuple(steps[: random.Random(len(steps)).randint(0, len(steps))])
    assert SCRIPT.improve(problem, kept).steps[: len(kept)] == kept


def test_an_operation_that_occurs_twice_may_be_done_in_either_place_first():
    steps = ("2 + 3 = 5", "5 * 4 = 20", "2 + 3 = 5", "5 - 20 = -15")
    assert judged("( 2 + 3 ) - ( 2 + 3 ) * 4", *steps) == Feedback(None)


@pytest.mark.parametrize(
    ("steps", "answer"),
    [
        (("2 * 4 = 8", "8 + 3 = 11", "5 - 1 = 4", "11 - 4 = 7"), "7"),
        (("4*2=8.", " 3 +8  =  11 ", "5 - 1 = 4", "11 - 4 =7"), " 7."),
    ],
    ids=["swapped numbers of sums and products", "spaces and full stops"],
)
def test_other_ways_to_write_it_are_right(steps, answer):
    assert judged("( 3 + 4 * 2 ) - ( 5 - 1 )", *steps, answer=answer) == Feedback(None)


def test_signs_may_stand_apart():
    assert judged(
        "( -3 - 4 ) * ( 2 + 1 )", "- 3 - 4 = - 7", "2 + 1 = 3", "- 7 * 3 = - 21", answer="- 21"
    ) == Feedback(None)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (("3 + 4 = 7",), Feedback(1, "3 + 4", "the next operation is 4 * 2", "partition")),
        (("5 - 4 = 1",), Feedback(1, "5 - 4", "the operands are 5 and 1", "partition")),
        (
            ("4 * 2 = 8", "1 - 5 = -4"),
            Feedback(2, "1 - 5", "the operands are 5 and 1", "partition"),
        ),
        (("4 * 2 = 9",), Feedback(1, "= 9", "4 * 2 is 8", "calculate")),
        (
            ("4 * 2 = 8", "3 + 8 = 11", "5 - 1 = 4", "11 + 4 = 15"),
            Feedback(4, "11 + 4", "the operator is -", "combine"),
        ),
        (
            ("4 * 2 = 8", "3 + 8 = 11", "5 - 1 = 4", "4 - 11 = -7"),
            Feedback(4, "4 - 11", "the operands are 11 and 4", "combine"),
        ),
        (
            ("4 * 2 = 8", "3 + 8 = 11", "11 - 1 = 10"),
            Feedback(3, "11 - 1", "the operands are 5 and 1", "partition"),
        ),
        (("4 * 2 = 8", "three"), Feedback(2, "three", "the next operation is 3 + 8", "partition")),
        (("4 * 2 = 8", "3 + 8 = 11"), Feedback(3, "7", "5 - 1 is still to be done", "final")),
        (
            ("9" * 5000 + " * 2 = 8",),
            Feedback(1, "9" * 5000 + " * 2 = 8", "the next operation is 4 * 2", "partition"),
        ),
    ],
)
def test_the_first_error_is_named_with_its_kind_and_reason(steps, expected):
    assert judged("( 3 + 4 * 2 ) - ( 5 - 1 )", *steps) == expected


def test_a_shape_can_have_larger_operands_than_the_others():
    task = MultistepArithmetic(
        unseen=[[3, 0, 40], [2, 2]], transfer=20, train=1, human=0, validation=0, test=3
    )
    found = [p for p in task.load() if p.split == "transfer"]
    largest = {
        p.group: [
            max(map(int, re.findall(r"\d+", q.question))) for q in found if q.group == p.group
        ]
        for p in found
    }
    assert all(20 < operand <= 40 for operand in largest["length 3, depth 0, operands to 40"])
    assert all(operand <= 20 for operand in largest["length 2, depth 2"])


def test_larger_operands_that_are_no_larger_are_refused():
    with pytest.raises(
        ValueError,
        match=r"length 3, depth 0, operands to 20: .* must be above largest, which is 20",
    ):
        MultistepArithmetic(unseen=[[3, 0, 20]])
