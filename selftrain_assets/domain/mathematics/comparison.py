"""When two answers are equal, as far as their parts can be told apart.

`same` follows the forms down to their scalars and relations, and asks an `Algebra` about those:
`at_once` knows texts and exact numbers, and says None where only evaluation can tell; a worker
process has the other one.

What it holds to: a unit, a name and a base are left out of account unless both answers have one;
50% is 0.5 and, as in MATH, 50; lists and sets have no order; what stands without brackets may be a
point's coordinates, in order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeGuard

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
from selftrain_assets.domain.mathematics.numerals import GROUPED, exact_number
from selftrain_assets.domain.mathematics.prose import folded
from selftrain_assets.domain.mathematics.scanning import split
from selftrain_assets.domain.mathematics.units import PERCENT

COORDINATES = frozenset("xyz")
CLOCK = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")


class Algebra(NamedTuple):
    """Are two formulas equal, and two relations equivalent? None where that cannot be told."""

    scalars: Callable[[str, str], bool | None]
    relations: Callable[[Relation, Relation], bool | None]


def same(  # noqa: C901, PLR0912 - one case for each pair of forms
    answer: Form, reference: Form, algebra: Algebra
) -> bool | None:
    """Are they equal? None where the algebra cannot tell."""
    if answer == reference:
        return True
    answer, reference = _reading(answer, reference), _reading(reference, answer, thousands=True)
    match answer, reference:
        case (Words(a), Words(b)):
            return a.lower() == b.lower()
        case (Named(name, value), Named(other_name, other)):
            # y = 5 and x = 5 are two lines
            if name != other_name and {name, other_name} <= COORDINATES:
                first, second = _relation(answer), _relation(reference)
                return algebra.relations(first, second) if first and second else False
            return same(value, other, algebra)
        case (Named(), Relation()) if (relation := _relation(answer)) is not None:
            return algebra.relations(relation, reference)
        case (Relation(), Named()) if (relation := _relation(reference)) is not None:
            return algebra.relations(answer, relation)
        case (Named(), _):
            return same(answer.value, reference, algebra)
        case (_, Named()):
            return same(answer, reference.value, algebra)
        case (Words(a), Scalar(b)) | (Scalar(b), Words(a)):
            return a.lower() == folded(b)
        case (Words(), _) | (_, Words()):
            return False
        case (Relation(), Relation()):
            return algebra.relations(answer, reference)
        case (Scalar(), Scalar()):
            return _quantities(answer, reference, algebra)
        case (Based(), Based()):
            return answer.base == reference.base and _digits(answer) == _digits(reference)
        case (Based(), Scalar()):
            return _digits(answer) == reference.text
        case (Scalar(), Based()):
            return answer.text == _digits(reference)
        case (Items(), Items()):
            return _items(answer, reference, algebra)
        # \frac{1}{2} or 0.5
        case (Items("", (only, *more)), Scalar()) if all(item == only for item in more):
            return same(only, reference, algebra)
        case (Items("\\{" | "", (only,)), Scalar()):
            return same(only, reference, algebra)
        case (Scalar(), Items("\\{" | "", (only,))):
            return same(answer, only, algebra)
        case (Matrix(rows), Matrix(others)):
            if [len(row) for row in rows] != [len(row) for row in others]:
                return False
            return _all(
                same(a, b, algebra)
                for row, other in zip(rows, others, strict=True)
                for a, b in zip(row, other, strict=True)
            )
        case (Matrix(), Scalar()) | (Scalar(), Matrix()):
            return (
                algebra.scalars(str(answer), str(reference))
                if "matrix" in f"{answer}{reference}"
                else False
            )
        case (Union() | Without() | Items() | Scalar(), Union() | Without() | Items() | Scalar()):
            return _sets(answer, reference, algebra)
        case _:
            return False


def _reading(form: Form, other: Form, thousands: bool = False) -> Form:
    """The form with its commas between digits read as thousands, as a decimal comma, or as a list.

    A comma is decimal where the `other` form is a number. With `thousands`, as in a reference,
    whatever can be a number with thousands is one.
    """
    if not _has_comma(form):
        return form
    while isinstance(other, Named):
        other = other.value
    grouped = GROUPED.fullmatch(form.text.lstrip("-")) is not None
    if (grouped and thousands) or (
        isinstance(other, Scalar) and (grouped or not _has_comma(other))
    ):
        return Scalar(form.text.replace(",", "" if grouped else "."), form.unit)
    return Items("", tuple(Scalar(str(int(digits))) for digits in form.text.split(",")), "")


def _has_comma(form: Form) -> TypeGuard[Scalar]:
    return (
        isinstance(form, Scalar)
        and "," in form.text
        and form.text.replace(",", "").lstrip("-").isdigit()
    )


def _relation(named: Named) -> Relation | None:
    """`y = 2x` as an equation, and an interval without an end as an inequality."""
    match named.value:
        case Scalar(text):
            return Relation((named.name, text), ("=",))
        case Items("(" | "[" as opening, (Scalar(low), Scalar("\\infty")), ")"):
            return Relation((named.name, low), (">" if opening == "(" else "\\ge",))
        case Items("(", (Scalar("-\\infty"), Scalar(high)), ")" | "]" as closing):
            return Relation((named.name, high), ("<" if closing == ")" else "\\le",))
        case _:
            return None


def _digits(form: Based) -> str:
    return form.digits.upper().lstrip("0") or "0"


def _quantities(answer: Scalar, reference: Scalar, algebra: Algebra) -> bool | None:
    unit, reference_unit = answer.unit, reference.unit
    if unit and reference_unit and unit != reference_unit:
        return False
    a, b = answer.text, reference.text
    if CLOCK.fullmatch(a) and CLOCK.fullmatch(b):
        return a == b
    ratios = split(a, (":",))[0], split(b, (":",))[0]
    if max(map(len, ratios)) > 2:  # 1:2:3 is no quotient
        return len(ratios[0]) == len(ratios[1]) and _all(map(algebra.scalars, *ratios))
    equal = algebra.scalars(a, b)
    if equal or (unit == PERCENT) == (reference_unit == PERCENT):
        return equal
    hundredth = (
        f"\\frac{{{a}}}{{100}}" if unit == PERCENT else a,
        f"\\frac{{{b}}}{{100}}" if reference_unit == PERCENT else b,
    )
    return _any([equal, algebra.scalars(*hundredth)])


def _items(answer: Items, reference: Items, algebra: Algebra) -> bool | None:
    answers, references = _coordinates(_elements(answer)), _coordinates(_elements(reference))
    if len(answers) != len(references) or not _brackets_agree(answer, reference):
        return False
    in_order = _all(same(a, b, algebra) for a, b in zip(answers, references, strict=True))
    if in_order or answer.ordered or reference.ordered:
        return in_order
    named = [all(isinstance(item, Named) for item in items) for items in (answers, references)]
    names = {item.name for item in (*answers, *references) if isinstance(item, Named)}
    if named[0] != named[1] and len({name.partition("_")[0] for name in names}) > 1:
        return in_order  # p = 5, q = 2 and 5, 2
    return _match_items(answers, references, algebra)


def _elements(form: Items) -> tuple[Form, ...]:
    """What is said twice in a set, or in a list of points, is there once."""
    if form.opening == "\\{" or (
        not form.opening and all(isinstance(item, Items) for item in form.items)
    ):
        return tuple(dict.fromkeys(form.items))
    return form.items


def _coordinates(items: tuple[Form, ...]) -> tuple[Form, ...]:
    """`y = 3, x = 2` in the order of a point's coordinates."""
    named = [item for item in items if isinstance(item, Named)]
    if len(named) == len(items) and {item.name for item in named} <= COORDINATES:
        return tuple(sorted(named, key=lambda item: item.name))
    return items


def _brackets_agree(a: Items, b: Items) -> bool:
    """Whether the brackets of two lists are compatible.

    A list may be a set, the coordinates of a point, or what stands in square brackets, unless that
    would be an interval.
    """
    brackets = {a.opening + a.closing, b.opening + b.closing}
    return (
        len(brackets) == 1
        or brackets in ({"", "\\{\\}"}, {"", "()"})
        or (brackets == {"", "[]"} and len(a.items) != 2)
    )


def _match_items(
    answers: tuple[Form, ...], references: tuple[Form, ...], algebra: Algebra
) -> bool | None:
    """Has each item its equal, in whatever order? Those of distinct names belong to their names."""
    left, unknown = list(references), False
    for item in answers:
        matches = [(_named_apart(item, other) and same(item, other, algebra)) for other in left]
        if True in matches:
            del left[matches.index(True)]
        elif None in matches:
            unknown = True
        else:
            return False
    return None if unknown else True


def _named_apart(item: Form, other: Form) -> bool:
    return not (isinstance(item, Named) and isinstance(other, Named)) or item.name == other.name


def _sets(answer: Form, reference: Form, algebra: Algebra) -> bool | None:
    """Unions, and sets without some points, by their parts."""
    answers, references = _parts(answer, algebra), _parts(reference, algebra)
    if len(answers) != len(references) or (answers, references) == ([answer], [reference]):
        return False
    return _match_items(tuple(answers), tuple(references), algebra)


def _parts(form: Form, algebra: Algebra) -> list[Form]:
    match form:
        case Union(parts):
            return [part for member in parts for part in _parts(member, algebra)]
        case Named(_, value):
            return _parts(value, algebra)
        case Items("", items, "") if all(isinstance(item, Items | Named | Union) for item in items):
            return [part for member in items for part in _parts(member, algebra)]
        case Without(whole, Items("\\{" | "", points)) if (
            pieces := _cut(whole, points)
        ) is not None:
            return pieces
        case Scalar("\\mathbb{R}"):
            return [Items("(", (Scalar("-\\infty"), Scalar("\\infty")), ")")]
        case _:
            return [form]


def _cut(whole: Form, points: tuple[Form, ...]) -> list[Form] | None:
    """The reals, or an interval, without some points that are numbers."""
    if whole == Scalar("\\mathbb{R}"):
        whole = Items("(", (Scalar("-\\infty"), Scalar("\\infty")), ")")
    if not isinstance(whole, Items) or len(whole.items) != 2 or not whole.ordered:
        return None
    numbers = {exact_number(str(point)): point for point in points}
    if len(points) == 1:
        middle = list(points)
    elif None in numbers:
        return None
    else:
        middle = [
            numbers[number] for number in sorted(number for number in numbers if number is not None)
        ]
    ends = [whole.items[0], *middle, whole.items[1]]
    openings, closings = (
        [whole.opening, *["("] * len(middle)],
        [*[")"] * len(middle), whole.closing],
    )
    return [
        Items(o, (a, b), c) for o, c, a, b in zip(openings, closings, ends, ends[1:], strict=False)
    ]


def _all(verdicts: Iterable[bool | None]) -> bool | None:
    unknown = False
    for verdict in verdicts:
        if verdict is False:
            return False
        unknown |= verdict is None
    return None if unknown else True


def _any(verdicts: Iterable[bool | None]) -> bool | None:
    values = list(verdicts)
    return True if True in values else None if None in values else False


def _scalars_at_once(a: str, b: str) -> bool | None:
    if a == b or a.strip("+") == b.strip("+"):
        return True
    if "\\mathbb" in (a[:7], b[:7]):  # one of the well-known sets, which is nothing else
        return False
    first, second = exact_number(a), exact_number(b)
    return None if first is None or second is None else first == second


def _relations_at_once(a: Relation, b: Relation) -> bool | None:
    return True if a == b else None


at_once = Algebra(_scalars_at_once, _relations_at_once)
"""What texts and exact numbers tell, in microseconds."""
