"""Translates trusted tests that are plain data: `assert f(1, [2]) == 3` becomes a call.

The call has its expected value. Such a test is three times cheaper in mode func than in mode rpc,
and its answer stays on the host. Only ever give it tests of a data set, never a program's own text:
parsing hostile source can take an interpreter down.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from sandbox.protocol import Call
from sandbox.runner.codec import UnencodableError, encode


def lower(tests: Iterable[str], entry: str) -> tuple[Call, ...] | None:
    """The calls of all tests, None unless every statement of every test has that form."""
    calls: list[Call] = []
    for test in tests:
        try:
            statements = ast.parse(test).body
        except SyntaxError:
            return None
        for statement in statements:
            call = _call(statement, entry)
            if call is None:
                return None
            calls.append(call)
    return tuple(calls) or None


def _call(statement: ast.stmt, entry: str) -> Call | None:
    """`assert entry(literals) == literal`.

    `is` is not lowered: the host compares by equality, which says less.
    """
    match statement:
        case ast.Assert(
            test=ast.Compare(left=ast.Call() as called, ops=[ast.Eq()], comparators=[right])
        ):
            pass
        case _:
            return None
    if (
        not isinstance(called.func, ast.Name)
        or called.func.id != entry
        or any(keyword.arg is None for keyword in called.keywords)
    ):
        return None
    try:
        args = tuple(_literal(arg) for arg in called.args)
        kwargs = {str(keyword.arg): _literal(keyword.value) for keyword in called.keywords}
        return Call(args, _literal(right), kwargs)
    except (ValueError, TypeError, SyntaxError, UnencodableError, MemoryError, RecursionError):
        return None


def _literal(node: ast.expr) -> Any:
    """The value of a literal that has a plain form."""
    value = ast.literal_eval(node)
    encode(value)
    return value
