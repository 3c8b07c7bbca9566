"""Whether an answer is right. Runs on the host, on plain data."""

from __future__ import annotations

import math
import reprlib
from typing import Any

from sandbox.protocol import TextRule

LONGEST_NUMBER = 400
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def excerpt(value: Any) -> str:
    """A short form for a person; never slow and never raises, whatever the value."""
    try:
        return _short.repr(value)[:200]
    except ValueError:  # an integer of more digits than Python will print
        return "a very long integer"


def same_text(got: str, expected: str, rule: TextRule) -> bool:
    """Whether printed text is right under a rule."""
    if rule.words or rule.tolerance is not None:
        mine, theirs = got.split(), expected.split()
        return len(mine) == len(theirs) and all(_same_word(a, b, rule.tolerance) for a, b in zip(mine, theirs, strict=True))
    return _lines(got) == _lines(expected)


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _same_word(got: str, expected: str, tolerance: float | None) -> bool:
    if got == expected:
        return True
    if tolerance is None or len(got) > LONGEST_NUMBER or len(expected) > LONGEST_NUMBER:
        return False
    try:
        return _close(float(got), float(expected), tolerance)
    except ValueError:
        return False


def _close(a: float, b: float, tolerance: float) -> bool:
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)


def same_value(got: Any, expected: Any, tolerance: float) -> bool:
    """Python's own equality of plain data, with floats allowed to differ by `tolerance`; NaN equals nothing."""
    if not tolerance:
        return bool(got == expected)
    if isinstance(expected, (float, complex)) or isinstance(got, (float, complex)):
        return _same_number(got, expected, tolerance)
    if isinstance(expected, (list, tuple)):
        return (
            type(got) is type(expected)
            and len(got) == len(expected)
            and all(same_value(a, b, tolerance) for a, b in zip(got, expected, strict=True))
        )
    if isinstance(expected, dict):
        return type(got) is dict and got.keys() == expected.keys() and all(same_value(got[k], v, tolerance) for k, v in expected.items())
    return bool(got == expected)


def _same_number(got: Any, expected: Any, tolerance: float) -> bool:
    if not isinstance(got, (int, float, complex)) or not isinstance(expected, (int, float, complex)):
        return False
    if isinstance(got, complex) or isinstance(expected, complex):
        a, b = complex(got), complex(expected)
        return _close(a.real, b.real, tolerance) and _close(a.imag, b.imag, tolerance)
    try:
        return _close(float(got), float(expected), tolerance)
    except OverflowError:
        return False
