r"""Numbers as people, files and models write them, read exactly, and written so that they read back.

`plain` writes, `number` reads a text that is one number, `stated` the numbers that a short answer states. Read are signs, thousands by
comma, space, apostrophe or underscore, a decimal point or comma, exponents, `6 \times 10^3`, powers, `1/2`, `\frac{1}{2}`, `½`,
`3 1/2`, percent (a unit: `50%` is 50), `1.5k` and `1 million`. Sums and products are not worked out, since that would take the
question for its answer: of `4 * 12 = 48` the last side counts, and `4 * 12` states two numbers. `2\pi`, `3i`, `5x` and `\sqrt{2}` are
formulas and no numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from selftrain_assets.core.notation import CURRENCY, written_plainly

LONGEST = 10_000
"""Characters of a number; a longer one is none. Also the most that `plain` writes in full."""
LARGEST_EXPONENT = 5_000
LONGEST_TEXT = 20_000
"""Characters of a text that are looked at, from its end."""


def plain(value: int | float | Decimal | Fraction) -> str:
    """The value as text without an exponent, which reads back as the same number: 0.00001 for 1e-05, 6 for 6.0.

    A fraction is `1/3` unless it is whole. What is no finite number, or has over 10,000 digits, stays as Python writes it.
    """
    if isinstance(value, Fraction):
        whole = plain(value.numerator)
        return whole if value.denominator == 1 else f"{whole}/{plain(value.denominator)}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        value = Decimal(repr(float(value)))
    exact = value if isinstance(value, Decimal) else Decimal(int(value))  # Python refuses to print integers of over 4300 digits
    if not exact.is_finite() or abs(exact.adjusted()) > LONGEST:
        return str(exact)
    digits = f"{exact:f}"
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits in ("-0", "") else digits


def number(text: str) -> Fraction | None:
    """The number that the whole text is: alone, with a unit or words around it, or as the last side of an equation.

    None where it holds no number, several (`2 and 3`, `10:30`, `5 of 6`), or a formula.
    """
    if len(text) > LONGEST_TEXT:
        return None
    return one(stated(text, whole=True))


def one(values: list[Fraction | None]) -> Fraction | None:
    """The number that all of them are."""
    return values[0] if values and len(set(values)) == 1 else None


def stated(text: str, whole: bool = False) -> list[Fraction | None]:
    """The numbers that a short text states, None for each formula that is no number; several where it leaves open which one counts.

    A remark behind the first number is left out (`42 apples in 3 baskets`, `42 (out of 50)`, `42, not 43`), unless `whole` is set.
    """
    chains: list[list[list[_Quantity]]] = []  # statements, of sides, of operands
    plainly = written_plainly(text[:LONGEST_TEXT])
    found = list(_quantities(plainly))
    kept = [q for q in found if not q.negated and not q.label] or [q for q in found if not q.negated]
    for before, quantity in zip([None, *kept], kept, strict=False):
        relation = "several" if before is None else _relation(plainly, before, quantity)
        if relation == "remark" and not whole:
            break
        if relation in ("several", "remark"):
            chains.append([[quantity]])
        elif relation == "equation":
            chains[-1].append([quantity])
        else:
            chains[-1][-1].append(quantity)
    values = [value for chain in chains for value in _result(chain)]
    percents = {q.value for q in kept if q.percent}
    return values[:1] if len(values) == 2 and _same_share(values, percents) else values


def last_number(text: str) -> list[Fraction | None]:
    """The last number of a text in prose, and what is offered beside it as an alternative (`5 or 6`)."""
    plainly = written_plainly(text[-LONGEST_TEXT:])
    found = [q for q in _quantities(plainly) if not q.negated]
    if not found:
        return []
    last = [found[-1]]
    for quantity in reversed(found[:-1]):
        if not ALTERNATIVE.search(plainly[quantity.end : last[0].start]):
            break
        last.insert(0, quantity)
    return [quantity.value for quantity in last]


# -- one number ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Quantity:
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
START = re.compile(rf"(?<![{LETTERS}\d_])(?P<digits>{DIGITS})(?:[eE](?P<exponent>[-+]?\d{{1,9}})(?![{LETTERS}\d_]))?")
WHOLE = re.compile(r"\d+")
GROUPED = re.compile(r"(?!0,)(\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d{1,3}(?: \d{3})+|\d{1,3}(?:'\d{3})+|\d+(?:_\d+)+)((?:\.\d+)?)")
GROUPED_BY_DOTS = re.compile(r"(\d{1,3}(?:\.\d{3}){2,}|\d{1,3}(?:\.\d{3})+(?=,\d))(?:,(\d+))?")
SPACED_WITH_COMMA = re.compile(r"(\d{1,3}(?: \d{3})+),(\d+)")
POINT = re.compile(r"(\d*)\.(\d+)|(\d+)")
COMMA = re.compile(r"(\d+),(\d+)")

POWER = re.compile(r" ?\^ ?([-+]?\d{1,5})(?![\d.])")
OVER = re.compile(rf" ?/ ?({DIGITS})")
MIXED = re.compile(r" {0,2}(\d{1,50})/(\d{1,50})(?![\d/]|[.,]\d)")
TIMES_TEN = re.compile(r" ?[*xX] ?10 ?\^ ?([-+]?\d{1,9})(?![\d.])")
PERCENT = re.compile(r"\s?(?:%|percent\b|per cent\b|pct\b)", re.IGNORECASE)
SCALE = re.compile(r" ?(hundred|thousand|million|billion|trillion|lakh|crore)s?\b|([kK])(?![A-Za-z\d])", re.IGNORECASE)
MONEY_SCALE = re.compile(r" ?(k|K|M|B|bn|mn|m|b|T)(?![A-Za-z\d])")
POWERS = {"hundred": 2, "thousand": 3, "k": 3, "lakh": 5, "million": 6, "m": 6, "mn": 6, "crore": 7, "billion": 9, "b": 9, "bn": 9}
POWERS |= {"trillion": 12, "t": 12}

SIGN = re.compile(rf"([-+])\s?{CURRENCY}?\s?([-+])?\s?$|{CURRENCY}\s?([-+])?\s?$")
OPERAND_BEFORE = re.compile(rf"[{LETTERS}\d)\]}}%!'{CURRENCY}]\s*$")
NOT_AN_OPERAND = re.compile(
    r"(?:\b(?:is|are|was|be|equals|of|to|at|by|answer|about|approximately|roughly|or|and|than|minus|not|but))\s+$|^\s*$", re.I
)
FORMULA_BEFORE = re.compile(
    r"(?:\\(?:sqrt|log|ln|sin|cos|tan|exp|frac|binom|pi|sum|int|pm|infty)\b|\u221a|\u00b1|\u03c0|[\^_]|"
    r"\b(?:sqrt|log|ln|sin|cos|tan|exp|arcsin|arccos|arctan))\s?[-+{([ ]{0,4}$"
)
FORMULA_AFTER = re.compile(
    rf"\s?(?:\\(?!text|\\|%|quad)[A-Za-z]+|[\u221a\u03c0\u221e\u00b1]|\^|_|!(?=[\d)}}*/+^-])|\*\s?(?:[ij]|pi)\b|[ij]\b|pi\b)|"
    rf"\([\d\\]|[a-fijnp-rtuvw-z](?![{LETTERS}\d'])|[xyz]+\b|[MBGT](?![{LETTERS}\d])|\s?[*+-]\s?\d{{0,50}}(?:\.\d{{1,50}})?\s?[ijxyz]\b"
)
NEGATION = re.compile(
    r"\b(?:not|isn't|n't|never|neither|rather than|instead of)\s+(?:be\s+|the\s+|just\s+|only\s+|simply\s+|equal to\s+)?\(?\s?$", re.I
)
LABEL = re.compile(
    r"\b(?:step|question|problem|part|case|exercise|example|equation|eq\.?|figure|line|method|scenario|item|section)\s?#?\(?$", re.I
)


UNIT_POWER = re.compile(r"\b(?:[kcdm]?m|in|ft|yd|mi|s|inch(?:es)?|feet|met(?:er|re)s?|miles?|units?)\s?\^\s?-?$")
DATED = re.compile(r"\d ?/ ?$")


def _quantities(text: str) -> Iterator[_Quantity]:
    """The numbers of a text in plain characters, in order."""
    place = 0
    while start := START.search(text, place):
        read = _read(text, start)
        place = max([start.end(), *(quantity.end for quantity in read)])
        yield from read


def _read(text: str, start: re.Match[str]) -> list[_Quantity]:
    before = text[max(0, start.start() - 40) : start.start()]
    if UNIT_POWER.search(before):
        return []
    values = _digits(start["digits"])
    if COMMA.fullmatch(start["digits"]) and before[-1:] in "([{" and before and text[start.end() : start.end() + 1] in (*")]}",):
        values = [_decimal(part) for part in start["digits"].split(",")]  # a point, not a decimal comma
    sign, first = _sign(before, start.start())
    negated, label = bool(NEGATION.search(before)), bool(LABEL.search(before))
    if len(values) != 1:
        return [_Quantity(value, start.start(), start.end(), negated=negated) for value in values]
    value: Fraction | None = values[0]
    end, percent = start.end(), False
    if value is not None and start["exponent"]:
        value = _scaled(value, int(start["exponent"]))
    elif mixed := (MIXED.match(text, end) if WHOLE.fullmatch(start["digits"]) and value is not None else None):
        over, under = int(mixed[1]), int(mixed[2])
        if over < under and mixed[0][0] == " ":
            value, end = (value or 0) + Fraction(over, under), mixed.end()
    if end == start.end() and value is not None:
        value, end = _compound(text, end, value, dated=bool(DATED.search(before)))
    if percents := PERCENT.match(text, end):
        end, percent = percents.end(), True
    else:
        value, end = _in_words(text, end, value, CURRENCY in before[-3:])
    if FORMULA_AFTER.match(text, end) or FORMULA_BEFORE.search(before):
        value = None
    return [_Quantity(value if value is None else sign * value, first, end, percent, negated, label)]


def _sign(before: str, start: int) -> tuple[int, int]:
    """The sign that stands before a number, and where the number begins with it. A sign behind an operand is an operator."""
    found = SIGN.search(before)
    if not found:
        return 1, start
    first = start - (len(before) - found.start())
    ahead = before[: found.start()]
    signs = (found[1] or "") + (found[2] or found[3] or "")
    glued = not found[0].endswith(" ")
    operator = OPERAND_BEFORE.search(ahead) and not NOT_AN_OPERAND.search(ahead) and not (glued and ahead[-1:].isspace())
    if operator and found[1]:
        return (-1 if (found[2] or "") == "-" else 1), start
    return (-1 if signs.count("-") % 2 else 1), first


def _digits(text: str) -> list[Fraction | None]:
    """The number that digits with separators are; several where the separators allow no single one."""
    if len(text) > LONGEST:
        return [None]
    if found := GROUPED.fullmatch(text):
        return [_decimal(re.sub(r"\D", "", found[1]) + found[2])]
    if found := GROUPED_BY_DOTS.fullmatch(text):
        return [_decimal(found[1].replace(".", "") + "." + (found[2] or "0"))]
    if found := SPACED_WITH_COMMA.fullmatch(text):
        return [_decimal(found[1].replace(" ", "") + "." + found[2])]
    if POINT.fullmatch(text):
        return [_decimal(text)]
    if found := COMMA.fullmatch(text):
        return [_decimal(f"{found[1]}.{found[2]}")]
    parts = [part for part in re.split(r"[^\d.]", text) if part]
    return [value for part in (parts if len(parts) > 1 else parts[0].split(".")) for value in (_digits(part) if part else [])]


def _decimal(digits: str) -> Fraction:
    return Fraction(Decimal(digits))


def _scaled(value: Fraction, power: int) -> Fraction | None:
    return None if abs(power) > LARGEST_EXPONENT else value * Fraction(10) ** power


def _compound(text: str, end: int, value: Fraction, dated: bool) -> tuple[Fraction | None, int]:
    """A power, a fraction or a power of ten that goes on behind the digits, and where it ends."""
    if found := TIMES_TEN.match(text, end):
        return _scaled(value, int(found[1])), found.end()
    if found := POWER.match(text, end):
        power = int(found[1])
        size = max(value.numerator.bit_length(), value.denominator.bit_length()) * abs(power)
        return (None if size > 4 * LARGEST_EXPONENT or (not value and power < 0) else value**power), found.end()
    if not dated and (found := OVER.match(text, end)) and not OVER.match(text, found.end()):
        under = _digits(found[1])
        if len(under) == 1:
            return (value / under[0] if under[0] else None), found.end()
    return value, end


def _in_words(text: str, end: int, value: Fraction | None, money: bool) -> tuple[Fraction | None, int]:
    """Times a thousand or million that is written as a word or letter."""
    if found := SCALE.match(text, end) or (MONEY_SCALE.match(text, end) if money else None):
        power = POWERS[(found[1] or found[2]).lower()]
        return value if value is None else value * 10**power, found.end()
    return value, end


# -- what a text with several numbers states ----------------------------------------------------------------------------

FILLERS = r"(?:\W*\b(?:about|approximately|around|roughly|maybe|perhaps|possibly|even|only|just|the|it|is|either|also|to)\b){0,3}"
ALTERNATIVE = re.compile(
    rf"\bor\b(?! more| less| fewer| so)[^\w\n]{{0,5}}{FILLERS}(?:\s?\$?\b[A-Za-z]\w?\s?=)?[^\w\n]{{0,6}}$", re.IGNORECASE
)
EQUALS = re.compile(r"=|\u2248|\bequals\b|\bis equal to\b|\b(?:gives|makes|yields|comes to|totals)\b", re.IGNORECASE)
INFERENCE = re.compile(r"\b(?:so|then|thus|hence|therefore|giving|gives|means|where)\b|=>", re.IGNORECASE)
OPERATOR = re.compile(
    rf"(?:^|[\s{LETTERS})%\]])[-+*/^x][\s({{\[{CURRENCY}]*$|[-+*/^][\s({{\[{CURRENCY}]*$|\b(?:times|plus|minus|divided by|multiplied by)\W*$",
    re.I,
)
MEASURE = (
    r"(?:h(?:ou)?rs?|h|min(?:ute)?s?|s(?:ec(?:ond)?s?)?|days?|weeks?|months?|years?|f(?:ee|oo)?t|inch(?:es)?|in|lbs?|pounds?|oz|ounces?|"
    r"dollars?|cents?|km|m|cm|mm|kg|g|degrees|quarters?|dimes?|nickels?|pence|yards?|miles?|remainder|r|R|mod)"
)
COMPOUND = re.compile(rf"\s*{MEASURE}\.?,?\s*(?:and\s+)?{CURRENCY}?$|['\"]\s*$", re.IGNORECASE)
UNIT_WORDS = rf"(?:\s*[^\W\d]*[{LETTERS}%\"'\u00b0]+\.?){{0,4}}"
REMARK = re.compile(
    r"\b(?:of|out|in|for|per|from|with|at|on|by|after|before|when|if|because|since|as|which|that|than|but|over|under|among|where|while|"
    r"so|is|are|was|were|has|have|had|more|less|fewer|left)\b|\(",
    re.IGNORECASE,
)
CONNECTED = re.compile(
    rf"^{UNIT_WORDS}\s*(?:[,;&/~]|:(?!\s+[A-Za-z])|\bor\b|\band\b|\bto\b|\bthrough\b|\bversus\b|\bvs\b|-|\bnor\b)+[^\w\n]*{FILLERS}"
    rf"(?:\s*\b[{LETTERS}]\w?(?:_\w)?\s*=)?[^\w\n]*$",
    re.IGNORECASE,
)
RATIO = re.compile(r"^\s*(?:in|to|per|for|by|:|every)\s*(?:every\s*)?$", re.IGNORECASE)


def _relation(text: str, before: _Quantity, after: _Quantity) -> str:
    """What stands between two numbers makes them two sides of an equation, operands, several answers, or an answer and a remark."""
    between = text[before.end : after.start]
    if len(between) > 300:
        return "remark"
    connected = CONNECTED.match(between) and not INFERENCE.search(between)
    if connected and not REMARK.search(between):
        return "operation" if not between.strip(" -/") else "several"
    if ALTERNATIVE.search(between) or RATIO.match(between) or COMPOUND.match(between) or not between.strip(" ([{" + CURRENCY):
        return "several" if not between.strip().startswith("(") else "remark"
    if EQUALS.search(between) and not re.search(r"[.!?]\s", between):
        return "equation"
    return "operation" if OPERATOR.search(between) else "remark"


def _result(chain: list[list[_Quantity]]) -> list[Fraction | None]:
    """The last side that is one number; without such, all that stand there."""
    for side in reversed(chain):
        if len(side) == 1 and (side[0].value is not None or len(chain) == 1):
            return [side[0].value]
    return [quantity.value for quantity in chain[-1]]


def _same_share(values: list[Fraction | None], percents: set[Fraction | None]) -> bool:
    """`0.5 or 50%`: one share, written twice."""
    a, b = values
    return a is not None and b is not None and ((b in percents and b == 100 * a) or (a in percents and a == 100 * b))
