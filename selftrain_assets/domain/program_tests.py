"""The tests that a program is judged by, in one of three forms, and their text in a problem set.

| form | in a file | judged by |
| --- | --- | --- |
| asserts | `tests`: Python code, or a list of it; `entry`: the function; `context`: trusted code that they need | running them |
| calls | `tests`: a list of {args, expected} and, if wanted, kwargs; `entry` | comparing what is returned |
| cases | `tests`: a list of {input, output}, each a text or a list of lines | comparing what is printed, or asking the `checker` |

HumanEval's `test` (a function `check`) and MBPP's `test_list` are asserts as they stand. The code
is the data set's and trusted; a program never is, and is never parsed here.

`time_limit` and `memory_limit` are those of one problem, in seconds of CPU time and in MiB, the
units of open-r1/codeforces; its `generated_checker` is a `checker`.

A field that is null, or NaN, is missing: files of columns give every test the fields of all others.
`expected` alone may be null in a call.
"""  # noqa: E501

from __future__ import annotations

import ast
import builtins
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

LONGEST_TIME, LARGEST_MEMORY = 600, 2**20
CALL_FIELDS, CASE_FIELDS = {"args", "kwargs", "expected"}, {"input", "output"}


@dataclass(frozen=True, slots=True)
class ProgramTests:
    """Exactly one of `asserts`, `calls` and `cases` holds something.

    `calls` are (args, kwargs, expected).
    """

    entry: str = ""
    context: str = ""
    asserts: tuple[str, ...] = ()
    calls: tuple[tuple[list[Any], dict[str, Any], Any], ...] = ()
    cases: tuple[tuple[str, str], ...] = ()
    as_apps: bool = False
    """What APPS leaves open in its calls: an expected list of one may also stand for what it
    holds, and the keys of a dict that is the first argument are whole numbers if all can be."""
    checker: str = ""
    """Trusted Python that says whether what a program prints is right (sandbox/checker.py)."""
    time_limit: float | None = None
    """CPU seconds of one case."""
    memory_limit: float | None = None
    """Memory of one case in MiB."""

    def to_json(self) -> str:
        """The canonical text that a problem keeps.

        A field that came later stands in it only where it says something, so that the digests of
        older problems stay.
        """
        values = {
            name: value
            for name, value in asdict(self).items()
            if name in FIRST_FIELDS or value != DEFAULTS[name]
        }
        with long_integers():
            return json.dumps(values, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> ProgramTests:
        with long_integers():
            values = json.loads(text)
        forms: dict[str, Any] = {
            "asserts": tuple(values.pop("asserts")),
            "calls": tuple(
                (args, kwargs, expected) for args, kwargs, expected in values.pop("calls")
            ),
            "cases": tuple((stdin, stdout) for stdin, stdout in values.pop("cases")),
        }
        return cls(**values, **forms)


@contextmanager
def long_integers() -> Iterator[None]:
    """Allow integers of any length to be parsed and printed.

    Some data sets test with more than the 4,300 digits that Python allows by default.
    """
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


FIRST_FIELDS = ("entry", "context", "asserts", "calls", "cases")
DEFAULTS = {field.name: field.default for field in fields(ProgramTests)}


def read_tests(
    tests: Any,
    entry: str = "",
    context: str = "",
    *,
    as_apps: bool = False,
    checker: Any = None,
    time_limit: Any = None,
    memory_limit: Any = None,
) -> ProgramTests:
    """Parse tests as they stand in a problem set.

    The limits of a problem, in seconds and MiB, take precedence over those of a verifier.

    Raises:
        ValueError: Says in one clause what is wrong with the tests.
    """
    program_tests = replace(
        _tests(tests, entry, context, as_apps, has_checker=not _missing(checker)),
        time_limit=_limit("time_limit", time_limit, LONGEST_TIME, "seconds"),
        memory_limit=_limit("memory_limit", memory_limit, LARGEST_MEMORY, "MiB"),
    )
    if _missing(checker):
        return program_tests
    if not program_tests.cases:
        raise ValueError(
            'the field "checker" judges what is printed, and these tests are not of {input, output}'
        )
    if not isinstance(checker, str) or not checker.strip():
        raise ValueError('the field "checker" must hold the text of a Python script')
    try:
        ast.parse(checker)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f'the field "checker" is no valid Python ({error})') from error
    return replace(program_tests, checker=checker)


def _limit(name: str, value: Any, largest: float, unit: str) -> float | None:
    if _missing(value):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= largest:
        raise ValueError(
            f'the field "{name}" must be a number of {unit}, above 0 and up to {largest}, not'
            f" {value!r:.40}"
        )
    return float(value)


def _tests(tests: Any, entry: str, context: str, as_apps: bool, has_checker: bool) -> ProgramTests:
    if isinstance(tests, str):
        tests = _parse_list(tests)
    if not isinstance(tests, (list, tuple)) or not tests:
        raise ValueError(
            "must be Python code, or a list of it, of {args, expected} or of {input, output}"
        )
    if all(isinstance(test, str) for test in tests):
        return _asserts([*tests], entry, context)
    for number, test in enumerate(tests, 1):
        if not isinstance(test, Mapping):
            raise ValueError(f"entry {number} is neither code nor an object")
        if (
            unknown := {name for name in test if not _missing(test[name])}
            - CALL_FIELDS
            - CASE_FIELDS
        ):
            raise ValueError(
                f'entry {number} has the unknown field "{min(unknown)}"; known: args, kwargs,'
                " expected or input, output"
            )
    are_cases = [
        not (_missing(test.get("input")) and _missing(test.get("output"))) for test in tests
    ]
    are_calls = [
        not all(_missing(test.get(name)) for name in CALL_FIELDS) or not test.keys() & CASE_FIELDS
        for test in tests
    ]
    if any(are_cases) == any(are_calls):
        raise ValueError(
            "every entry needs args (a list) and expected, or every entry input and output"
        )
    return (
        ProgramTests(cases=tuple(_cases(tests, has_checker)))
        if any(are_cases)
        else _calls(tests, entry, context, as_apps)
    )


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _cases(tests: Sequence[Mapping[str, Any]], has_checker: bool) -> Iterator[tuple[str, str]]:
    """With a checker, what a right program prints need not be known."""
    for number, test in enumerate(tests, 1):
        if _missing(test.get("output")) and not has_checker:
            raise ValueError(f"entry {number} says no output; every entry needs input and output")
        yield _text(number, "input", test.get("input")), _text(number, "output", test.get("output"))


def _text(number: int, name: str, value: Any) -> str:
    """Standard input or output: a text, or the lines of one."""
    if _missing(value):
        return ""
    if isinstance(value, (list, tuple)) and all(
        isinstance(line, (str, int, float)) for line in value
    ):
        return "\n".join(map(str, value))
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(
            f"{name} of entry {number} must be a text or a list of lines, not"
            f" {type(value).__name__}"
        )
    return str(value)


def _calls(
    tests: Sequence[Mapping[str, Any]], entry: str, context: str, as_apps: bool
) -> ProgramTests:
    if not entry:
        raise ValueError('calls need the field "entry", the name of the function')
    calls = []
    for number, test in enumerate(tests, 1):
        args, kwargs = (
            ([] if _missing(test.get("args")) else test["args"]),
            ({} if _missing(test.get("kwargs")) else test["kwargs"]),
        )
        if "expected" not in test or not isinstance(args, list) or not isinstance(kwargs, Mapping):
            raise ValueError(f"entry {number} needs args (a list) and expected")
        if isinstance(test["expected"], float) and math.isnan(test["expected"]):
            raise ValueError(f"entry {number} expects NaN, which equals nothing")
        calls.append((args, dict(kwargs), test["expected"]))
    return ProgramTests(entry, context, calls=tuple(calls), as_apps=as_apps)


def _parse_list(text: str) -> list[Any]:
    """Parquet files may carry the list as JSON text."""
    try:
        return list(json.loads(text)) if text.lstrip().startswith("[") else [text]
    except ValueError:
        return [text]


def _asserts(tests: list[str], entry: str, context: str) -> ProgramTests:
    trees = []
    for name, code in [("context", context), *(("tests", test) for test in tests)]:
        try:
            trees.append(ast.parse(code))
        except (SyntaxError, ValueError) as error:
            raise ValueError(f"{name}: no valid Python ({error})") from error
    defined_names = {
        node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)
    }
    calls = [
        node.func for tree in trees[1:] for node in ast.walk(tree) if isinstance(node, ast.Call)
    ]
    called_names = [function.id for function in calls if isinstance(function, ast.Name)]
    if "check" in defined_names and not any(_calls_check(tree) for tree in trees[1:]):
        # HumanEval leaves this line to whoever runs it
        tests = [*tests[:-1], f"{tests[-1]}\ncheck({entry or 'candidate'})"]
    if not entry:
        candidates = [
            name for name in called_names if name not in defined_names and name != "candidate"
        ]
        # a program may define a `sum` of its own
        candidates = [name for name in candidates if name not in dir(builtins)] or candidates
        if not candidates:
            raise ValueError('call no function of the program; name it in the field "entry"')
        entry = candidates[0]
    return ProgramTests(entry, context, asserts=tuple(tests))


def _calls_check(tree: ast.Module) -> bool:
    statements = [node.value for node in tree.body if isinstance(node, ast.Expr)]
    return any(
        isinstance(s, ast.Call) and isinstance(s.func, ast.Name) and s.func.id == "check"
        for s in statements
    )
