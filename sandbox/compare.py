"""Whether an answer is right. Runs on the host, on plain data."""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.protocol import TextRule

NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
WITH_A_POINT = re.compile(r"[.eE]")
LONGEST_NUMBER = 400  # characters, and places before or behind the point
LARGEST_KEY = 10**400  # Python refuses to print integers of more than 4300 digits
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
    by_value = rule.decimals or rule.tolerance is not None
    if not (rule.words or by_value or rule.any_order):
        return _lines(got) == _lines(expected)
    mine, theirs = _table(got, rule), _table(expected, rule)
    if len(mine) != len(theirs):
        return False
    if all(_same_words(a, b, by_value, rule.tolerance) for a, b in zip(mine, theirs, strict=True)):
        return True
    if not rule.any_order or sorted(map(len, mine)) != sorted(map(len, theirs)):
        return False
    return _unordered(mine, by_value) == _unordered(theirs, by_value)


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _table(text: str, rule: TextRule) -> list[list[str]]:
    """Words by lines; all in one where lines do not count."""
    if rule.words or not (rule.decimals or rule.any_order):
        return [text.split()]
    lines = [line.split() for line in text.strip().split("\n")]
    return [line for line in lines if line] if rule.any_order else lines


def _same_words(
    got: list[str], expected: list[str], by_value: bool, tolerance: float | None
) -> bool:
    if got == expected:
        return True
    return (
        by_value
        and len(got) == len(expected)
        and all(_same_word(a, b, tolerance) for a, b in zip(got, expected, strict=True))
    )


def _same_word(got: str, expected: str, tolerance: float | None) -> bool:
    if got == expected:
        return True
    a, b = _number(got), _number(expected)
    if a is None or b is None:
        return False
    if a == b:
        return True
    if tolerance is None or not WITH_A_POINT.search(expected):
        return False
    return _close(float(a), float(b), tolerance)


def _number(word: str) -> Decimal | None:
    if len(word) > LONGEST_NUMBER or not NUMBER.fullmatch(word):
        return None
    try:
        return Decimal(word)
    except InvalidOperation:  # an exponent of more than 18 digits
        return None


def _unordered(table: list[list[str]], by_value: bool) -> Counter[tuple[str, ...]]:
    return Counter(tuple(sorted(map(_canonical, line) if by_value else line)) for line in table)


def _canonical(word: str) -> str:
    """One form for all words that are the same number."""
    if word.isdigit() and word[0] != "0" and word.isascii():
        return word
    value = _number(word)
    if value is None or abs(value.adjusted()) > LONGEST_NUMBER:
        return word
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if value == 0 else text


def _close(a: float, b: float, tolerance: float) -> bool:
    """NaN and the infinities are close to nothing."""
    return (
        math.isfinite(a)
        and math.isfinite(b)
        and math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    )


def same_value(got: Any, expected: Any, tolerance: float = 0.0, from_json: bool = False) -> bool:
    """Python's own equality of plain data, with floats allowed to differ by `tolerance`.

    NaN equals nothing. With `from_json` values that JSON writes alike are equal.
    """
    return _same(as_json(got) if from_json else got, expected, tolerance)


def as_json(value: Any) -> Any:
    """The value as JSON would have it: lists for tuples, text for the keys of dicts."""
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        changed = {_key(key): as_json(item) for key, item in value.items()}
        # 1 and "1" are two keys, and no JSON has both
        return changed if len(changed) == len(value) else value
    return value


def _key(key: Any) -> Any:
    if (
        key is None
        or isinstance(key, (bool, float))
        or (isinstance(key, int) and abs(key) < LARGEST_KEY)
    ):
        return json.dumps(key)
    return key


def _same(got: Any, expected: Any, tolerance: float) -> bool:
    if not tolerance:
        return bool(got == expected)
    if isinstance(expected, (float, complex)) and isinstance(got, (float, complex)):
        a, b = complex(got), complex(expected)
        return got == expected or (
            _close(a.real, b.real, tolerance) and _close(a.imag, b.imag, tolerance)
        )
    if isinstance(expected, (list, tuple)):
        return (
            type(got) is type(expected)
            and len(got) == len(expected)
            and all(_same(a, b, tolerance) for a, b in zip(got, expected, strict=True))
        )
    if isinstance(expected, dict):
        return (
            type(got) is dict
            and got.keys() == expected.keys()
            and all(_same(got[k], v, tolerance) for k, v in expected.items())
        )
    return bool(got == expected)
