"""What a program is judged by: the tests of a problem, in one of three forms, and their text in a problem set.

| form | in a file | judged by |
| --- | --- | --- |
| asserts | `tests`: Python code, or a list of it; `entry`: the function; `context`: trusted code that they need | running them |
| calls | `tests`: a list of {args, expected} and, if wanted, kwargs; `entry` | comparing what is returned |
| cases | `tests`: a list of {input, output} | comparing what is printed |

HumanEval's `test` (a function `check`) and MBPP's `test_list` are asserts as they stand. The code is the data set's and
trusted; a program never is, and is never parsed here.
"""

from __future__ import annotations

import ast
import builtins
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

CALL_FIELDS, CASE_FIELDS = {"args", "kwargs", "expected"}, {"input", "output"}


@dataclass(frozen=True, slots=True)
class ProgramTests:
    """Exactly one of `asserts`, `calls` and `cases` holds something. `calls` are (args, kwargs, expected)."""

    entry: str = ""
    context: str = ""
    asserts: tuple[str, ...] = ()
    calls: tuple[tuple[list[Any], dict[str, Any], Any], ...] = ()
    cases: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> str:
        """The canonical text that a problem keeps."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> ProgramTests:
        values = json.loads(text)
        return cls(
            values["entry"],
            values["context"],
            tuple(values["asserts"]),
            tuple((args, kwargs, expected) for args, kwargs, expected in values["calls"]),
            tuple((given, printed) for given, printed in values["cases"]),
        )


def read_tests(tests: Any, entry: str = "", context: str = "") -> ProgramTests:
    """Tests as they stand in a problem set. ValueError says in one clause what is wrong with them."""
    if isinstance(tests, str):
        tests = _listed(tests)
    if not isinstance(tests, (list, tuple)) or not tests:
        raise ValueError("must be Python code, or a list of it, of {args, expected} or of {input, output}")
    if all(isinstance(test, str) for test in tests):
        return _asserts([*tests], entry, context)
    for number, test in enumerate(tests, 1):
        if not isinstance(test, Mapping):
            raise ValueError(f"entry {number} is neither code nor an object")
        if unknown := set(test) - CALL_FIELDS - CASE_FIELDS:
            raise ValueError(f'entry {number} has the unknown field "{min(unknown)}"; known: args, kwargs, expected or input, output')
    if all("output" in test for test in tests):
        return ProgramTests(cases=tuple((str(test.get("input", "")), str(test["output"])) for test in tests))
    if not all("expected" in test and isinstance(test.get("args", []), list) for test in tests):
        raise ValueError("every entry needs args (a list) and expected, or every entry input and output")
    if not entry:
        raise ValueError('calls need the field "entry", the name of the function')
    calls = tuple((test.get("args", []), dict(test.get("kwargs") or {}), test["expected"]) for test in tests)
    return ProgramTests(entry, context, calls=calls)


def _listed(text: str) -> list[Any]:
    """Parquet files may carry the list as JSON text."""
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            pass
    return [text]


def _asserts(tests: list[str], entry: str, context: str) -> ProgramTests:
    trees = []
    for name, code in [("context", context), *(("tests", test) for test in tests)]:
        try:
            trees.append(ast.parse(code))
        except (SyntaxError, ValueError) as error:
            raise ValueError(f"{name}: no valid Python ({error})") from error
    own = {node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}
    calls = [node.func for tree in trees[1:] for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = [function.id for function in calls if isinstance(function, ast.Name)]
    if "check" in own and not any(_calls_check(tree) for tree in trees[1:]):
        tests = [*tests[:-1], f"{tests[-1]}\ncheck({entry or 'candidate'})"]  # HumanEval leaves this line to whoever runs it
    if not entry:
        found = [name for name in called if name not in own and name != "candidate"]
        found = [name for name in found if name not in dir(builtins)] or found  # a program may define a `sum` of its own
        if not found:
            raise ValueError('call no function of the program; name it in the field "entry"')
        entry = found[0]
    return ProgramTests(entry, context, asserts=tuple(tests))


def _calls_check(tree: ast.Module) -> bool:
    statements = [node.value for node in tree.body if isinstance(node, ast.Expr)]
    return any(isinstance(s, ast.Call) and isinstance(s.func, ast.Name) and s.func.id == "check" for s in statements)
