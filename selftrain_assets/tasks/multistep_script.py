"""Finds the first error in a solution of multistep arithmetic, and corrects it.

A step is one operation, "4 * 2 = 8". The expression is a tree that the steps reduce, so that
operations that do not depend on each other may be done in any order, and the numbers of a sum or
product be swapped. Kinds of errors (TriPosT, arXiv 2310.13522):

- `partition`: the operation is none that can be done next, or none is left to do.
- `calculate`: the operation is right and its result wrong.
- `combine`: as `partition`, where two results are to be joined, as of two brackets.
- `final`: the final answer is not the last result, or operations are still to be done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from selftrain_assets.domain.attempts import Attempt, Feedback
from selftrain_assets.domain.types import Problem
from selftrain_assets.tasks.expressions import Operation, Tree, operations, parse, ready, reductions

_NUMBER = r"-?\s*[0-9]{1,18}"  # a sign may stand apart: word-level tokenizers write it so
STEP = re.compile(
    rf"\s*(?P<operation>({_NUMBER})\s*([-+*/])\s*({_NUMBER}))\s*(?P<result>=\s*({_NUMBER}))[\s.]*"
)
ANSWER = re.compile(rf"\s*({_NUMBER})[\s.]*")

_parsed = lru_cache(maxsize=4096)(parse)


class Step(NamedTuple):
    """What a step says, and how it says it."""

    left: int
    symbol: str
    right: int
    value: int
    operation: str
    result: str

    @classmethod
    def read(cls, text: str) -> Step | None:
        match = STEP.fullmatch(text)
        if match is None:
            return None
        return cls(
            _integer(match[2]),
            match[3],
            _integer(match[4]),
            _integer(match[6]),
            match["operation"],
            match["result"],
        )

    def does(self, operation: Operation) -> bool:
        operands = (
            {(self.left, self.right), (self.right, self.left)}
            if self.symbol in "+*"
            else {(self.left, self.right)}
        )
        return self.symbol == operation.symbol and _numbers(operation) in operands

    def likeness(self, operation: Operation) -> int:
        """In how many of operands and operator the two agree."""
        left, right = _numbers(operation)
        return (self.left == left) + (self.symbol == operation.symbol) + (self.right == right)


class MultistepScript:
    """Finds and corrects errors in solutions of multistep arithmetic."""

    version = "1"

    def feedback(self, problem: Problem, attempt: Attempt) -> Feedback:
        tree, wrong = _reduced(problem.question, attempt.steps)
        return wrong or _final(len(attempt.steps) + 1, attempt.answer, tree)

    def improve(self, problem: Problem, steps: tuple[str, ...]) -> Attempt:
        """ValueError where the steps are not correct."""
        tree, wrong = _reduced(problem.question, steps)
        if wrong:
            raise ValueError(f"step {wrong.step} is not correct: {wrong.reason}")
        left = [*operations(tree)]
        answer = left[-1].result() if left else tree
        rest = [f"{operation} = {operation.result()}" for operation in left]
        return Attempt((*steps, *rest), str(answer))


def _reduced(expression: str, steps: tuple[str, ...]) -> tuple[Tree, Feedback | None]:
    """What the steps leave of an expression, and the first error in them."""
    trees: tuple[Tree, ...] = (_parsed(expression),)
    for number, text in enumerate(steps, 1):
        step, options = Step.read(text), [operation for tree in trees for operation in ready(tree)]
        right = [operation for operation in options if step and step.does(operation)]
        if step is None or not right:
            return trees[0], _wrong_operation(number, text, step, options)
        if step.value != (value := right[0].result().number):
            return trees[0], Feedback(
                number, step.result, f"{step.operation} is {value}", "calculate"
            )
        trees = _after(trees, right)
    return trees[0], None


def _after(trees: Iterable[Tree], done: Iterable[Operation]) -> tuple[Tree, ...]:
    """All expressions that may have resulted from these operations.

    An operation that stands in an expression twice can have been done in either place.
    """
    return tuple(
        dict.fromkeys(
            after
            for operation in dict.fromkeys(done)
            for tree in trees
            for after in reductions(tree, operation)
        )
    )


def _wrong_operation(
    number: int, text: str, step: Step | None, options: list[Operation]
) -> Feedback:
    segment = step.operation if step else text
    if not options:
        return Feedback(number, segment, "nothing is left to calculate", "partition")
    meant = max(options, key=step.likeness) if step else options[0]
    kind = "combine" if all(operand.computed for operand in meant.operands()) else "partition"
    if step and step.symbol == meant.symbol:
        return Feedback(number, segment, f"the operands are {meant.left} and {meant.right}", kind)
    if step and (step.left, step.right) == _numbers(meant):
        return Feedback(number, segment, f"the operator is {meant.symbol}", kind)
    return Feedback(number, segment, f"the next operation is {meant}", kind)


def _final(number: int, text: str, tree: Tree) -> Feedback:
    if isinstance(tree, Operation):
        return Feedback(number, text, f"{next(ready(tree))} is still to be done", "final")
    match = ANSWER.fullmatch(text)
    if match and _integer(match[1]) == tree.number:
        return Feedback(None)
    return Feedback(number, text, f"the last result is {tree}", "final")


def _numbers(operation: Operation) -> tuple[int, ...]:
    return tuple(operand.number for operand in operation.operands())


def _integer(text: str) -> int:
    return int("".join(text.split()))
