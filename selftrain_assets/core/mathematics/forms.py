r"""What a mathematical answer is made of: numbers and formulas with units, names, lists, points, sets, intervals, relations, matrices,
words.

`read` turns an answer into a form, `str` a form into its normal form, which reads as the same form. Which commas separate is decided here:
behind a comma with white space, and inside the brackets of an interval, point, set or function, begins a new item. A comma between
digits alone (`1,234`, `2,5`) keeps both readings, and `comparison` takes the one that the reference has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from selftrain_assets.core.mathematics.notation import TEXT, written_out
from selftrain_assets.core.mathematics.numerals import GROUPED, exact_number
from selftrain_assets.core.mathematics.prose import folded, is_prose
from selftrain_assets.core.mathematics.scanning import balanced, enclosed, split, without_spaces
from selftrain_assets.core.mathematics.units import value_and_unit

LONGEST = 1000  # characters of an answer; a longer one is none
DEEPEST = 12  # forms inside one another

_QUOTED = re.compile("«([^«»]+)»")
_AND_OR = re.compile(r"\\text\s*\{\s*,?\s*(?:and|or)?\s*,?\s*\}|(?<![a-zA-Z\\])(?:and|or)(?![a-z])")
_UNIT_IN_BRACKETS = re.compile(r"(.*\S) \[([^\[\]]+)\]")
_NUMERAL_WITH_COMMA = re.compile(r"[-+]?(?:[1-9]\d{0,2}(?:,\d{3})+|\d+,\d+)")
_BASE = r"(?P<base{0}>\d+|two|three|four|five|six|seven|eight|nine|ten)"
_IN_BASE = re.compile(
    rf"(?P<digits1>\d\w*)\s*_\s*\{{?\s*(?:\\text\s*\{{)?\s*{_BASE.format(1)}\s*\}}{{0,2}}"
    rf"|(?P<digits2>\d\w*)\s*(?:\\text\s*\{{)?\s*\(?\s*base[ -]{_BASE.format(2)}\s*\)?\s*\}}?"
)
_BASES = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10"}
_INTRODUCTION = re.compile(r"^(?:=|\\approx(?![a-zA-Z])|\\text\s*\{[^{}]*(?:\b(?:is|are)|[:=])\s*\})\s*(?=\S)")
_SET_BUILDER = re.compile(
    r"\\\{\s*(?P<name>[a-zA-Z])\s*(?:\\in\s*\\mathbb\s*\{R\}\s*)?(?:\||:|\\text\{ ?such that ?\})(?P<condition>.*)\\\}"
)
_FRENCH = re.compile(r"(?P<open>[\[\]])(?P<inside>[^\[\]]*)(?P<close>[\[\]])")
_RELATIONS = ("=", "<", ">", "\\le", "\\ge", "\\ne", "\\in", "\\approx")
_TURNED = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le", "=": "=", "\\ne": "\\ne"}
_LETTER = r"(?:[a-zA-Z]|\\(?:alpha|beta|gamma|delta|epsilon|theta|lambda|mu|rho|sigma|tau|phi|omega|Delta|Omega|ell)(?![a-zA-Z]))"
_INDEX = r"(?:\s*_\s*(?:\w|\{[^{}]*\}))?'*"
_VARIABLE = re.compile(rf"{_LETTER}{_INDEX}(?:\s*\(\s*{_LETTER}\s*\))?")
_ONE_NAME = (
    rf"(?:{_LETTER}{_INDEX}(?:\s*\([\w\s,\\|+-]*\))?|[A-Z]{{2,}}{_INDEX}|\|[A-Z]+\||\\text\s*\{{[^{{}}]*\}}|(?:m\s*)?\\(?:angle|triangle)\s*[A-Z]+"
    rf"|\\(?:overline|vec|hat|bar|overrightarrow)\s*\{{\w+\}}|\\(?:sin|cos|tan|cot|sec|csc|log|ln|det)\s*\(?{_LETTER}\)?|[\[(]\s*[A-Z]+\s*[\])])"
)
_NAME = re.compile(
    rf"{_ONE_NAME}(?:\s*[:/]\s*{_ONE_NAME})*|\\frac\{{\s*{_ONE_NAME}\s*\}}\{{\s*{_ONE_NAME}\s*\}}|\(\s*{_LETTER}{_INDEX}(?:\s*,\s*{_LETTER}{_INDEX})+\s*\)"
)


@dataclass(frozen=True)
class Scalar:
    """A number or formula, whose unit may be empty."""

    text: str
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.text} [{self.unit}]" if self.unit else self.text


@dataclass(frozen=True)
class Words:
    """An answer in words. Its normal form has quotation marks of its own, since words may look like a formula: `(a) or (c)`."""

    text: str

    def __str__(self) -> str:
        return f"«{self.text}»"


@dataclass(frozen=True)
class Based:
    """Digits, and the base that they are written in."""

    digits: str
    base: str

    def __str__(self) -> str:
        return f"{self.digits}_{{{self.base}}}"


@dataclass(frozen=True)
class Items:
    r"""Between brackets, a point, interval, vector or set; without, a list in any order. The empty set is `\{\}`."""

    opening: str
    items: tuple[Form, ...]
    closing: str

    @property
    def ordered(self) -> bool:
        return self.opening not in ("", "\\{")

    def __str__(self) -> str:
        return self.opening + ", ".join(map(str, self.items)) + self.closing


@dataclass(frozen=True)
class Named:
    """`x = 5`, and `x \\in [0, 5]`; an inequality in one variable is one, too."""

    name: str
    value: Form

    def __str__(self) -> str:
        return f"{self.name} = {self.value}"


@dataclass(frozen=True)
class Relation:
    """An equation, inequality or chain of them that names nothing."""

    sides: tuple[str, ...]
    signs: tuple[str, ...]

    def __str__(self) -> str:
        return self.sides[0] + "".join(f" {sign} {side}" for sign, side in zip(self.signs, self.sides[1:], strict=True))


@dataclass(frozen=True)
class Union:
    r"""Sets joined by `\cup`."""

    parts: tuple[Form, ...]

    def __str__(self) -> str:
        return " \\cup ".join(map(str, self.parts))


@dataclass(frozen=True)
class Without:
    """A set without the elements of another."""

    whole: Form
    left_out: Form

    def __str__(self) -> str:
        return f"{self.whole} \\setminus {self.left_out}"


@dataclass(frozen=True)
class Matrix:
    """Rows of entries."""

    rows: tuple[tuple[Form, ...], ...]

    def __str__(self) -> str:
        return "\\begin{pmatrix}" + " \\\\ ".join(" & ".join(map(str, row)) for row in self.rows) + "\\end{pmatrix}"


Form = Scalar | Words | Based | Items | Named | Relation | Union | Without | Matrix


class _NoForm(Exception):
    """The text has no content, or nests too deep."""


class _InWords(Exception):
    """A part of the text is words, which only the whole can be."""


@lru_cache(maxsize=4096)
def read(text: str) -> Form | None:
    """The form of an answer; None for one without content, or longer than any answer."""
    if len(text) > LONGEST:
        return None
    if quoted := _QUOTED.fullmatch(text):
        return Words(quoted[1])
    try:
        written = written_out(text)
        return _form(written, 0)
    except _InWords:
        return _words(written)
    except _NoForm:
        return _words(written) if is_prose(written) else None
    except RecursionError:
        return None


def _words(written: str) -> Words | None:
    words = folded(written)
    if is_prose(words.upper()) and not is_prose(words):  # an order in capitals stays what it is
        words = words.upper()
    return Words(words) if words else None


def normal_form(text: str) -> str | None:
    """The normal form of an answer, which says all that a verdict depends on; None where there is none."""
    form = read(text)
    normal = "" if form is None else str(form)
    return normal if 0 < len(normal) <= LONGEST else None


def vote(normal: str) -> str:
    """A normal form without the name of its value and the commas of thousands, so that `x = 1,234` and `1234` are one vote."""
    form = read(normal)
    while isinstance(form, Named):
        form = form.value
    if isinstance(form, Words):
        return form.text
    number = exact_number(form.text) if isinstance(form, Scalar) else None
    return str(form) if number is None else str(Scalar(str(number), form.unit))  # type: ignore[union-attr]


def _form(text: str, depth: int) -> Form:
    if depth > DEEPEST:
        raise _NoForm
    text = _bare(text)
    if (found := _FRENCH.fullmatch(text)) and (found["open"] == "]" or found["close"] == "["):
        text = ("[" if found["open"] == "[" else "(") + found["inside"] + ("]" if found["close"] == "]" else ")")
    if not balanced(text) or not re.search(r"[\w\\]", text):
        raise _NoForm
    if found := _IN_BASE.fullmatch(text):
        base = found["base1"] or found["base2"]
        return Based(found["digits1"] or found["digits2"], _BASES.get(base, base))
    if (quantity := _quantity(text)) is not None:
        return quantity
    if inside_text := TEXT.fullmatch(text):
        if is_prose(text):
            raise _InWords
        return _form(inside_text[1], depth + 1)
    if found := _SET_BUILDER.fullmatch(text):
        return _form(found["condition"], depth + 1)
    if points := _systems(text, depth):
        return points
    items = _listed(text)
    if len(items) > 1:
        return _list([_form(item, depth + 1) for item in items])
    text = items[0]
    for reading in (_union, _related, _bracketed, _matrix, _both_signs):
        if (form := reading(text, depth + 1)) is not None:
            return form
    return _formula(text)


def _bare(text: str) -> str:
    """Without punctuation at its ends, and braces and doubled parentheses around it."""
    text = _INTRODUCTION.sub("", text.strip(" ,;:~").rstrip(".").rstrip())
    outer = text
    for _ in range(DEEPEST * 10):
        inside = enclosed(text, "{", "}")
        if inside is None and (inside := enclosed(text, "(", ")")) is not None and not inside.strip().startswith(("(", "{")):
            inside = None
        if inside is None:
            break
        outer, text = text, inside.strip()
    return text if enclosed(outer, "(", ")") is None or enclosed(text, "(", ")") is not None else outer


def _quantity(text: str) -> Scalar | None:
    """A number, alone or with a unit."""
    found = _UNIT_IN_BRACKETS.fullmatch(text)
    value, unit = (found[1], found[2]) if found else value_and_unit(text)
    value = _bare(value)
    if _NUMERAL_WITH_COMMA.fullmatch(value):
        return Scalar(value.removeprefix("+"), unit)
    number = exact_number(value)
    return None if number is None else Scalar(str(number), unit)


def _listed(text: str) -> list[str]:
    """The items between commas that separate, semicolons, "and" and "or"."""
    parts = [part for listed in split(_AND_OR.sub(" ; ", text), (";",))[0] for part in split(listed, (",",), GROUPED)[0]]
    return [part for part in map(_bare, parts) if part] or [text]


def _systems(text: str, depth: int) -> Items | None:
    """`x = 1, y = 2; x = 3, y = 4` as points."""
    groups = split(text, (";",))[0]
    if len(groups) < 2 or "=" not in text:
        return None
    systems = [[_form(item, depth + 1) for item in _listed(group)] for group in groups if group.strip()]
    names = {tuple(form.name for form in system if isinstance(form, Named)) for system in systems}
    if len(names) != 1 or len(systems[0]) < 2 or any(len(system) != len(next(iter(names))) for system in systems):
        return None
    return Items("", tuple(Items("(", tuple(form.value for form in system if isinstance(form, Named)), ")") for system in systems), "")


def _list(forms: list[Form]) -> Form:
    """Those of one name under it, lists in a list as part of it, `a = 4, -8` as two values of a."""
    if isinstance(forms[0], Named) and not any(isinstance(form, Named) for form in forms[1:]):
        forms = [forms[0], *(Named(forms[0].name, form) for form in forms[1:])]
    names = {form.name for form in forms if isinstance(form, Named)}
    if len(names) == 1 and all(isinstance(form, Named) for form in forms):
        return Named(names.pop(), _list([form.value for form in forms if isinstance(form, Named)]))
    if any(isinstance(form, Words) for form in forms):
        raise _InWords
    items: list[Form] = []
    for form in forms:
        items += form.items if isinstance(form, Items) and not form.opening else [form]
    return Items("", tuple(items), "")


def _union(text: str, depth: int) -> Form | None:
    parts, _ = split(text, ("\\cup",))
    related = [bool(split(part, _RELATIONS)[1]) for part in parts]
    if len(parts) > 1 and (all(related) or not any(related)):
        return Union(tuple(_form(part, depth) for part in parts))
    if any(related):
        return None
    whole, signs = split(text, ("\\setminus",))
    if not signs and (found := re.fullmatch(r"(\\mathbb\s*\{\w\})\s*-\s*(\\\{.*\\\})", text)):
        whole, signs = [found[1], found[2]], ["\\setminus"]
    return Without(_form(whole[0], depth), _form(whole[1], depth)) if len(signs) == 1 else None


def _related(text: str, depth: int) -> Form | None:
    """Equations and inequalities, with what they name."""
    sides, signs = split(text, _RELATIONS)
    sides = [side.strip() for side in sides]
    if not signs:
        return None
    if not all(sides):
        raise _NoForm
    if set(signs) <= {"=", "\\approx", "\\in"}:
        last = sides[signs.index("\\approx")] if "\\approx" in signs[1:] else sides[-1]
        if _NAME.fullmatch(sides[0]):
            return Named(without_spaces(sides[0]), _worded(last, depth))
        if len(sides) == 2 and _VARIABLE.fullmatch(sides[1]) and not _has_letters(sides[0]):
            return Named(sides[1], _form(sides[0], depth))
        if "\\in" not in signs and not any(map(_has_letters, sides)):  # 4 \cdot 12 = 48, \sqrt{2} \approx 1.414
            return _form(sides[signs.index("\\approx")] if "\\approx" in signs else last, depth)
    elif (interval := _solution(sides, signs, depth)) is not None:
        return interval
    return Relation(tuple(_formula(side).text for side in sides), tuple(signs))


def _has_letters(text: str) -> bool:
    """Beside those of commands."""
    return re.search(r"[a-zA-Z]", re.sub(r"\\[a-zA-Z]+", "", text)) is not None


def _worded(text: str, depth: int) -> Form:
    try:
        return _form(text, depth)
    except _InWords:
        return Words(folded(text))


def _solution(sides: list[str], signs: list[str], depth: int) -> Named | None:
    """The set that an inequality in one variable is solved by, where it says so: `0 < x \\le 5`, `x \\ne 2`, `|x| < 3`."""
    place = next((place for place, side in enumerate(sides) if _VARIABLE.fullmatch(side.strip("| "))), None)
    if place is None or len(sides) > 3 or (len(sides) == 3 and place != 1):
        return None
    if place == 0:
        sides, signs, place = sides[::-1], [_TURNED.get(sign, sign) for sign in signs[::-1]], len(sides) - 1
    name = without_spaces(sides[place].strip("| "))
    others = [side for at, side in enumerate(sides) if at != place]
    if any(re.search(rf"(?<![a-zA-Z\\]){re.escape(name)}(?![a-zA-Z])", side) for side in others) or len({sign[-1] for sign in signs}) > 2:
        return None
    if signs == ["\\ne"]:
        return Named(name, Without(Scalar("\\mathbb{R}"), Items("\\{", (_form(others[0], depth),), "\\}")))
    if signs[0] in (">", "\\ge"):
        others, signs = others[::-1], [_TURNED[sign] for sign in signs[::-1]]
        if len(sides) == 2:
            return _intervals(name, [None, others[0]], [signs[0]], "|" in sides[place], depth)
    if not set(signs) <= {"<", "\\le"}:
        return None
    return _intervals(name, [*others, None][:2], signs, "|" in sides[place], depth)


def _intervals(name: str, ends: list[str | None], signs: list[str], absolute: bool, depth: int) -> Named:
    low, high = (None if end is None else _form(end, depth) for end in ends)
    closed = [sign == "\\le" for sign in signs]
    opening = "[" if low is not None and closed[0] else "("
    closing = "]" if high is not None and closed[-1] else ")"
    if not absolute:
        return Named(name, Items(opening, (low or Scalar("-\\infty"), high or Scalar("\\infty")), closing))
    above = Items(opening, (low or Scalar("0"), high or Scalar("\\infty")), closing)
    mirrored = {"(": ")", "[": "]", ")": "(", "]": "["}
    if low is None and high is not None:
        return Named(name, Items(mirrored[closing], (_negative(high), high), closing))
    below = Items(mirrored[closing], tuple(_negative(end) for end in reversed(above.items)), mirrored[opening])  # type: ignore[arg-type]
    return Named(name, Union((below, above)))


def _negative(form: Form) -> Scalar:
    if not isinstance(form, Scalar):
        raise _NoForm
    number = exact_number(form.text)
    return Scalar(str(-number) if number is not None else f"-({form.text})" if form.text != "\\infty" else "-\\infty", form.unit)


def _bracketed(text: str, depth: int) -> Form | None:
    if re.fullmatch(r"\\emptyset|\\\{\s*\\\}", text):
        return Items("\\{", (), "\\}")
    for opening, closings in (("(", ")]"), ("[", ")]"), ("\\{", ("\\}",)), ("\\langle", ("\\rangle",))):
        for closing in closings:
            inside = enclosed(text, opening, closing)
            if inside is None:
                continue
            parts = [part.strip() for separated in split(_AND_OR.sub(" ; ", inside), (";",))[0] for part in split(separated, (",",))[0]]
            if not all(parts):
                raise _NoForm
            items: list[Form] = []
            for form in (_form(part, depth) for part in parts):
                items += form.items if isinstance(form, Items) and not form.opening else [form]
            if any(isinstance(item, Words) for item in items):
                raise _InWords
            if len(items) == 1 and opening in "([":
                return items[0] if f"{opening}{closing}" in ("()", "[]") else None
            return Items("(" if opening == "\\langle" else opening, tuple(items), ")" if opening == "\\langle" else closing)
    return None


def _matrix(text: str, depth: int) -> Form | None:
    inside = enclosed(text, "\\begin{pmatrix}", "\\end{pmatrix}")
    if inside is None:
        return None
    rows = [row for row in split(inside, ("\\\\",))[0] if row.strip()]
    matrix = Matrix(tuple(tuple(_form(cell, depth) for cell in split(row, ("&",))[0]) for row in rows))
    if len({len(row) for row in matrix.rows}) != 1:
        raise _NoForm
    return matrix


def _both_signs(text: str, depth: int) -> Form | None:
    r"""`\pm` as two values."""
    if not re.search(r"\\[pm][mp](?![a-zA-Z])", text):
        return None
    upper = text.replace("\\pm", "+").replace("\\mp", "-")
    lower = text.replace("\\pm", "-").replace("\\mp", "+")
    return _list([_form(upper.strip().removeprefix("+"), depth), _form(lower, depth)])


def _formula(text: str) -> Scalar | Words:
    value, unit = value_and_unit(text)
    if not unit and (found := _UNIT_IN_BRACKETS.fullmatch(text)):
        value, unit = found[1], found[2]
    value = _bare(value)
    if is_prose(value):
        raise _InWords
    while (inside_text := TEXT.fullmatch(value)) is not None:
        value = inside_text[1].strip()
    while (inner := enclosed(value, "(", ")")) is not None:
        value = _bare(inner)
    if not value:
        raise _NoForm
    number = exact_number(value)
    return Scalar(without_spaces(value) if number is None else str(number), unit)
