r"""Value and unit of an answer.

Examples are `36\pi\text{ square inches}`, `\$40`, `28\%`, `45^\circ` and `12 apples`.
"""

from __future__ import annotations

import re

from selftrain_assets.domain.mathematics.numerals import exact_number
from selftrain_assets.domain.mathematics.prose import is_prose
from selftrain_assets.domain.mathematics.symbols import FUNCTIONS

PERCENT, DEGREE = "%", "degree"

_POWER = r"(?:\s*\^\s*\{?\s*(?P<power>-?\d)\s*\}?)?"
_IN_TEXT = re.compile(r"(?P<value>.*?\S)\s*\\text\s*\{(?P<unit>[^{}]*)\}" + _POWER, re.DOTALL)
_IN_WORDS = re.compile(
    r"(?P<value>.*(?:[\d})!]|\\pi))(?P<gap>\s*)(?P<unit>%|\\degree|[a-zA-Z][a-zA-Z /.-]*)" + _POWER
)
_DOLLARS = re.compile(r"(?P<sign>[-+]?)\s*\\\$\s*(?P<value>[^$]*)")
_MODULUS = re.compile(r"(?P<value>.*\S)\s*\(?\\[pb]?mod\s*\{?(?P<modulus>\w+)\}?\)?")
_BOUND = re.compile(
    r"^\s*(?:or|and)\s+(?:more|less|fewer|greater|above|below|higher|lower|up)\b", re.IGNORECASE
)
_LETTERS_FOR_UNITS = frozenset("mgslhLVNJWKCFA")
_TRIGONOMETRIC = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])")
_FRACTION_OF_TEXTS = re.compile(
    r"\\frac\{\s*\\text\s*\{([^{}]*)\}\s*\}\{\s*\\text\s*\{([^{}]*)\}\s*(?:\^\{?(\d)\}?)?\s*\}\s*$"
)

_SYNONYMS = {
    synonym: unit
    for unit, synonyms in {
        "cm": "centimeter centimetre",
        "mm": "millimeter millimetre",
        "m": "meter metre",
        "km": "kilometer kilometre",
        "inch": "inche in",
        "foot": "feet ft",
        "yard": "yd",
        "mile": "mi",
        "g": "gram gramme",
        "kg": "kilogram",
        "l": "liter litre",
        "second": "sec s",
        "minute": "min",
        "hour": "hr h",
        "dollar": "usd buck",
        "cent": "¢",
        "pound": "lb",
        "radian": "rad",
        DEGREE: "deg",
        PERCENT: "percent percentage pct",
    }.items()
    for synonym in synonyms.split()
}

_KNOWN = frozenset(_SYNONYMS.values()) | {"mph", "km/h", "m/s", "hz", "ml", "mg", "sq cm", "sq ft"}


def value_and_unit(text: str) -> tuple[str, str]:
    """Both as written in one way; the unit is empty where there is none."""
    if match := _DOLLARS.fullmatch(text):
        return match["sign"] + _inner(match["value"]), "dollar"
    text = _FRACTION_OF_TEXTS.sub(
        lambda match: f"\\text{{{match[1]}/{match[2]}{match[3] or ''}}}", text
    )
    if match := _MODULUS.fullmatch(text):
        return match["value"].strip(), f"mod {match['modulus']}"
    match = _IN_TEXT.fullmatch(text)
    if match and _BOUND.search(match["unit"]):
        return text, ""
    if (
        match
        and match["value"].strip()
        and not match["value"].rstrip().endswith(("=", "_", "^", "+", "-", "\\"))
    ):
        value, unit = (
            value_and_unit(match["value"].strip(" ~"))[0],
            named(match["unit"], match["power"]),
        )
        return (value, unit) if unit or not match["unit"].strip() else (text, "")
    match = _IN_WORDS.fullmatch(text)
    if match and match["unit"] == "\\degree" and _TRIGONOMETRIC.search(text):
        return text, ""
    if match and match["unit"] in ("%", "\\degree"):
        return match["value"].strip(), named(match["unit"], None)
    if match and _is_unit(
        match["unit"].strip(), bool(match["gap"]), exact_number(match["value"]) is not None
    ):
        return match["value"].strip(), named(match["unit"], match["power"])
    return text, ""


def _is_unit(words: str, apart: bool, behind_number: bool) -> bool:
    """Rather than a product of variables; `apart` from the value by white space."""
    if len(words) == 1:
        return apart and behind_number and words in _LETTERS_FOR_UNITS
    if named(words, None) in _KNOWN:
        return apart or behind_number
    return apart and behind_number and words not in FUNCTIONS and is_prose(words)


def _inner(value: str) -> str:
    r"""What is said again behind a sign of money: `\$5\text{ dollars}`."""
    return value_and_unit(value.strip())[0] if value.strip() else value


def named(unit: str, power: str | None) -> str:
    """One name for a unit: `square centimeters`, `cm^2` and `sq. cm` are `cm^2`."""
    words = (
        unit.replace("\\degree", DEGREE)
        .lower()
        .replace("per cent", "percent")
        .strip(" .,;:!?~()")
        .split()
    )
    if words[:1] in (["square"], ["sq"], ["sq."], ["cubic"], ["cu"], ["cu."]) and len(words) > 1:
        power = "3" if words[0].startswith("cu") else "2"
        words = words[1:]
    if words[-1:] in (["squared"], ["cubed"]) and len(words) > 1:
        power = "2" if words[-1] == "squared" else "3"
        words = words[:-1]
    name = " ".join(words)
    if not (name.endswith("ss") or len(name) < 3 or "/" in name):
        name = name.removesuffix("s")
    name = _SYNONYMS.get(name, name)
    return f"{name}^{power}" if power and power != "1" else name
