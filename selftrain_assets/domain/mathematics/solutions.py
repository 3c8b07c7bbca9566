"""What an equation names, and the sets that inequalities in one variable are solved by."""

from __future__ import annotations

import re
from collections.abc import Callable

from selftrain_assets.domain.mathematics.forms import Form, Items, Named, Scalar, Union, Without
from selftrain_assets.domain.mathematics.numerals import exact_number
from selftrain_assets.domain.mathematics.scanning import without_spaces

_TURNED = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le", "=": "=", "\\ne": "\\ne"}
_LETTER = r"(?:[a-zA-Z]|\\(?:alpha|beta|gamma|delta|epsilon|theta|lambda|mu|rho|sigma|tau|phi|omega|Delta|Omega|ell)(?![a-zA-Z]))"  # noqa: E501
_INDEX = r"(?:\s*_\s*(?:\w|\{[^{}]*\}))?'*"
VARIABLE = re.compile(rf"{_LETTER}{_INDEX}(?:\s*\(\s*{_LETTER}\s*\))?")
_ONE_NAME = (
    rf"(?:{_LETTER}{_INDEX}(?:\s*\([\w\s,\\|+-]*\))?|[A-Z]{{2,}}{_INDEX}|\|[A-Z]+\||\\text\s*\{{[^{{}}]*\}}|(?:m\s*)?\\(?:angle|triangle)\s*[A-Z]+"
    rf"|\\(?:overline|vec|hat|bar|overrightarrow)\s*\{{\w+\}}|\\(?:sin|cos|tan|cot|sec|csc|log|ln|det)\s*\(?{_LETTER}\)?|[\[(]\s*[A-Z]+\s*[\])])"
)
NAME = re.compile(
    rf"{_ONE_NAME}(?:\s*[:/]\s*{_ONE_NAME})*|\\frac\{{\s*{_ONE_NAME}\s*\}}\{{\s*{_ONE_NAME}\s*\}}|\(\s*{_LETTER}{_INDEX}(?:\s*,\s*{_LETTER}{_INDEX})+\s*\)"
)


class NoForm(Exception):
    """The text has no content, or nests too deep."""


def solution(sides: list[str], signs: list[str], form: Callable[[str], Form]) -> Named | None:
    r"""The solution set that an inequality in one variable states, as `0 < x \le 5` does.

    `form` parses its sides.
    """
    if not set(signs) <= set(_TURNED):
        return None
    place = next(
        (place for place, side in enumerate(sides) if VARIABLE.fullmatch(side.strip("| "))), None
    )
    if place is None or len(sides) > 3 or (len(sides) == 3 and place != 1):
        return None
    if place == 0:
        sides, signs, place = sides[::-1], [_TURNED[sign] for sign in signs[::-1]], len(sides) - 1
    name = without_spaces(sides[place].strip("| "))
    others = [side for at, side in enumerate(sides) if at != place]
    if (
        any(re.search(rf"(?<![a-zA-Z\\]){re.escape(name)}(?![a-zA-Z])", side) for side in others)
        or len({sign[-1] for sign in signs}) > 2
    ):
        return None
    if signs == ["\\ne"]:
        return Named(name, Without(Scalar("\\mathbb{R}"), Items("\\{", (form(others[0]),), "\\}")))
    if signs[0] in (">", "\\ge"):
        others, signs = others[::-1], [_TURNED[sign] for sign in signs[::-1]]
        if len(sides) == 2:
            return _intervals(name, None, form(others[0]), signs, "|" in sides[place])
    if not set(signs) <= {"<", "\\le"}:
        return None
    return _intervals(
        name,
        form(others[0]),
        form(others[1]) if len(others) == 2 else None,
        signs,
        "|" in sides[place],
    )


def _intervals(
    name: str, low: Form | None, high: Form | None, signs: list[str], absolute: bool
) -> Named:
    closed = [sign == "\\le" for sign in signs]
    opening = "[" if low is not None and closed[0] else "("
    closing = "]" if high is not None and closed[-1] else ")"
    if not absolute:
        return Named(
            name, Items(opening, (low or Scalar("-\\infty"), high or Scalar("\\infty")), closing)
        )
    above = Items(opening, (low or Scalar("0"), high or Scalar("\\infty")), closing)
    mirrored = {"(": ")", "[": "]", ")": "(", "]": "["}
    if low is None and high is not None:
        return Named(name, Items(mirrored[closing], (_negative(high), high), closing))
    below = Items(
        mirrored[closing], tuple(_negative(end) for end in reversed(above.items)), mirrored[opening]
    )
    return Named(name, Union((below, above)))


def _negative(form: Form) -> Scalar:
    if not isinstance(form, Scalar):
        raise NoForm
    number = exact_number(form.text)
    return Scalar(
        (
            str(-number)
            if number is not None
            else f"-({form.text})"
            if form.text != "\\infty"
            else "-\\infty"
        ),
        form.unit,
    )


def without_all(values: list[Form]) -> Without | None:
    r"""`x \ne 1, 2` and `x \ne 1, x \ne 2` as one set."""
    first = next((value for value in values if isinstance(value, Without)), None)
    if first is None or not isinstance(first.left_out, Items):
        return None
    points: list[Form] = []
    for value in values:
        if value == first.whole:  # x \in \mathbb{R}, x \ne 0
            continue
        if (
            isinstance(value, Without)
            and value.whole == first.whole
            and isinstance(value.left_out, Items)
        ):
            points += value.left_out.items
        elif isinstance(value, Scalar):
            points.append(value)
        else:
            return None
    return Without(first.whole, Items("\\{", tuple(points), "\\}"))
