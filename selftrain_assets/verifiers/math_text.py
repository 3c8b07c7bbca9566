r"""Mathematical answers as text: which part of a completion is the answer, its normal form, and what can be compared at once.

A normal form is one of: an exact number (`5/2`); words (`even`); LaTeX with little white space; or a number or LaTeX with a unit
(`12 [cm]`, `50 [%]`). It says all that the verdict depends on.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from selftrain_assets.core.numbers import last_number, one, plain
from selftrain_assets.verifiers.extraction import Mark, find_answer, first_sentence
from selftrain_assets.verifiers.folding import folded

LONGEST = 1000  # characters of an answer; a longer one is none
LARGEST_POWER = 300  # of ten, in a number that is written with one
SEGMENT = re.compile(r"\$\$?([^$]{1,1000}?)\$\$?|\\\((.{1,1000}?)\\\)|\\\[(.{1,1000}?)\\\]", re.DOTALL)
WORDS_BETWEEN = re.compile(r"\b(?:and|or)\b|[\s,;.:*]")

SPACING = re.compile(r"(?<!\\)\\(?:[,;:!> ]|quad\b|qquad\b|left\b|right\b|displaystyle\b|limits\b|[bB]igg?[lr]?\b)|~|\\\\$")
DEGREES = re.compile(r"\s*(?:\^\s*\{?\s*\\circ\s*\}?|\\degree\b|°)")
TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mbox|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
SHORT_FRACTION = re.compile(r"\\frac\s*(\d|[a-zA-Z])\s*(\d|[a-zA-Z])(?!\d)")
THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?:(?:\{,\}|\\,|,)\d{3})+(?!\d)(?!,\d)")
NAMED = re.compile(r"^(?:[a-zA-Z]|\\[a-z]+)(?:_\w|_\{\w+\})?(?:\([a-z]\))?\s*=\s*(?=[^=])")

SIGN, DIGITS = r"(?P<sign>[-+\u2212])?", r"\d+(?:\.\d*)?|\.\d+"
FRACTION = re.compile(rf"{SIGN}(?:(?P<whole>\d+)[ ]*)?\\frac\{{(?P<over>-?\d+)\}}\{{(?P<under>-?\d+)\}}")
SLASHED = re.compile(rf"{SIGN}(?:(?P<whole>\d+) +)?(?P<over>\d+) ?/ ?(?P<under>\d+)")
TIMES_TEN = r" ?(?:\\times|\\cdot|\u00d7|\*|x) ?10\^(?:\{(?P<ten>-?\d+)\}|(?P<ten1>\d+))"
DECIMAL = re.compile(rf"{SIGN}(?P<digits>{DIGITS})(?:[eE](?P<e>[-+]?\d+)|{TIMES_TEN})?")
UNIT = re.compile(r"(?P<value>.*[\d})!])(?:\s*(?P<percent>%)|\s+(?P<unit>[a-zA-Z][a-zA-Z ]*(?:\^\{?\d\}?)?))")
ONE_LETTER_UNITS = "mgslhLVNJWKCF"
WITH_UNIT = re.compile(r"(.+) \[(.+)\]")
IN_BASE = re.compile(r"(\d\w*)_\{?(\d+)\}?")
COMMAND_AND_LETTER = re.compile(r"(\\[a-zA-Z]+) +(?=[a-zA-Z])")
CONNECTIVE = re.compile(r"\\text\s*\{\s*(?:and|or)\s*\}|(?<![a-zA-Z])(?:and|or)(?![a-zA-Z])")
ENVIRONMENT = re.compile(r"\\(?:begin|end)\{\w+\}")
WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}(?![a-zA-Z])")
FUNCTIONS = {
    "sin",
    "cos",
    "tan",
    "cot",
    "sec",
    "csc",
    "arcsin",
    "arccos",
    "arctan",
    "log",
    "exp",
    "sqrt",
    "max",
    "min",
    "infty",
    "mod",
    "pi",
}
SYMBOLS = str.maketrans(
    {"\u2212": "-", "\u03c0": "\\pi ", "\u00b7": "\\cdot ", "\u2264": "\\le ", "\u2265": "\\ge ", "\u221e": "\\infty ", "\u222a": "\\cup "}
)
ROOT = re.compile("\u221a\\s*(?:\\(([^()]*)\\)|\\{([^{}]*)\\}|(\\w+))")
LITTLE_WORDS = {"no", "is", "or", "of", "to", "it", "if", "be", "so", "at", "in", "on", "by", "we", "an", "as", "do"}


def answer_text(completion: str) -> str | None:
    r"""The answer of a completion, as it is written there (verifiers/extraction.py); without a mark, the last formula or number
    of the last line. Words count behind a mark alone."""
    found = find_answer(completion, lambda text: _formulas(text) or text.strip(" .$*"))
    if found is None or len(found.text) > 10 * LONGEST:
        return None
    if found.mark.strong:
        return found.text
    if found.mark == Mark.SENTENCE:
        return _formulas(found.text[: 2 * LONGEST].strip(" #")) or first_sentence(found.text).strip(" #*")
    if segments := SEGMENT.findall(found.text):
        return "".join(segments[-1])
    if not is_prose(found.text):
        return found.text.rpartition("=")[2]
    number = one(last_number(found.text))
    return None if number is None else plain(number)


def _formulas(line: str) -> str | None:
    """The formula that a line begins with, or all of them where there is nothing else in it."""
    segments = ["".join(found) for found in SEGMENT.findall(line)]
    if len(segments) > 1 and not WORDS_BETWEEN.sub("", SEGMENT.sub("", line)):
        return ", ".join(segments)
    opening = SEGMENT.search(line)
    return segments[0] if opening and not line[: opening.start()].strip(" :*") else None


def is_prose(text: str) -> bool:
    """Does it hold words, rather than products of variables?"""
    words = [word.lower() for word in WORD.findall(TEXT.sub(r" \1 ", ENVIRONMENT.sub(" ", text)))]
    return any(w in LITTLE_WORDS or (len(w) > 2 and w not in FUNCTIONS and set(w) & set("aeiou")) for w in words)


def normal_form(text: str) -> str | None:
    """The normal form of an answer; None for one without content, or longer than any answer."""
    if len(text) > LONGEST:
        return None
    text = _unnamed(_written_out(text))
    value, unit = _unit(TEXT.sub(r" \1", text).strip(), text)
    if (number := exact_number(value)) is not None:
        return f"{number} [{unit}]" if unit else str(number)
    if is_prose(text) or (not unit and TEXT.fullmatch(text)):
        return folded(TEXT.sub(r" \1 ", text)).strip("()") or None
    formula = COMMAND_AND_LETTER.sub("\\1\0", value).replace(" ", "").replace("\0", " ")
    if not re.search(r"[\w\\]", formula):
        return None
    return f"{formula} [{unit}]" if unit else formula


def _written_out(text: str) -> str:
    """With one way to write each symbol, fraction and number, and commas between the items of a list."""
    text = ROOT.sub(lambda found: f"\\sqrt{{{found[1] or found[2] or found[3]}}}", text.translate(SYMBOLS))
    text = " ".join(text.split()).strip("$*` ").rstrip(".,;: ")
    text = THOUSANDS.sub(lambda found: re.sub(r"\D", "", found[0]), text)
    text = SPACING.sub(" ", text.replace("\\$", "").replace("$", "").replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac"))
    text = SHORT_FRACTION.sub(r"\\frac{\1}{\2}", DEGREES.sub(" degrees", text))
    text = text.replace("**", "^").replace("\\%", "%").replace("\\lbrace", "\\{").replace("\\rbrace", "\\}").strip()
    listed = CONNECTIVE.sub(",", text)
    return text if listed == text or is_prose(listed) else re.sub(r"\s*,[\s,]*", ",", listed).strip(",")


def _unnamed(text: str) -> str:
    """`5` for `x = 5`, and `2,3` for `x=2, x=3`; equations in several names stay."""
    items = text.split(",")
    names = {found and found[0].replace(" ", "") for found in map(NAMED.match, map(str.strip, items))}
    return ",".join(NAMED.sub("", item.strip()) for item in items) if len(names) == 1 and None not in names else text


def _unit(plain: str, text: str) -> tuple[str, str]:
    """Value and unit, of which the latter may be empty. `text` is the same with its commands for text."""
    found = UNIT.fullmatch(plain)
    if found and (value := found["value"].strip()):
        if found["percent"]:
            return value, "%"
        unit, written = found["unit"], TEXT.search(text) is not None
        known = unit not in FUNCTIONS and (len(unit) > 1 or written or unit in ONE_LETTER_UNITS)
        if known and (written or exact_number(value) is not None):
            return value, folded(unit).removesuffix("s")
    return (plain if exact_number(plain) is not None else text), ""


def exact_number(text: str) -> Fraction | None:
    """The number that the text is, and nothing else."""
    text = text.strip()
    try:
        if found := FRACTION.fullmatch(text) or SLASHED.fullmatch(text):
            value = int(found["whole"] or 0) + Fraction(int(found["over"]), int(found["under"]))
        elif found := DECIMAL.fullmatch(text):
            power = int(found["e"] or found["ten"] or found["ten1"] or 0)
            if abs(power) > LARGEST_POWER:
                return None
            value = Fraction(Decimal(found["digits"])) * Fraction(10) ** power
        else:
            return None
    except (InvalidOperation, ZeroDivisionError):
        return None
    return -value if found["sign"] and found["sign"] != "+" else value


def parts(normal: str) -> tuple[str, str]:
    """Value and unit of a normal form; the unit may be empty."""
    found = WITH_UNIT.fullmatch(normal)
    return (found[1], found[2]) if found else (normal, "")


def same_at_once(answer: str, reference: str) -> bool | None:
    """Are two normal forms equal? None where only algebra can tell."""
    if answer == reference:
        return True
    (value, unit), (other, unit_of_other) = parts(answer), parts(reference)
    if unit and unit_of_other and unit != unit_of_other:
        return False
    if (first := IN_BASE.fullmatch(value)) and (second := IN_BASE.fullmatch(other)):  # math-verify leaves the base out of account
        return (first[1], first[2]) == (second[1], second[2])
    a, b = exact_number(value), exact_number(other)
    if a is not None and b is not None:
        percents = (unit == "%") - (unit_of_other == "%")
        return a == b or (percents == 1 and a == 100 * b) or (percents == -1 and 100 * a == b)
    if value == other:
        return True
    return False if is_prose(answer) or is_prose(reference) else None
