# ruff: noqa: RUF001
r"""Answers as in competition mathematics, with wrong alterations and right other notations.

An answer is a shape with whole numbers in it. Its value is computed from those numbers by exact
arithmetic, without the verifier, so an alteration of equal value (`\frac{2}{4}` for `\frac{1}{2}`)
is left out. Nothing is random: the numbers follow from the shape and its place.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Hashable, Iterator
from fractions import Fraction
from typing import NamedTuple

Numbers = tuple[int, ...]


class Shape(NamedTuple):
    """`latex` and `value` of whole numbers; `numbers` says between which two each of them lies.
    A `number` can be calculated with."""

    latex: Callable[..., str]
    value: Callable[..., Hashable]
    numbers: tuple[tuple[int, int], ...]
    number: bool = True


class Altered(NamedTuple):
    """A reference, an answer to it, and what was done."""

    gold: str
    answer: str
    kind: str


def root(n: int) -> tuple[int, int]:
    """The square root of n as a whole number times the root of a number without square factors."""
    outside = max((d for d in range(1, math.isqrt(n) + 1) if n % (d * d) == 0), default=0)
    return (outside, n // (outside * outside)) if outside else (0, 1)


def surd(rational: Fraction, factor: Fraction, n: int) -> Hashable:
    """rational + factor * sqrt(n), in one form."""
    if n < 0:
        return ("imaginary", rational, surd(Fraction(0), factor, -n))
    outside, inside = root(n)
    if inside == 1 or not factor * outside:
        return rational + factor * outside
    return (rational, factor * outside, inside)


def times(factor: Fraction, constant: str) -> Hashable:
    return (factor, constant) if factor else Fraction(0)


def polynomial(*coefficients: int | Fraction) -> Hashable:
    """From the highest power on."""
    first = next((place for place, c in enumerate(coefficients) if c), len(coefficients) - 1)
    return (
        Fraction(coefficients[-1])
        if first == len(coefficients) - 1
        else ("polynomial", *map(Fraction, coefficients[first:]))
    )


def proportional(*numbers: int) -> Hashable:
    """An equation's coefficients, which may be multiplied by any number but zero."""
    first = next((n for n in numbers if n), None)
    return (
        ("equation", *numbers)
        if first is None
        else ("equation", *(Fraction(n, first) for n in numbers))
    )


def quotient(a: int, b: int, c: int, d: int) -> Hashable:
    """(ax + b) / (cx + d)"""
    if not (c or d):
        return ("undefined", a, b)
    return (
        Fraction(a, c)
        if c and a * d == b * c
        else Fraction(b, d)
        if not (a or c)
        else ("quotient", proportional(a, b, c, d))
    )


def logarithm(base: int, n: int) -> Hashable:
    def power(m: int) -> tuple[int, int]:
        return next((r, k) for k in range(12, 0, -1) for r in [round(m ** (1 / k))] if r**k == m)

    if base < 2 or n < 2:
        return ("log", base, n)
    (b, k), (m, j) = power(base), power(n)
    return Fraction(j, k) if b == m else ("log", Fraction(j, k), b, m)


def over(a: int, b: int) -> Hashable:
    return Fraction(a, b) if b else ("undefined", a)


def mixed(whole: int, tenths: int) -> Fraction:
    if not (whole > 0 and 0 < tenths < 10):
        raise ValueError("no mixed number, which has a proper fraction")
    return whole + Fraction(tenths, 10)


def signed(n: int) -> str:
    return f"+{n}" if n >= 0 else str(n)


def decimal(whole: int, hundredths: int) -> str:
    return f"{whole}.{abs(hundredths):02d}"


BIG, SMALL = (12, 98), (2, 9)
PRIMES = {2: 3, 3: 5, 4: 7, 5: 11, 6: 13, 7: 17, 8: 19, 9: 23}
SHAPES: dict[str, Shape] = {
    "integer": Shape(lambda n: f"{n}", Fraction, ((103, 998),)),
    "negative": Shape(lambda n: f"-{n}" if n >= 0 else f"{-n}", lambda n: Fraction(-n), (BIG,)),
    "decimal": Shape(
        lambda w, h: decimal(w, h), lambda w, h: Fraction(decimal(w, h)), (SMALL, BIG)
    ),
    "thousands": Shape(
        lambda a, b: f"{a}{{,}}{abs(b):03d}",
        lambda a, b: Fraction(f"{a}{abs(b):03d}"),
        (SMALL, (120, 980)),
    ),
    "fraction": Shape(lambda a, b: f"\\frac{{{a}}}{{{b}}}", over, (BIG, BIG)),
    "mixed": Shape(lambda a, b: f"{a}\\frac{{{b}}}{{10}}", mixed, (SMALL, (1, 8))),
    "money": Shape(
        lambda a, b: f"\\${decimal(a, b)}",
        lambda a, b: ("$", Fraction(decimal(a, b))),
        (BIG, BIG),
        False,
    ),
    "unit": Shape(
        lambda a, k: f"{a}\\text{{ cm}}^{k}", lambda a, k: ("cm", a, k), (BIG, (2, 3)), False
    ),
    "degrees": Shape(lambda a: f"{a}^\\circ", lambda a: ("degrees", a), (BIG,), False),
    "power": Shape(lambda a, b: f"{a}^{{{b}}}", lambda a, b: Fraction(a) ** b, (SMALL, (40, 90))),
    "tiny": Shape(
        lambda a, b: f"\\frac{{{a}}}{{3^{{{b}}}}}",
        lambda a, b: Fraction(a) / Fraction(3) ** b,
        (SMALL, (40, 90)),
    ),
    "near one": Shape(
        lambda a: f"1-\\frac{{1}}{{2^{{{a}}}}}", lambda a: 1 - Fraction(1, 2) ** a, ((50, 300),)
    ),
    "ratio of powers": Shape(
        lambda a, b: f"\\frac{{3^{{{a}}}+{b}}}{{2 \\cdot 3^{{{a}}}}}",
        lambda a, b: (3**a + b) / Fraction(2 * 3**a),
        ((40, 90), SMALL),
    ),
    "factorial": Shape(
        lambda a, b: f"\\frac{{{a}!}}{{{b}^{{30}}}}",
        lambda a, b: Fraction(math.factorial(a), b**30),
        ((20, 60), SMALL),
    ),
    "binomial": Shape(
        lambda a, b: f"\\binom{{{a}}}{{{b}}}",
        lambda a, b: Fraction(math.comb(a, b)),
        ((10, 40), SMALL),
    ),
    "surd": Shape(
        lambda a, b: f"{a}\\sqrt{{{b}}}",
        lambda a, b: surd(Fraction(0), Fraction(a), b),
        (SMALL, BIG),
    ),
    "surd fraction": Shape(
        lambda a, b, c: f"\\frac{{{a}\\sqrt{{{b}}}}}{{{c}}}",
        lambda a, b, c: surd(Fraction(0), over(a, c), b),
        (SMALL, BIG, SMALL),
    ),
    "quadratic root": Shape(
        lambda a, b, c: f"\\frac{{{a}+\\sqrt{{{b}}}}}{{{c}}}",
        lambda a, b, c: surd(over(a, c), over(1, c), b),
        (SMALL, BIG, SMALL),
    ),
    "sum with surd": Shape(
        lambda a, b, c: f"{a}{signed(b)}\\sqrt{{{c}}}",
        lambda a, b, c: surd(Fraction(a), Fraction(b), c),
        (BIG, SMALL, BIG),
    ),
    "cube root": Shape(lambda n: f"\\sqrt[3]{{{n}}}", lambda n: ("cube root", n), ((28, 62),)),
    "pi": Shape(
        lambda a, b: f"\\frac{{{a}\\pi}}{{{b}}}", lambda a, b: times(over(a, b), "pi"), (BIG, SMALL)
    ),
    "pi and more": Shape(
        lambda a, b: f"{a}\\pi{signed(b)}",
        lambda a, b: (Fraction(b), times(Fraction(a), "pi")),
        (BIG, BIG),
    ),
    "surd and pi": Shape(
        lambda a, b: f"{a}\\pi\\sqrt{{{b}}}",
        lambda a, b: ("pi", surd(Fraction(0), Fraction(a), b)),
        (SMALL, BIG),
    ),
    "exponential": Shape(
        lambda a, b: f"{a}e^{{{b}}}",
        lambda a, b: ("e", a, b) if a else Fraction(0),
        (SMALL, (-60, 60)),
    ),
    "logarithm": Shape(lambda a, b: f"\\log_{{{a}}} {b}", logarithm, (SMALL, BIG)),
    "complex": Shape(
        lambda a, b: f"{a}{signed(b)}i",
        lambda a, b: (Fraction(a), "i", b) if b else Fraction(a),
        (BIG, BIG),
    ),
    "quadratic": Shape(
        lambda a, b, c: f"{a}x^2{signed(b)}x{signed(c)}", polynomial, (SMALL, SMALL, SMALL)
    ),
    "factored": Shape(
        lambda a, b, c: f"{a}(x{signed(b)})(x{signed(c)})",
        lambda a, b, c: polynomial(a, a * (b + c), a * b * c),
        (SMALL, SMALL, SMALL),
    ),
    "monomial": Shape(
        lambda a, b, c: f"{a}x^{{{b}}}y^{{{c}}}",
        lambda a, b, c: ("monomial", a, b, c) if a else Fraction(0),
        (BIG, SMALL, SMALL),
    ),
    "tiny constant": Shape(
        lambda a, b: f"x^2+{a} \\cdot 10^{{-{b}}}" if b > 0 else f"x^2+{a}",
        lambda a, b: polynomial(1, 0, Fraction(a, 10 ** max(b, 0))),
        (SMALL, (12, 40)),
    ),
    "rational function": Shape(
        lambda a, b, c, d: f"\\frac{{{a}x{signed(b)}}}{{{c}x{signed(d)}}}",
        quotient,
        (SMALL, SMALL, SMALL, SMALL),
    ),
    "exponent": Shape(
        lambda a, b: f"{a}^{{n{signed(b)}}}",
        lambda a, b: ("exponent", a, b) if a != 1 else Fraction(1),
        (SMALL, SMALL),
    ),
    "point": Shape(
        lambda a, b: f"({a},{b})", lambda a, b: ("point", a, b), (BIG, (100, 300)), False
    ),
    "point of fractions": Shape(
        lambda a, b, c: f"\\left(\\frac{{{a}}}{{{b}}}, {c}\\right)",
        lambda a, b, c: ("point", over(a, b), c),
        (SMALL, BIG, BIG),
        False,
    ),
    "point in space": Shape(
        lambda a, b, c: f"({a}, {b}, {c})", lambda *n: ("point", *n), (BIG, BIG, BIG), False
    ),
    "interval": Shape(
        lambda a, b: f"[{a},{b})", lambda a, b: ("interval", a, b), (SMALL, (100, 300)), False
    ),
    "ray": Shape(lambda a: f"(-\\infty,{a}]", lambda a: ("ray", a), (BIG,), False),
    "two rays": Shape(
        lambda a, b: f"(-\\infty,{a})\\cup({b},\\infty)",
        lambda a, b: ("rays", a, b),
        (SMALL, BIG),
        False,
    ),
    "list": Shape(
        lambda *n: ", ".join(map(str, n)),
        lambda *n: ("list", *sorted(n)),
        (SMALL, BIG, (100, 300)),
        False,
    ),
    "set": Shape(
        lambda *n: f"\\{{{', '.join(map(str, n))}\\}}",
        lambda *n: ("list", *sorted(set(n))),
        (SMALL, BIG, (100, 300)),
        False,
    ),
    "both signs": Shape(
        lambda a, b: f"{a} \\pm \\sqrt{{{PRIMES.get(b, b)}}}",
        lambda a, b: ("both", a, b),
        (BIG, SMALL),
        False,
    ),
    "matrix": Shape(
        lambda a, b, c, d: f"\\begin{{pmatrix}}{a}&{b}\\\\{c}&{d}\\end{{pmatrix}}",
        lambda *n: ("matrix", *n),
        (SMALL,) * 4,
        False,
    ),
    "line": Shape(
        lambda a, b: f"y={a}x{signed(b)}", lambda a, b: ("line", a, b), (SMALL, SMALL), False
    ),
    "equation": Shape(
        lambda a, b, c: f"{a}x{signed(b)}y={c}", proportional, (SMALL, SMALL, BIG), False
    ),
    "circle": Shape(
        lambda a, b, c: f"(x{signed(a)})^2+(y{signed(b)})^2={c}",
        lambda *n: ("circle", *n),
        (SMALL, SMALL, BIG),
        False,
    ),
    "inequality": Shape(
        lambda a, b: f"{a} < x \\le {b}", lambda a, b: ("inequality", a, b), (SMALL, BIG), False
    ),
    "base": Shape(
        lambda a, b: f"{a}_{{{b}}}", lambda a, b: ("base", a, b), ((1000, 1111), SMALL), False
    ),
    "odds": Shape(lambda a, b: f"{a}:{b}", over, (SMALL, BIG), False),
    "letter": Shape(
        lambda a: f"\\text{{({chr(64 + a)})}}", lambda a: ("letter", a), ((1, 5),), False
    ),
}


def golds(each: int) -> Iterator[tuple[str, Numbers]]:
    """`each` answers of every shape, as its name and its numbers."""
    for name, shape in SHAPES.items():
        for place in range(each):
            digest = hashlib.sha256(f"{name} {place}".encode()).digest()
            drawn = (
                int.from_bytes(digest[4 * k : 4 * k + 4], "big") for k in range(len(shape.numbers))
            )
            yield (
                name,
                tuple(
                    low + n % (high - low + 1)
                    for n, (low, high) in zip(drawn, shape.numbers, strict=True)
                ),
            )


def other_numbers(numbers: Numbers) -> Iterator[tuple[str, Numbers]]:
    """With one number in another sign, digit, order or size, or two exchanged."""
    for place, n in enumerate(numbers):
        digits = str(abs(n))
        mutated = {n + step for step in (1, -1, 2, -2, 3, 5, 7, 10, -10, 20, 100)} | {
            10 * n,
            n // 10,
            -n,
            2 * n,
            n * n,
            int(digits[::-1]),
        }
        mutated |= {
            int(digits[:at] + other + digits[at + 1 :])
            for at in range(len(digits))
            for other in "0123456789"
        }
        for other in sorted(mutated - {n}):
            yield "number", (*numbers[:place], other, *numbers[place + 1 :])
    for a in range(len(numbers)):
        for b in range(a):
            swapped = list(numbers)
            swapped[a], swapped[b] = numbers[b], numbers[a]
            yield "order", tuple(swapped)


def operations(latex: str, value: Hashable) -> Iterator[tuple[str, str]]:
    """What is done to a number or formula, where that changes it."""
    yield "plus one", f"{latex}+1"
    if value != 0:
        yield from (
            ("times ten", f"10 \\cdot ({latex})"),
            ("sign", f"-({latex})"),
            ("i", f"({latex})i"),
            ("half", f"\\frac{{{latex}}}{{2}}"),
        )
    if value not in (0, 1):
        yield from (
            ("square", f"({latex})^2"),
            ("root", f"\\sqrt{{{latex}}}"),
            ("tiny factor", f"({latex})(1+10^{{-30}})" if value else latex),
        )
    if value not in (1, -1) and value != 0:
        yield "inverse", f"\\frac{{1}}{{{latex}}}"
    yield from (
        ("list", f"{latex}, 1"),
        ("equation", f"{latex} = x+1"),
        ("variable", f"({latex})+q"),
    )


def brackets(latex: str) -> Iterator[str]:
    """Other brackets at either end of an interval or point."""
    start = latex.removeprefix("\\left")
    for opening, closing in (("[", "]"), ("(", ")"), ("[", ")"), ("(", "]")):
        changed = opening + start[1:].replace("\\right", "")[:-1] + closing
        if changed != start.replace("\\right", ""):
            yield changed


def altered(each: int) -> Iterator[Altered]:
    """Wrong answers to `each` answers of every shape."""
    for name, numbers in golds(each):
        shape = SHAPES[name]
        gold, value = shape.latex(*numbers), shape.value(*numbers)
        for kind, changed in other_numbers(numbers):
            try:
                if shape.value(*changed) != value:
                    yield Altered(gold, shape.latex(*changed), f"{name}: {kind}")
            except (ArithmeticError, ValueError, TypeError):
                continue  # no answer of that shape
        if shape.number:
            yield from (
                Altered(gold, answer, f"{name}: {kind}") for kind, answer in operations(gold, value)
            )
        if name in ("interval", "point in space", "point of fractions", "ray"):
            yield from (
                Altered(gold, answer, f"{name}: brackets")
                for answer in brackets(gold)
                if not (name == "ray" and answer[0] == "[")
            )


def rewritten(each: int) -> Iterator[Altered]:
    """Other ways to write `each` answers of every shape."""
    for name, numbers in golds(each):
        gold = SHAPES[name].latex(*numbers)
        spaced = (
            gold.replace("+", " + ").replace("=", " = ").replace(",", ", ").replace("{, }", "{,}")
        )
        ways = {
            "dfrac": gold.replace("\\frac", "\\dfrac"),
            "spaces": spaced,
            "thin spaces": f"\\,{gold}\\;",
            "dollars": f"${gold}$",
            "brackets": f"\\({gold}\\)",
            "stop": f"{gold}.",
            "braces": f"{{{gold}}}",
            "display": f"\\displaystyle {gold}",
            "unicode": gold.replace("-", "\u2212")
            .replace("\\pi", "π")
            .replace("^\\circ", "°")
            .replace("\\infty", "∞")
            .replace("\\cup", "∪"),
            "large": gold.replace("(", "\\left(").replace(")", "\\right)")
            if "\\left" not in gold and name not in ("interval", "ray")
            else gold,
            "named": f"x = {gold}" if SHAPES[name].number else gold,
            "plus zero": f"0+{gold}"
            if SHAPES[name].number and gold[0] not in "-\\" and name not in ("thousands", "mixed")
            else gold,
        }
        yield from (
            Altered(gold, way, f"{name}: {kind}") for kind, way in ways.items() if way != gold
        )
