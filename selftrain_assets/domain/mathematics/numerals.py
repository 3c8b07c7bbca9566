r"""Answers that are numbers and nothing else.

Examples are `-0.5`, `1,234`, `2\frac{1}{2}`, `3 / 4` and `2.5 \times 10^{3}`.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction

LARGEST_POWER = 300  # of ten, in a number that is written with one

_SIGN, _DIGITS = r"(?P<sign>[-+])?\s*", r"\d+(?:\.\d*)?|\.\d+"
_FRACTION = re.compile(
    rf"{_SIGN}(?:(?P<whole>\d+) *)?\\frac\{{ *(?P<over>-?\d+) *\}}\{{ *(?P<under>-?\d+) *\}}"
)
_SLASHED = re.compile(rf"{_SIGN}(?:(?P<whole>\d+) +)?(?P<over>\d+) ?/ ?(?P<under>\d+)")
_TIMES_TEN = r" ?(?:\\times|\\cdot|\*|x) ?10 ?\^ ?(?:\{ ?(?P<ten>[-+]?\d+) ?\}|(?P<ten1>-?\d+))"
_DECIMAL = re.compile(rf"{_SIGN}(?P<digits>{_DIGITS})(?:[eE](?P<e>[-+]?\d+)|{_TIMES_TEN})?")
GROUPED = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?!\d|,\S)")
SPACED = re.compile(r"[-+]?\d{1,3}(?: \d{3})+(?:\.\d+)?")


def exact_number(text: str) -> Fraction | None:
    """The number that the text is; None where it is anything else."""
    text = text.strip()
    if "," in text:
        text = GROUPED.sub(lambda match: match[0].replace(",", ""), text)
    if SPACED.fullmatch(text):
        text = text.replace(" ", "")
    try:
        if match := _FRACTION.fullmatch(text) or _SLASHED.fullmatch(text):
            value = Fraction(int(match["over"]), int(match["under"]))
            whole = int(match["whole"] or 0)
            proper = 0 < value < 1
            if match["whole"] and not proper and "frac" in text:
                value *= whole  # 5\frac{7}{3} is a product: a mixed number has a proper fraction
            else:
                value += whole
        elif match := _DECIMAL.fullmatch(text):
            power = int(match["e"] or match["ten"] or match["ten1"] or 0)
            if abs(power) > LARGEST_POWER:
                return None
            value = Fraction(Decimal(match["digits"])) * Fraction(10) ** power
        else:
            return None
    except (InvalidOperation, ValueError, ZeroDivisionError):
        return None
    return -value if match["sign"] == "-" else value
