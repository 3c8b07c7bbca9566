"""Integer arithmetic written as an expression and solved one operation at a time.

Shared by the generated tasks (reference solutions, and the script that finds errors in others) and
by the script that pretrains the embedded model.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

OPERATORS: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
}
FUNCTIONS: Mapping[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.floordiv,
}
FINAL_ANSWER_MARK = "####"


class Value(NamedTuple):
    """A number of the expression, or one that came out of an operation."""

    number: int
    computed: bool = False

    def __str__(self) -> str:
        return str(self.number)


class Operation(NamedTuple):
    """Two parts of an expression and the operator between them."""

    symbol: str
    left: Tree
    right: Tree

    def __str__(self) -> str:
        return f"{self.left} {self.symbol} {self.right}"

    def operands(self) -> tuple[Value, Value]:
        """Of an operation on two numbers."""
        assert isinstance(self.left, Value)
        assert isinstance(self.right, Value)
        return self.left, self.right

    def result(self) -> Value:
        """Of an operation on two numbers. ValueError for a division by zero or with a remainder."""
        left, right = (operand.number for operand in self.operands())
        if self.symbol == "/" and (right == 0 or left % right):
            raise ValueError(f"{left} / {right} has a remainder")
        return Value(FUNCTIONS[self.symbol](left, right), computed=True)


Tree = Value | Operation


def parse(expression: str) -> Tree:
    """Raises ValueError for anything but + - * / over integers."""
    return _tree(ast.parse(expression, mode="eval").body)


def _tree(node: ast.expr) -> Tree:
    match node:
        case ast.Constant(value=int(number)):
            return Value(number)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
            return Value(-number)
        case ast.BinOp() if type(node.op) in OPERATORS:
            return Operation(OPERATORS[type(node.op)], _tree(node.left), _tree(node.right))
    raise ValueError(f"not integer arithmetic: {ast.unparse(node)}")


def ready(tree: Tree) -> Iterator[Operation]:
    """The operations on two numbers, in written order; any of them may be done next."""
    if isinstance(tree, Operation):
        if isinstance(tree.left, Value) and isinstance(tree.right, Value):
            yield tree
        else:
            yield from ready(tree.left)
            yield from ready(tree.right)


def reductions(tree: Tree, done: Operation) -> Iterator[Tree]:
    """The trees that result from one step: an operation that is ready, replaced by its result.

    There is one tree for each position of that operation.
    """
    if tree == done:
        yield done.result()
    elif isinstance(tree, Operation):
        yield from (
            Operation(tree.symbol, left, tree.right) for left in reductions(tree.left, done)
        )
        yield from (
            Operation(tree.symbol, tree.left, right) for right in reductions(tree.right, done)
        )


def operations(tree: Tree) -> Iterator[Operation]:
    """All of them, innermost first and left to right, each on two numbers."""
    while isinstance(tree, Operation):
        first = next(ready(tree))
        yield first
        tree = next(reductions(tree, first))


def solve(expression: str) -> tuple[str, int]:
    """Evaluate `expression` innermost first and left to right.

    Returns the solution text, ``"3 + 4 = 7 ; 7 * 2 = 14 ; #### 14"``, and the value.
    Raises ValueError for anything but + - * / over integers, and for a division with a remainder.
    """
    tree = parse(expression)
    steps, value = [], tree
    for operation in operations(tree):
        value = operation.result()
        steps.append(f"{operation} = {value}")
    assert isinstance(value, Value)
    return " ; ".join([*steps, f"{FINAL_ANSWER_MARK} {value}"]), value.number
