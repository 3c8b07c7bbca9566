"""Where tests ask for a control exception of the program's."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from typing import Any

TryStar = getattr(ast, "TryStar", ast.Try)  # Python 3.10 has none


class Asked:
    """Places where an exception is asked for by its name.

    They are the body of a `try` or `with`, and a call that is given the exception. Anywhere else a
    StopIteration would end the loops of the tests, and what is no Exception would pass by their
    handlers.
    """

    def __init__(self, trees: Mapping[str, ast.Module], names: frozenset[str]) -> None:
        self.places = [
            (file, name, first, last)
            for file, tree in trees.items()
            for node in ast.walk(tree)
            for name, first, last in _asked_names(node)
            if name in names
        ]

    def __call__(self, name: str) -> bool:
        """Whether what is being run is in such a place."""
        frame: Any = sys._getframe(1)
        while frame is not None and self.places:
            for file, exception, first, last in self.places:
                if (
                    file == frame.f_code.co_filename
                    and exception == name
                    and first <= frame.f_lineno <= last
                ):
                    return True
            frame = frame.f_back
        return False


def _asked_names(node: ast.AST) -> Iterator[tuple[str, int, int]]:
    """Names in what decides about the exceptions of a body, and the body's first and last line."""
    deciding: list[ast.AST | None]
    if isinstance(node, (ast.Try, TryStar)):
        deciding, body = [handler.type for handler in node.handlers], node.body
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        deciding, body = [item.context_expr for item in node.items], node.body
    elif isinstance(node, ast.Call):
        deciding, body = (
            [*node.args],
            [ast.Expr(node, lineno=node.lineno, end_lineno=node.end_lineno)],
        )
    else:
        return
    last = body[-1].end_lineno or body[-1].lineno
    for node in filter(None, deciding):
        names = [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
        yield from ((name, body[0].lineno, last) for name in names)
