r"""Reading an answer into its form.

Which commas separate is decided here: behind a comma with white space, and inside the brackets of
an interval, point, set or function, begins a new item. A comma between digits alone (`1,234`,
`2,5`) keeps both readings, and `comparison` takes the one that the reference has.
"""

from __future__ import annotations

import re
from functools import lru_cache

from selftrain_assets.domain.mathematics.forms import (
    Based,
    Form,
    Items,
    Matrix,
    Named,
    Relation,
    Scalar,
    Union,
    Without,
    Words,
)
from selftrain_assets.domain.mathematics.notation import TEXT, written_out
from selftrain_assets.domain.mathematics.numerals import GROUPED, exact_number
from selftrain_assets.domain.mathematics.prose import folded, is_prose
from selftrain_assets.domain.mathematics.scanning import balanced, enclosed, split, without_spaces
from selftrain_assets.domain.mathematics.solutions import (
    NAME,
    VARIABLE,
    NoForm,
    solution,
    without_all,
)
from selftrain_assets.domain.mathematics.units import value_and_unit

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
_BASES = {
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
}
_INTRODUCTION = re.compile(
    r"^(?:=|\\approx(?![a-zA-Z])|\\text\s*\{[^{}]*(?:\b(?:is|are)|[:=])\s*\})\s*(?=\S)"
)
_SET_BUILDER = re.compile(
    r"\\\{\s*(?P<name>[a-zA-Z])\s*(?:\\in\s*\\mathbb\s*\{R\}\s*)?(?:\||:|\\text\{ ?such that"
    r" ?\})(?P<condition>.*)\\\}"
)
_SETS_IN_WORDS: dict[str, Form] = {
    **dict.fromkeys(
        ("all real numbers", "all reals", "the real numbers", "the set of all real numbers"),
        Scalar("\\mathbb{R}"),
    ),
    **dict.fromkeys(("empty set", "the empty set"), Items("\\{", (), "\\}")),
}
_NAMED_POINT = re.compile(r"(?P<name>[A-Z](?:_\w|')?)\s*(?P<point>\([^()]*,[^()]*\))")
_FRENCH = re.compile(r"(?P<open>[\[\]])(?P<inside>[^\[\]]*)(?P<close>[\[\]])")
_RELATIONS = ("=", "<", ">", "\\le", "\\ge", "\\ne", "\\in", "\\approx", "\\equiv")


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
    except NoForm:
        return _words(written) if is_prose(written) else None
    except RecursionError:
        return None


def _words(written: str) -> Form | None:
    words = folded(written)
    if words in _SETS_IN_WORDS:
        return _SETS_IN_WORDS[words]
    if is_prose(words.upper()) and not is_prose(words):  # an order in capitals stays what it is
        words = words.upper()
    return Words(words) if words else None


def normal_form(text: str) -> str | None:
    """The normal form of an answer, on which alone a verdict depends; None where there is none."""
    form = read(text)
    normal = "" if form is None else str(form)
    return normal if 0 < len(normal) <= LONGEST else None


def vote(normal: str) -> str:
    """A normal form without the name of its value and the commas of thousands.

    `x = 1,234` and `1234` are one vote.
    """
    form = read(normal)
    while isinstance(form, Named):
        form = form.value
    if isinstance(form, Words):
        return form.text
    number = exact_number(form.text) if isinstance(form, Scalar) else None
    return str(form) if number is None else str(Scalar(str(number), form.unit))  # type: ignore[union-attr]


def _form(text: str, depth: int) -> Form:
    if depth > DEEPEST:
        raise NoForm
    text = _bare(text)
    if (match := _FRENCH.fullmatch(text)) and (match["open"] == "]" or match["close"] == "["):
        text = (
            ("[" if match["open"] == "[" else "(")
            + match["inside"]
            + ("]" if match["close"] == "]" else ")")
        )
    if not balanced(text) or not re.search(r"[\w\\]", text):
        raise NoForm
    if match := _IN_BASE.fullmatch(text):
        base = match["base1"] or match["base2"]
        return Based(match["digits1"] or match["digits2"], _BASES.get(base, base))
    if (quantity := _quantity(text)) is not None:
        return quantity
    if inside_text := TEXT.fullmatch(text):
        if is_prose(text):
            raise _InWords
        return _form(inside_text[1], depth + 1)
    if match := _SET_BUILDER.fullmatch(text):
        return _form(match["condition"], depth + 1)
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
        if (
            inside is None
            and (inside := enclosed(text, "(", ")")) is not None
            and not inside.strip().startswith(("(", "{"))
        ):
            inside = None
        if inside is None:
            break
        outer, text = text, inside.strip()
    return (
        text if enclosed(outer, "(", ")") is None or enclosed(text, "(", ")") is not None else outer
    )


def _quantity(text: str) -> Scalar | None:
    """A number, alone or with a unit."""
    match = _UNIT_IN_BRACKETS.fullmatch(text)
    value, unit = (match[1], match[2]) if match else value_and_unit(text)
    value = _bare(value)
    if _NUMERAL_WITH_COMMA.fullmatch(value):
        return Scalar(value.removeprefix("+"), unit)
    number = exact_number(value)
    return None if number is None else Scalar(str(number), unit)


def _listed(text: str) -> list[str]:
    """The items between commas that separate, semicolons, "and" and "or"."""
    parts = [
        part
        for listed in split(_AND_OR.sub(" ; ", text), (";",))[0]
        for part in split(listed, (",",), GROUPED)[0]
    ]
    return [part for part in map(_bare, parts) if part] or [text]


def _systems(text: str, depth: int) -> Items | None:
    """`x = 1, y = 2; x = 3, y = 4` as points."""
    groups = split(text, (";",))[0]
    if len(groups) < 2 or "=" not in text:
        return None
    systems = [
        [_form(item, depth + 1) for item in _listed(group)] for group in groups if group.strip()
    ]
    names = {tuple(form.name for form in system if isinstance(form, Named)) for system in systems}
    if (
        len(names) != 1
        or len(systems[0]) < 2
        or any(len(system) != len(next(iter(names))) for system in systems)
    ):
        return None
    return Items(
        "",
        tuple(
            Items("(", tuple(form.value for form in system if isinstance(form, Named)), ")")
            for system in systems
        ),
        "",
    )


def _list(forms: list[Form]) -> Form:
    """Those of one name under it, lists in a list as part of it, `a = 4, -8` as two values of a."""
    if isinstance(forms[0], Named) and not any(isinstance(form, Named) for form in forms[1:]):
        forms = [forms[0], *(Named(forms[0].name, form) for form in forms[1:])]
    names = {form.name for form in forms if isinstance(form, Named)}
    if len(names) == 1 and all(isinstance(form, Named) for form in forms):
        values = [form.value for form in forms if isinstance(form, Named)]
        return Named(names.pop(), without_all(values) or _list(values))
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
    if not signs and (match := re.fullmatch(r"(\\mathbb\s*\{\w\})\s*-\s*(\\\{.*\\\})", text)):
        whole, signs = [match[1], match[2]], ["\\setminus"]
    return Without(_form(whole[0], depth), _form(whole[1], depth)) if len(signs) == 1 else None


def _related(text: str, depth: int) -> Form | None:
    """Equations and inequalities, with what they name."""
    sides, signs = split(text, _RELATIONS)
    sides = [side.strip() for side in sides]
    if not signs:
        return None
    if not all(sides):
        raise NoForm
    if set(signs) <= {"=", "\\approx", "\\in", "\\equiv"}:
        last = sides[signs.index("\\approx")] if "\\approx" in signs[1:] else sides[-1]
        if NAME.fullmatch(sides[0]):
            return Named(without_spaces(sides[0]), _worded(last, depth))
        if len(sides) == 2 and VARIABLE.fullmatch(sides[1]) and not _has_letters(sides[0]):
            return Named(sides[1], _form(sides[0], depth))
        # 4 \cdot 12 = 48, \sqrt{2} \approx 1.414
        if "\\in" not in signs and not any(map(_has_letters, sides)):
            return _form(sides[signs.index("\\approx")] if "\\approx" in signs else last, depth)
    elif (interval := solution(sides, signs, lambda side: _form(side, depth))) is not None:
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


def _bracketed(text: str, depth: int) -> Form | None:
    if re.fullmatch(r"\\emptyset|\\\{\s*\\\}", text):
        return Items("\\{", (), "\\}")
    if match := _NAMED_POINT.fullmatch(text):
        point = _bracketed(match["point"], depth)
        return Named(match["name"], point) if isinstance(point, Items) else None
    for opening, closings in (
        ("(", ")]"),
        ("[", ")]"),
        ("\\{", ("\\}",)),
        ("\\langle", ("\\rangle",)),
    ):
        for closing in closings:
            inside = enclosed(text, opening, closing)
            if inside is None:
                continue
            parts = [
                part.strip()
                for separated in split(_AND_OR.sub(" ; ", inside), (";",))[0]
                for part in split(separated, (",",))[0]
            ]
            if not all(parts):
                raise NoForm
            items: list[Form] = []
            for form in (_form(part, depth) for part in parts):
                items += form.items if isinstance(form, Items) and not form.opening else [form]
            if any(isinstance(item, Words) for item in items):
                raise _InWords
            if len(items) == 1 and opening in "([":
                return items[0] if f"{opening}{closing}" in ("()", "[]") else None
            return Items(
                "(" if opening == "\\langle" else opening,
                tuple(items),
                ")" if opening == "\\langle" else closing,
            )
    return None


def _matrix(text: str, depth: int) -> Form | None:
    inside = enclosed(text, "\\begin{pmatrix}", "\\end{pmatrix}")
    if inside is None:
        return None
    rows = [row for row in split(inside, ("\\\\",))[0] if row.strip()]
    matrix = Matrix(
        tuple(tuple(_form(cell, depth) for cell in split(row, ("&",))[0]) for row in rows)
    )
    if len({len(row) for row in matrix.rows}) != 1:
        raise NoForm
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
    if not unit and (match := _UNIT_IN_BRACKETS.fullmatch(text)):
        value, unit = match[1], match[2]
    value = _bare(value)
    if is_prose(value):
        raise _InWords
    while (inside_text := TEXT.fullmatch(value)) is not None:
        value = inside_text[1].strip()
    while (inner := enclosed(value, "(", ")")) is not None:
        value = _bare(inner)
    if not value:
        raise NoForm
    number = exact_number(value)
    return Scalar(without_spaces(value) if number is None else str(number), unit)
