r"""Equality of formulas and relations, decided by evaluating their LaTeX (latex2sympy2_extended).

Constants are equal when their difference is zero (`numeric`). Formulas with variables are equal
when they agree, to many digits, at points that are drawn from the names of the variables: two
different formulas of school mathematics do not agree at one such point, let alone at all. Only
points where the reference is real count, if there are such: to `\ln x + \ln y`, `\ln xy` is equal,
and not the other way round.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from typing import Any

import mpmath
import sympy
from antlr4 import Token
from latex2sympy2_extended.latex2sympy2 import ConversionConfig, _Latex2Sympy
from sympy.core.function import AppliedUndef

from selftrain_assets.domain.mathematics.comparison import Algebra
from selftrain_assets.domain.mathematics.forms import Relation
from selftrain_assets.domain.mathematics.numeric import (
    NotEvaluable,
    Point,
    is_zero,
    quotient_of,
    size_of,
    value_of,
)

POINTS = 8
INTEGERS = frozenset("nmkj")  # (-1)^n is cos(n pi) at integers alone
_FUNCTION_NAMES = frozenset("fghFGHPQTWpquv") | {
    "\\phi",
    "\\psi",
    "\\zeta",
    "\\Phi",
    "\\sigma",
    "\\tau",
    "\\mu",
}
_TURNED = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le"}
_MIXED = re.compile(r"(?<![\d.^_}])(?<!\^\{)(?<!_\{)(\d+)\s*\\frac\{(\d+)\}\{(\d+)\}")
_FACTORIAL_POWER = re.compile(r"(\d+|[a-zA-Z]|\([^()]*\))!\s*\^")
_DEGREES = re.compile(
    r"(\d+(?:\.\d+)?|\\frac\{\d+\}\{\d+\}|\([^()]*\)|[a-zA-Z])\s*\\degree(?![a-zA-Z])"
)
_COMMA_IN_NUMBER = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


class Unreadable(Exception):
    """A text that is no mathematics."""


class _Reader(_Latex2Sympy):
    """latex2sympy of one formula, corrected: `2(3)` is no mixed number, and a decimal is exact."""

    def formula(self, text: str) -> Any:
        parser = self.create_parser(text)
        tree = parser.expr()
        if parser.getCurrentToken().type != Token.EOF:
            raise Unreadable
        return self.convert_expr(tree)

    def convert_postfix_list(self, arr: Any, i: int = 0) -> Any:
        factors = [self.convert_postfix(node) for node in arr[i:]]
        if len(factors) > 1 and any(
            not isinstance(factor, sympy.Basic | sympy.MatrixBase) for factor in factors
        ):
            raise Unreadable
        product = factors[0]
        for factor in factors[1:]:
            matrices = getattr(product, "is_Matrix", False) or getattr(factor, "is_Matrix", False)
            product = (
                self.mat_mul_flat(product, factor) if matrices else self.mul_flat(product, factor)
            )
        return product

    def convert_binom(self, binom: Any) -> Any:
        return sympy.binomial(
            self.convert_expr(binom.upper), self.convert_expr(binom.lower), evaluate=False
        )

    def parse_number(self, text: str) -> Any:
        return sympy.Rational(text.replace(",", ""))


_READER = _Reader(config=ConversionConfig(lowercase_symbols=False))


@lru_cache(maxsize=256)
def expression(text: str) -> Any:
    """The text as a sympy expression or matrix. Unreadable where it is none."""
    if re.search(r"(?<![_\d])\d+\s+\d", text):
        raise Unreadable
    text = _MIXED.sub(
        lambda match: (
            f"({match[1]}+\\frac{{{match[2]}}}{{{match[3]}}})"
            if int(match[2]) < int(match[3])
            else match[0]
        ),
        text,
    )
    text = _FACTORIAL_POWER.sub(r"(\1!)^", text)
    text = _DEGREES.sub(r"(\\frac{\1\\pi}{180})", text)
    text = (
        _COMMA_IN_NUMBER.sub("", text)
        if not re.search(r"[(\[][^)\]]*,", text)
        else text.replace(",", ", ")
    )
    try:
        read = _READER.formula(text)
    except RecursionError:
        raise
    except Exception as e:  # the parser's own errors have no class of their own
        raise Unreadable from e
    if not isinstance(read, sympy.Expr | sympy.MatrixBase | sympy.MatrixExpr):
        raise Unreadable
    if read.has(sympy.nan, sympy.zoo):
        raise Unreadable
    return _without_unknown(read)


def _without_unknown(read: Any) -> Any:
    """The expression with `i` as imaginary unit, `f(x)` as a variable, and sums worked out."""
    if isinstance(read, sympy.MatrixBase | sympy.MatrixExpr):
        return read
    replaced = {node: _replace_function(node) for node in read.atoms(AppliedUndef)}
    replaced |= {
        symbol: sympy.I if symbol.name == "i" else sympy.Symbol(symbol.name)
        for symbol in read.free_symbols
    }
    with sympy.evaluate(False):
        read = read.xreplace(replaced)
    if read.has(sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit, sympy.Derivative):
        read = read.doit()
    return read


def _replace_function(node: Any) -> Any:
    r"""`f(x)` as a variable of its own, `\pi(3)` and `x(y)` as products."""
    name = node.func.__name__
    if name in _FUNCTION_NAMES or len(node.args) != 1:
        return sympy.Symbol(str(node))
    return sympy.Mul(
        sympy.pi if name == "\\pi" else sympy.Symbol(name), node.args[0], evaluate=False
    )


def scalars(answer: str, reference: str) -> bool:
    """Are two formulas equal?

    Unreadable where the answer is no mathematics; to a reference that is none, nothing is equal.
    """
    answer_formula = expression(answer)
    try:
        reference_formula = expression(reference)
    except Unreadable:
        return False
    if any(
        isinstance(formula, sympy.MatrixBase | sympy.MatrixExpr)
        for formula in (answer_formula, reference_formula)
    ):
        return _matrices(answer_formula, reference_formula)
    if answer_formula == reference_formula:
        return True
    if answer_formula.has(sympy.oo, -sympy.oo) or reference_formula.has(sympy.oo, -sympy.oo):
        return bool(answer_formula.doit() == reference_formula.doit())
    return _equal(answer_formula, reference_formula)


def _matrices(answer: Any, reference: Any) -> bool:
    a, b = answer.doit(), reference.doit()
    if not (isinstance(a, sympy.MatrixBase) and isinstance(b, sympy.MatrixBase)):
        return False
    return a.shape == b.shape and all(_equal(x, y) for x, y in zip(a.flat(), b.flat(), strict=True))


def _equal(answer: Any, reference: Any) -> bool:
    compared = 0
    for point in _points(answer, reference):
        compared += 1
        if not _equal_at(answer, reference, point):
            return False
    if compared:
        return True
    return bool(sympy.simplify(answer - reference) == 0)


def _equal_at(answer: Any, reference: Any, point: Point) -> bool:
    """By their quotient, whose distance from one does not depend on how large or small both are."""
    first, second = quotient_of(answer, point), quotient_of(reference, point)
    if first and second and first[1] and second[1]:
        return first[0] * second[1] == second[0] * first[1]
    try:
        if is_zero(lambda: value_of(reference, point), lambda: size_of(reference, point)):
            return is_zero(lambda: value_of(answer, point), lambda: size_of(answer, point))
        return is_zero(
            lambda: value_of(answer, point) / value_of(reference, point) - 1,
            lambda: size_of(answer, point) + size_of(reference, point),
        )
    except ZeroDivisionError:
        return False
    except NotEvaluable as e:
        if "unknown" in e.args:
            raise
        return False


def _points(answer: Any, reference: Any) -> Iterator[Point]:
    """Where the reference has a value, real ones if it has any; one without variables."""
    names = sorted({symbol.name for symbol in answer.free_symbols | reference.free_symbols})
    tried = [_point(names, trial) for trial in range(4 * POINTS)] if names else [{}]
    values = [(point, _value(reference, point)) for point in tried]
    defined = [(point, value) for point, value in values if value is not None]
    real = [
        point
        for point, value in defined
        if abs(mpmath.im(value)) < 1e-12 * abs(value) or value == 0
    ]
    return islice(
        real if len(real) >= POINTS // 2 or not names else [point for point, _ in defined], POINTS
    )  # type: ignore[return-value]


def _value(node: Any, point: Point) -> Any:
    try:
        value = value_of(node, point)
    except (NotEvaluable, ZeroDivisionError):
        return None
    return value if mpmath.isfinite(value) else None


def _point(names: list[str], trial: int) -> Point:
    point = {}
    for name in names:
        drawn = int.from_bytes(hashlib.sha256(f"{name} {trial}".encode()).digest()[:8], "big")
        if name in INTEGERS or trial % 4 == 3:  # where floors and ceilings jump
            point[name] = Fraction(1 + 2 * (drawn % 20) + trial % 2)
        else:
            sign = -1 if trial % 2 and drawn % 3 else 1
            point[name] = sign * Fraction(1 + drawn % 2**22, 2**20)
    return point


def relations(answer: Relation, reference: Relation) -> bool:
    """Whether two relations are equivalent.

    They are if they are the same chain, or if the differences of their sides are multiples of one
    another.
    """
    a, b = list(answer.signs), list(reference.signs)
    if len(a) != len(b):
        return False
    if len(a) > 1:
        return _chains(answer, reference) or _chains(_reverse(answer), reference)
    answer_difference, reference_difference = _difference(answer), _difference(reference)
    if a == b and a[0] in ("=", "\\ne", "\\approx"):
        return _multiples(answer_difference, reference_difference, lambda factor: True)
    if a == b:
        return _multiples(
            answer_difference, reference_difference, lambda factor: mpmath.re(factor) > 0
        )
    if _TURNED.get(a[0]) == b[0]:
        return _multiples(
            answer_difference, reference_difference, lambda factor: mpmath.re(factor) < 0
        )
    return False


def _chains(answer: Relation, reference: Relation) -> bool:
    return answer.signs == reference.signs and all(
        scalars(x, y) for x, y in zip(answer.sides, reference.sides, strict=True)
    )


def _reverse(relation: Relation) -> Relation:
    return Relation(
        relation.sides[::-1], tuple(_TURNED.get(sign, sign) for sign in relation.signs[::-1])
    )


def _difference(relation: Relation) -> Any:
    left, right = map(expression, relation.sides)
    return sympy.Add(left, sympy.Mul(-1, right, evaluate=False), evaluate=False)


def _multiples(answer: Any, reference: Any, allowed: Callable[[Any], bool]) -> bool:
    """Is one the other times a number, which is the same at all points?"""
    points = list(_points(answer, reference))
    if len(points) < 2 or answer.free_symbols != reference.free_symbols:
        return False
    first = points[0]

    def quotient(point: Point) -> Any:
        return value_of(answer, point) / value_of(reference, point)

    try:
        factor = quotient(first)
        if (
            not mpmath.isfinite(factor)
            or not allowed(factor)
            or is_zero(lambda: value_of(answer, first), lambda: size_of(answer, first))
        ):
            return False
        return all(
            is_zero(
                lambda point=point: quotient(point) / quotient(first) - 1,  # type: ignore[misc]
                lambda point=point: sum(
                    size_of(node, at) for node in (answer, reference) for at in (point, first)
                ),  # type: ignore[misc]
            )
            for point in points[1:]
        )
    except (NotEvaluable, ZeroDivisionError):
        return False


algebra = Algebra(scalars, relations)
"""What evaluation tells; it may take long, and any memory, so that it belongs into a process of
its own."""
