r"""Numbers as people, files and models write them: parsed exactly, and printed to be parsed again.

`plain` prints, `number` parses a text that is one number, `stated` the numbers that a short answer
states. Understood are signs, thousands by comma, space, apostrophe or underscore, a decimal point
or comma, exponents, `6 \times 10^3`, powers, `1/2`, `\frac{1}{2}`, `½`, `3 1/2`, percent (a unit:
`50%` is 50), `1.5k` and `1 million`. Sums and products are not worked out, since that would take
the question for its answer: of `4 * 12 = 48` the last side counts, and `4 * 12` states two numbers.
`2\pi`, `3i`, `5x` and `\sqrt{2}` are formulas and no numbers.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from itertools import islice

from selftrain_assets.domain.notation import CURRENCY, written_plainly
from selftrain_assets.domain.quantities import LETTERS, LONGEST, Quantity, quantities

LONGEST_TEXT = 12_000
"""Characters of a text that are looked at."""
LAST_PART = 400  # of which the end is looked at first
MOST = 60  # numbers that are told apart in one statement


def plain(value: int | float | Decimal | Fraction) -> str:
    """The value as text without an exponent: 0.00001 for 1e-05, 6 for 6.0.

    The text parses back to the same number. A fraction is `1/3` unless it is whole. What is no
    finite number, or has over 10,000 digits, stays as Python writes it.
    """
    if isinstance(value, Fraction):
        whole = plain(value.numerator)
        return whole if value.denominator == 1 else f"{whole}/{plain(value.denominator)}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        value = Decimal(repr(float(value)))
    # Python refuses to print integers of over 4300 digits
    exact = value if isinstance(value, Decimal) else Decimal(int(value))
    if not exact.is_finite() or abs(exact.adjusted()) > LONGEST:
        return str(exact)
    digits = f"{exact:f}"
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits in ("-0", "") else digits


def number(text: str) -> Fraction | None:
    """The number that the whole text is: alone, with a unit or words, or as an equation's end.

    None where it holds no number, several (`2 and 3`, `10:30`, `5 of 6`), or a formula.
    """
    if len(text) > LONGEST_TEXT:
        return None
    return one(stated(text, whole=True))


def one(values: list[Fraction | None]) -> Fraction | None:
    """The number that all of them are."""
    return values[0] if values and len(set(values)) == 1 else None


def stated(text: str, whole: bool = False) -> list[Fraction | None]:
    """The numbers that a short text states, None for each formula that is no number.

    There are several where the text leaves open which one counts. A remark behind the first number
    is left out (`42 apples in 3 baskets`, `42 (out of 50)`, `42, not 43`), unless `whole` is set.
    """
    chains: list[list[list[Quantity]]] = []  # statements, of sides, of operands
    plain_text = written_plainly(text[:LONGEST_TEXT])
    mentions = list(islice(quantities(plain_text), MOST))
    kept = [q for q in mentions if not q.negated and not q.label] or [
        q for q in mentions if not q.negated
    ]
    for before, quantity in zip([None, *kept], kept, strict=False):
        relation = "several" if before is None else _relation(plain_text, before, quantity)
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
    distinct = list(dict.fromkeys(values))
    return values[:1] if len(distinct) == 2 and _same_share(distinct, percents) else values


def last_number(text: str) -> list[Fraction | None]:
    """The last number of a text in prose, with alternatives that it offers (`5 or 6`).

    A last line without words states what it holds: `10:30` and `5 - 3` several numbers.
    """
    for part in (_last_words(text, LAST_PART), text[-LONGEST_TEXT:]):
        plain_text = written_plainly(part)
        if mentions := [q for q in quantities(plain_text) if not q.negated]:
            line = part.rstrip(" \n\r\t`").rpartition("\n")[2]
            return (
                stated(line)
                if BARE.fullmatch(line)
                else [quantity.value for quantity in _alternatives(plain_text, mentions)]
            )
    return []


def _last_words(text: str, length: int) -> str:
    """The end of a text, from the beginning of a word; nothing of one that is a single word."""
    if len(text) <= length:
        return text
    words = text[-length:].split(maxsplit=1)
    return words[1] if len(words) == 2 else ""


def _alternatives(text: str, mentions: list[Quantity]) -> list[Quantity]:
    """The last quantity, and those that are offered beside it."""
    last = [mentions[-1]]
    for quantity in reversed(mentions[:-1]):
        between = text[quantity.end : last[0].start]
        in_range = RANGE.search(
            text[max(0, quantity.start - 20) : quantity.start]
        ) and CONNECTED.match(between)
        if not in_range and not ALTERNATIVE.search(between):
            break
        last.insert(0, quantity)
    return last


FILLERS = r"(?:\W*\b(?:about|approximately|around|roughly|maybe|perhaps|possibly|even|only|just|the|it|is|either|also|to)\b){0,3}"  # noqa: E501
ALTERNATIVE = re.compile(
    rf"(?:\bor\b(?! more| less| fewer| so)[^\w\n]{{0,5}}{FILLERS}(?:\s?\$?\b[A-Za-z]\w?\s?=)?|"
    r"\b(?:maybe|perhaps|possibly|(?:might|could)(?: also)? be))[^\w\n]{0,6}$",
    re.IGNORECASE,
)
RANGE = re.compile(r"\b(?:between|rang\w+ from|anywhere from)\W*$", re.IGNORECASE)
EQUALS = re.compile(
    r"=|\u2248|\bequals\b|\bis equal to\b|\b(?:gives|makes|yields|comes to|totals)\b", re.IGNORECASE
)
INFERENCE = re.compile(r"\b(?:so|then|thus|hence|therefore|giving|gives|means)\b|=>", re.IGNORECASE)
SUBORDINATE = re.compile(r"\b(?:where|when|if|since|because|as|for|with)\b", re.IGNORECASE)
OPERATOR = re.compile(
    rf"(?:^|[\s{LETTERS})%\]])[-+*/^x][\s({{\[{CURRENCY}]*$|[-+*/^][\s({{\[{CURRENCY}]*$|"
    r"\b(?:times|plus|minus|divided by|multiplied by)\W*$",
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
    rf"^{UNIT_WORDS}\s*(?:[,;&/~|]|:(?!\s+[A-Za-z])|\bor\b|\band\b|\bto\b|\bthrough\b|\bversus\b|\bvs\b|-|\bnor\b)+[^\w\n]*{FILLERS}"
    rf"(?:\s*\b[{LETTERS}]\w?(?:_\w)?\s*=)?[^\w\n]*$",
    re.IGNORECASE,
)
RATIO = re.compile(r"^\s*(?:in|to|per|for|by|:|every)\s*(?:every\s*)?$", re.IGNORECASE)


BARE = re.compile(r"(?:x(?=\s?\d)|[^A-Za-z=\u2248\u00bb]|\b(?:or|and|to|in|am|pm|AM|PM)\b){1,200}")
SHARE_OF = re.compile(r"\s*(?:\b(?:out )?of\b)\s*(?:the )?\W?", re.IGNORECASE)
ASIDE = re.compile(r"\([^()\d]*\)")


def _relation(text: str, before: Quantity, after: Quantity) -> str:
    """What the text between two numbers says of them.

    They may be two sides of an equation, operands, several answers, or an answer and a remark.
    """
    between = ASIDE.sub(" ", text[before.end : after.start])
    if len(between) > 300:
        return "remark"
    connected = CONNECTED.match(between) and not INFERENCE.search(between)
    if connected and not REMARK.search(between):
        return "operation" if not between.strip(" -/") else "several"
    if "}" in between and not between.strip(" {}()[]^_"):
        return "operation"  # \\binom{5}{2}
    if SHARE_OF.fullmatch(between) and re.match(r"[^.;,=]{0,40}=", text[after.end :]):
        return "operation"  # 20% of 50 = 10
    if ALTERNATIVE.search(between) or RATIO.match(between) or COMPOUND.match(between):
        return "several"
    if not between.strip(" ([{.\u2026" + CURRENCY):
        return "remark" if between.strip().startswith("(") else "several"
    if SUBORDINATE.search(between):
        return "remark"  # x = 7, where y = 3
    if EQUALS.search(between) and not re.search(r"[.!?]\s+[A-Za-z]", between):
        return "equation"
    return "operation" if OPERATOR.search(between) else "remark"


def _result(chain: list[list[Quantity]]) -> list[Fraction | None]:
    """The last side that is one number; without such, all that stand there."""
    for side in reversed(chain):
        if len(side) == 1 and (side[0].value is not None or len(chain) == 1):
            return [side[0].value]
    values = [quantity.value for quantity in chain[-1]]
    return values if len(set(values)) > 1 else [None]  # 5 * 5 is not 5


def _same_share(values: list[Fraction | None], percents: set[Fraction | None]) -> bool:
    """`0.5 or 50%`: one share, written twice."""
    a, b = values
    return (
        a is not None
        and b is not None
        and ((b in percents and b == 100 * a) or (a in percents and a == 100 * b))
    )
