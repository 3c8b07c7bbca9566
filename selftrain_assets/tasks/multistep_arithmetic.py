"""Generated expressions in brackets, solved one operation at a time.

The task of TriPosT that the embedded model can learn.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, model_validator

from selftrain_assets.domain.attempts import COMPACT, Script
from selftrain_assets.domain.types import Problem
from selftrain_assets.tasks.expressions import Operation, Value, operations, parse, solve
from selftrain_assets.tasks.generated import Generated
from selftrain_assets.tasks.multistep_script import MultistepScript
from selftrain_assets.tasks.protocol import Card

TRIES = 20  # draws of a part, before the whole is drawn anew


class Shape(NamedTuple):
    """How many operands stand in a row, and how many times two parts are joined: 2 ** depth rows.

    With `largest`, operands go up to that, and one at least is larger than those of the other
    shapes.
    """

    length: Annotated[int, Field(ge=2, le=8)]
    depth: Annotated[int, Field(ge=0, le=4)]
    largest: Annotated[int, Field(ge=2, le=99)] | None = None

    @property
    def group(self) -> str:
        return f"length {self.length}, depth {self.depth}" + (
            f", operands to {self.largest}" if self.largest else ""
        )


class MultistepArithmetic(Generated):
    """Multistep arithmetic as in BIG-bench (arXiv 2206.04615), with +, - and *.

    >>> "( 3 + 4 * 2 ) - ( 5 - 1 )"  # length 3 and 2 operands in a row, depth 1
    ... # reference solution: "4 * 2 = 8 ; 3 + 8 = 11 ; 5 - 1 = 4 ; 11 - 4 = 7 ; #### 7"

    No operation has a 0 in it or multiplies by 1 or -1. No operands occur twice in the same order.
    Not covered: division, and rows of different lengths in one expression.
    """

    type: Literal["multistep_arithmetic"] = "multistep_arithmetic"
    card: ClassVar[Card] = Card(
        "generated expressions in brackets, solved one operation at a time; longer and deeper ones"
        " in transfer",
        "Apache-2.0, made by selftrain",
        splits={"train": 500, "human": 60, "validation": 100, "test": 300, "transfer": 200},
        solutions=True,
    )
    defaults: ClassVar[Mapping[str, Any]] = {"wording": COMPACT, "sampling": {"max_tokens": 80}}
    script: ClassVar[Script] = MultistepScript()
    wider: ClassVar[str] = "widen task.smallest and task.largest, or task.largest_result"
    seen: tuple[Shape, ...] = Field(
        (Shape(3, 0), Shape(4, 0), Shape(2, 1)),
        min_length=1,
        description=(
            "shapes to learn from: operands in a row, depth of the brackets and, where it is not"
            " task.largest, the largest operand"
        ),
    )
    unseen: tuple[Shape, ...] = Field(
        (Shape(3, 0, 40), Shape(2, 1, 40), Shape(3, 1)),
        description="shapes that occur in `transfer` alone",
    )
    smallest: int = Field(1, ge=-99, le=99, description="smallest operand")
    largest: int = Field(20, ge=-99, le=99, description="largest operand")
    largest_result: int = Field(
        250,
        ge=1,
        le=1_000_000,
        description="largest absolute result of an operation",
    )
    negative: bool = Field(False, description="results of operations may be negative")

    @model_validator(mode="after")
    def _is_consistent(self) -> MultistepArithmetic:
        if self.smallest > self.largest:
            raise ValueError(
                f"smallest is {self.smallest} and largest {self.largest}: no operand lies between"
                " them"
            )
        named = [*self.seen, *self.unseen]
        if small := [
            shape for shape in named if shape.largest is not None and shape.largest <= self.largest
        ]:
            raise ValueError(
                f"{small[0].group}: a shape's own largest operand must be above largest, which is"
                f" {self.largest}"
            )
        if twice := [shape for i, shape in enumerate(named) if shape in named[:i]]:
            raise ValueError(
                f"{twice[0].group} is named twice in seen and unseen: a shape is seen, or it is not"
            )
        return self

    def seen_groups(self) -> list[str]:
        return [shape.group for shape in self.seen]

    def unseen_groups(self) -> list[str]:
        return [shape.group for shape in self.unseen]

    def draw(self, rng: random.Random, group: str) -> Problem | None:
        shape = next(shape for shape in (*self.seen, *self.unseen) if shape.group == group)
        part = self._part(rng, shape, shape.depth)
        if part is None or (
            shape.largest and max(map(int, re.findall(r"\d+", part[0]))) <= self.largest
        ):
            return None
        solution, value = solve(part[0])
        return Problem("", part[0], str(value), group=group, solution=solution)

    def _part(self, rng: random.Random, shape: Shape, depth: int) -> tuple[str, Value] | None:
        """An expression and its value.

        None where chance found none whose operations are all allowed.
        """
        for _ in range(TRIES):
            if depth == 0:
                row = [
                    str(rng.randint(self.smallest, shape.largest or self.largest))
                    for _ in range(shape.length)
                ]
                text = row[0] + "".join(f" {rng.choice('+-*')} {operand}" for operand in row[1:])
                done = [*operations(parse(text))]
            else:
                left, right = self._part(rng, shape, depth - 1), self._part(rng, shape, depth - 1)
                if left is None or right is None:
                    return None
                symbol = rng.choice("+-*")
                text, done = (
                    f"( {left[0]} ) {symbol} ( {right[0]} )",
                    [Operation(symbol, left[1], right[1])],
                )
            if all(map(self._allows, done)):
                return text, done[-1].result()
        return None

    def _allows(self, operation: Operation) -> bool:
        left, right = (operand.number for operand in operation.operands())
        result = operation.result().number
        if 0 in (left, right, result) or (operation.symbol == "*" and 1 in (abs(left), abs(right))):
            return False
        return abs(result) <= self.largest_result and (self.negative or result > 0)
