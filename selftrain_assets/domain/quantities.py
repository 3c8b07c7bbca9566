"""The numbers that a text in plain characters holds, one by one, each with its value and place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from selftrain_assets.domain.notation import CURRENCY

LONGEST = 10_000
"""Characters of a number; a longer one is none."""
LARGEST_EXPONENT = 5_000


@dataclass(frozen=True)
class Quantity:
    r"""A number and where it stands, with its sign and what multiplies it.

    Of a formula, as `2\\pi`, the value is None.
    """

    value: Fraction | None
    start: int
    end: int
    percent: bool = False
    negated: bool = False
    """Named as what it is not: `not 5`."""
    label: bool = False
    """Counts a thing that is no quantity: `Step 1`."""


LETTERS = "A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u04ff"
DIGITS = r"\.?\d++(?:(?:[.,'_](?=\d)| (?=\d{3}(?!\d)))\d++)*+"
START = re.compile(
    rf"(?<![{LETTERS}\d_])(?P<digits>{DIGITS})(?:[eE](?P<exponent>[-+]?\d{{1,9}})(?![{LETTERS}\d_]))?"
)
WHOLE = re.compile(r"\d+")
GROUPED = re.compile(
    r"(?!0,)(\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d{1,3}(?:"
    r" \d{3})+|\d{1,3}(?:'\d{3})+|\d+(?:_\d+)+)((?:\.\d+)?)"
)
GROUPED_BY_DOTS = re.compile(r"(\d{1,3}(?:\.\d{3}){2,}|\d{1,3}(?:\.\d{3})+(?=,\d))(?:,(\d+))?")
SPACED_WITH_COMMA = re.compile(r"(\d{1,3}(?: \d{3})+),(\d+)")
POINT = re.compile(r"(\d*)\.(\d+)|(\d+)")
COMMA = re.compile(r"(\d+),(\d+)")

POWER = re.compile(r" ?\^ ?([-+]?\d{1,5})(?!\d|\.\d)")
OVER = re.compile(rf" ?/ ?({DIGITS})")
MIXED = re.compile(r" {0,2}(\d{1,50})/(\d{1,50})(?![\d/]|[.,]\d)")
TIMES_TEN = re.compile(r" ?[*xX] ?10 ?\^ ?([-+]?\d{1,9})(?!\d|\.\d)")
PERCENT = re.compile(r"\s?(?:%|percent\b|per cent\b|pct\b)", re.IGNORECASE)
SCALE = re.compile(
    r" ?(hundred|thousand|million|billion|bn|trillion|lakh|crore)s?\b|([kK])(?![A-Za-z\d])|([\u4e07\u4ebf])",  # noqa: E501
    re.IGNORECASE,
)
MONEY_SCALE = re.compile(r" ?(k|K|M|B|bn|mn|m|b|T)(?![A-Za-z\d])")
AND_A_PART = re.compile(r" and (?:a|one) (half|quarter)\b")
POWERS = {
    "hundred": 2,
    "thousand": 3,
    "k": 3,
    "lakh": 5,
    "million": 6,
    "m": 6,
    "mn": 6,
    "crore": 7,
    "billion": 9,
    "b": 9,
    "bn": 9,
}
POWERS |= {"trillion": 12, "t": 12, "\u4e07": 4, "\u4ebf": 8}

SIGN = re.compile(rf"([-+])\s?{CURRENCY}?\s?([-+])?\s?$|{CURRENCY}\s?([-+])?\s?$")
SIGN_WORD = re.compile(r"\b(negative|minus)\s\$?$", re.IGNORECASE)
OPERAND_BEFORE = re.compile(rf"[{LETTERS}\d)\]}}%!'{CURRENCY}]\s*$")
NOT_AN_OPERAND = re.compile(
    r"(?:\b(?:is|are|was|be|equals|of|to|at|by|answer|about|approximately|roughly|or|and|than|minus|not|but))\s+$|^\s*$",
    re.I,
)
FORMULA_BEFORE = re.compile(
    "(?:"
    + "|".join(
        (
            # \sqrt{2}, \le 2, \sqrt[3]{2}
            r"\\(?!therefore|ldots|dots|large|bf\b|rm\b|it\b|sim\b)[A-Za-z]+\*?(?:\[\w*\])?",
            "[\u221a\u00b1\u03c0\u2264\u2265\u2260]",
            r"[\^_]",  # a_2
            r"[\]}]\s?\{",  # \frac{a}{2}
            r"(?:^\s?<|[\w)}]\s?[<>])=?|^>=",  # x > 2
            r"\b(?:sqrt|log|ln|sin|cos|tan|exp|arcsin|arccos|arctan)",
            (
                r"\b(?:at least|at most|(?:more|less|greater|fewer)"
                r" than|(?:half|twice|double|triple|a third|a quarter)(?: of)?)"
            ),
            r"(?:^|[\s=:])-\s?\(",  # -(2)
            r"(?<![A-Za-z\d'])[b-z]\s?[-+*/]",  # x + 2
        )
    )
    + r")\s?[-+{([ ]{0,4}$|^>$"  # >2, but not the quoted "> 2"
)
FORMULA_AFTER = re.compile(
    "|".join(
        (
            r"\.\\",  # 2.\dot{3}
            r"\s?\\(?!text|\\|%|quad)[A-Za-z]+",  # 2\pi
            "\\s?[\u221a\u03c0\u221e\u00b1]",
            r"\s?\^",  # 2^n
            r"\s(?:squared|cubed)\b|\s?\u2030",
            r"\s?_(?=[\d{])",  # 101_2
            r"\s?!(?=\s?[\d)}*/+^=-])",  # 2! + 1
            r"\s?(?:[ij]|pi)\b|\s?\*\s?(?:[ij]|pi)\b",  # 2i
            r"\([\d\\]",  # 2(3)
            # 2x; other letters are units
            rf"[a-fijnp-rtuvw-z](?![{LETTERS}\d'])|[xyz]+\b|\s[nxyz]\b(?!\s?[\d=])",
            r"[A-Za-z]+\d",  # 2h30m
            r"\+(?=\s|$|[.,;)])",  # 2+
            rf"[MBGT](?![{LETTERS}\d])",  # 2M: millions, or moles
            r"\s?[*+-]\s?\d{0,50}(?:\.\d{1,50})?\s?[b-z]\b(?!')",  # 2 + 3x
        )
    )
)
NEGATION = re.compile(
    r"(?:\b(?:not|cannot|never|neither|rather than|instead"
    r" of)|n't)\s+(?:be\s+|the\s+|just\s+|only\s+|simply\s+|equal to\s+)?\(?\s?$",
    re.I,
)
LABEL = re.compile(
    r"\b(?:step|question|problem|part|case|exercise|example|equation|eq\.?|figure|line|method|scenario|item|section)\s?#?\(?$",
    re.I,
)


UNIT_POWER = re.compile(
    r"\b(?:[kcdm]?m|in|ft|yd|mi|s|inch(?:es)?|feet|met(?:er|re)s?|miles?|units?)\s?\^\s?-?$"
)
DATED = re.compile(r"\d ?/ ?$")


def quantities(text: str) -> Iterator[Quantity]:
    """The numbers of a text in plain characters, in order."""
    place = 0
    while start := START.search(text, place):
        read = _read(text, start)
        place = max([start.end(), *(quantity.end for quantity in read)])
        yield from read


def _read(text: str, start: re.Match[str]) -> list[Quantity]:
    before = text[max(0, start.start() - 40) : start.start()]
    if UNIT_POWER.search(before):
        return []
    values = _digits(start["digits"])
    if (
        COMMA.fullmatch(start["digits"])
        and before[-1:] in "([{"
        and before
        and text[start.end() : start.end() + 1] in (*")]}",)
    ):
        # a point, not a decimal comma
        values = [_decimal(part) for part in start["digits"].split(",")]
    sign, first = _sign(before, start.start())
    negated, label = bool(NEGATION.search(before)), bool(LABEL.search(before))
    if len(values) != 1:
        return [Quantity(value, start.start(), start.end(), negated=negated) for value in values]
    value: Fraction | None = values[0]
    end, percent = start.end(), False
    if value is not None and start["exponent"]:
        value = _scale(value, int(start["exponent"]))
    elif mixed := (
        MIXED.match(text, end) if WHOLE.fullmatch(start["digits"]) and value is not None else None
    ):
        numerator, denominator = int(mixed[1]), int(mixed[2])
        if numerator < denominator and mixed[0][0] == " ":
            value, end = (value or 0) + Fraction(numerator, denominator), mixed.end()
    if end == start.end() and value is not None:
        value, end = _compound(text, end, value, dated=bool(DATED.search(before)))
    if percents := PERCENT.match(text, end):
        end, percent = percents.end(), True
    else:
        value, end = _in_words(text, end, value, CURRENCY in before[-3:])
    if FORMULA_AFTER.match(text, end) or FORMULA_BEFORE.search(before):
        value = None
    return [Quantity(value if value is None else sign * value, first, end, percent, negated, label)]


def _sign(before: str, start: int) -> tuple[int, int]:
    """The sign that stands before a number, and where the number begins with it.

    A sign behind an operand is an operator.
    """
    if match := SIGN_WORD.search(before):
        text_before = before[: match.start()]
        operator = (
            match[1].lower() == "minus"
            and OPERAND_BEFORE.search(text_before)
            and not NOT_AN_OPERAND.search(text_before)
        )
        return (1, start) if operator else (-1, start - len(match[0]))
    match = SIGN.search(before)
    if not match:
        return 1, start
    first = start - (len(before) - match.start())
    text_before = before[: match.start()]
    signs = (match[1] or "") + (match[2] or match[3] or "")
    glued = not match[0].endswith(" ")
    operator = (
        OPERAND_BEFORE.search(text_before)
        and not NOT_AN_OPERAND.search(text_before)
        and not (glued and text_before[-1:].isspace())
    )
    if operator and match[1]:
        return (-1 if (match[2] or "") == "-" else 1), start
    return (-1 if signs.count("-") % 2 else 1), first


def _digits(text: str) -> list[Fraction | None]:
    """The numbers that digits with separators may mean: one, unless separators are ambiguous."""
    if len(text) > LONGEST:
        return [None]
    if match := GROUPED.fullmatch(text):
        return [_decimal(re.sub(r"\D", "", match[1]) + match[2])]
    if match := GROUPED_BY_DOTS.fullmatch(text):
        return [_decimal(match[1].replace(".", "") + "." + (match[2] or "0"))]
    if match := SPACED_WITH_COMMA.fullmatch(text):
        return [_decimal(match[1].replace(" ", "") + "." + match[2])]
    if POINT.fullmatch(text):
        return [_decimal(text)]
    if match := COMMA.fullmatch(text):
        return [_decimal(f"{match[1]}.{match[2]}")]
    parts = [part for part in re.split(r"[^\d.]", text) if part]
    return [
        value
        for part in (parts if len(parts) > 1 else parts[0].split("."))
        for value in (_digits(part) if part else [])
    ]


def _decimal(digits: str) -> Fraction:
    return Fraction(Decimal(digits))


def _scale(value: Fraction, power: int) -> Fraction | None:
    return None if abs(power) > LARGEST_EXPONENT else value * Fraction(10) ** power


def _compound(text: str, end: int, value: Fraction, dated: bool) -> tuple[Fraction | None, int]:
    """A power, a fraction or a power of ten that goes on behind the digits, and where it ends."""
    if match := TIMES_TEN.match(text, end):
        return _scale(value, int(match[1])), match.end()
    if match := POWER.match(text, end):
        power = int(match[1])
        size = max(value.numerator.bit_length(), value.denominator.bit_length()) * abs(power)
        return (
            None if size > 4 * LARGEST_EXPONENT or (not value and power < 0) else value**power
        ), match.end()
    if not dated and (match := OVER.match(text, end)) and not OVER.match(text, match.end()):
        denominators = _digits(match[1])
        if len(denominators) == 1:
            return (value / denominators[0] if denominators[0] else None), match.end()
    return value, end


def _in_words(
    text: str, end: int, value: Fraction | None, money: bool
) -> tuple[Fraction | None, int]:
    """Times a thousand or million, or and a half, that is written as a word or letter."""
    if match := AND_A_PART.match(text, end):
        return (
            value
            if value is None
            else value + (Fraction(1, 2) if match[1] == "half" else Fraction(1, 4))
        ), match.end()
    if match := SCALE.match(text, end) or (MONEY_SCALE.match(text, end) if money else None):
        power = POWERS[next(filter(None, match.groups())).lower()]
        return value if value is None else value * 10**power, match.end()
    return value, end
