"""Integer arithmetic written as an expression and solved one operation at a time.

Shared by the word-problem task (reference solutions) and the script that pretrains the embedded model.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping

OPERATORS: Mapping[type[ast.operator], tuple[str, Callable[[int, int], int]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.floordiv),
}
FINAL_ANSWER_MARK = "####"


def solve(expression: str) -> tuple[str, int]:
    """Evaluate `expression` innermost first and left to right.

    Returns the solution text, ``"3 + 4 = 7 ; 7 * 2 = 14 ; #### 14"``, and the value.
    Raises ValueError for anything but + - * / over integers, and for a division with a remainder.
    """
    steps: list[str] = []
    value = _reduce(ast.parse(expression, mode="eval").body, steps)
    return " ; ".join([*steps, f"{FINAL_ANSWER_MARK} {value}"]), value


def _reduce(node: ast.expr, steps: list[str]) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if not isinstance(node, ast.BinOp) or type(node.op) not in OPERATORS:
        raise ValueError(f"not integer arithmetic: {ast.unparse(node)}")
    left, right = _reduce(node.left, steps), _reduce(node.right, steps)
    symbol, apply = OPERATORS[type(node.op)]
    if symbol == "/" and (right == 0 or left % right):
        raise ValueError(f"{left} / {right} has a remainder")
    value = apply(left, right)
    steps.append(f"{left} {symbol} {right} = {value}")
    return value
