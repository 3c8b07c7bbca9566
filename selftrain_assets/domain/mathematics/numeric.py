"""Whether the value of an expression is zero, decided by evaluating it to more and more digits.

No result is rounded to zero because it is small. A value is not zero once two precisions agree on
its leading digits, which holds for 10^-20 as for 10^-20000. It is taken for zero when it still
vanishes at a precision of several times the size of the expression, written out: for rational
numbers that is exact, since a fraction cannot be smaller than one over its denominator; for others
it is what is known to hold for all expressions that are not built to be a counterexample (the
uniformity conjecture of Richardson). A point is given by the values of the variables.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import mpmath
import sympy
from mpmath import mp

START = 64  # bits
SPARE = 256  # bits beyond the size of the expression
AGREE = 2**-8
LARGEST = 2_000_000  # bits of a power that is written out
LARGEST_FACTORIAL = 100_000

Point = Mapping[str, Fraction]


class NotEvaluable(Exception):
    """The expression has a part without a value: an unsolved integral, a pole, infinity."""


def is_zero(value: Callable[[], Any], size: Callable[[], float]) -> bool:
    """Is it zero?

    `value` evaluates at the precision that mpmath is set to, `size` gives the bits of the
    expression.
    """
    precision, needed = START, 0.0
    while True:
        with mp.workprec(precision):
            coarse = value()
        with mp.workprec(2 * precision):
            fine = value()
        if not mpmath.isfinite(fine):
            raise NotEvaluable
        if fine and abs(coarse - fine) <= AGREE * abs(fine):
            return False
        if abs(fine) > mpmath.mpf(2) ** precision:
            raise NotEvaluable("a pole")
        needed = needed or 2 * size() + SPARE
        if precision > needed and abs(fine) < mpmath.mpf(2) ** (-precision):
            return True
        precision = int(min(4 * precision, max(2 * precision, needed + 1)))


def quotient_of(node: Any, point: Point) -> tuple[int, int] | None:
    """Numerator and denominator of a rational number, computed in whole numbers.

    None where the value is not rational, or too large to be written out.
    """
    if node.is_Rational:
        return int(node.p), int(node.q)
    if node.is_Symbol:
        return point[node.name].as_integer_ratio()
    parts = [quotient_of(argument, point) for argument in node.args]
    known = [part for part in parts if part is not None]
    if not parts or len(known) < len(parts):
        return None
    if node.is_Add or node.is_Mul:
        over, under = known[0]
        for p, q in known[1:]:
            over, under = (
                (over * q + p * under, under * q) if node.is_Add else (over * p, under * q)
            )
        return over, under
    (p, q), whole = known[0], known[-1][0] if known[-1][1] == 1 else None
    if whole is None or (p.bit_length() + q.bit_length()) * abs(whole) > LARGEST:
        return None
    if node.is_Pow:
        if not p and whole <= 0:
            return None
        return (p**whole, q**whole) if whole >= 0 else (q**-whole, p**-whole)
    if isinstance(node, sympy.factorial) and 0 <= whole <= LARGEST_FACTORIAL:
        return math.factorial(whole), 1
    return None


def value_of(node: Any, point: Point) -> Any:
    """The value of a sympy expression, real or complex, at the precision that mpmath is set to."""
    if node.is_Integer:
        return mpmath.mpf(int(node))
    if node.is_Rational:
        return mpmath.mpf(int(node.p)) / int(node.q)
    if node.is_Symbol:
        chosen = point[node.name]
        return mpmath.mpf(chosen.numerator) / chosen.denominator
    if (constant := _CONSTANTS.get(node)) is not None:
        return constant()
    if node.is_Add:
        return mpmath.fsum(value_of(term, point) for term in node.args)
    if node.is_Mul:
        return mpmath.fprod(value_of(factor, point) for factor in node.args)
    if node.is_Pow:
        return _power(node, point)
    function = _FUNCTIONS.get(type(node).__name__)
    if function is None:
        raise NotEvaluable("unknown")
    try:
        return function(*(value_of(argument, point) for argument in node.args))
    except (ZeroDivisionError, ValueError, TypeError) as e:
        raise NotEvaluable from e


def _power(node: Any, point: Point) -> Any:
    """With the real root of a negative number where the root is odd, as at school."""
    base, exponent = value_of(node.base, point), value_of(node.exp, point)
    if base == 0 and not (mpmath.im(exponent) == 0 and mpmath.re(exponent) > 0):
        raise NotEvaluable("a power of zero")
    if node.exp.is_Integer:
        return base ** int(node.exp)
    if node.exp.is_Rational and node.exp.q % 2 and mpmath.im(base) == 0 and mpmath.re(base) < 0:
        root = (-mpmath.re(base)) ** exponent
        return -root if node.exp.p % 2 else root
    return mpmath.power(base, exponent)


def size_of(node: Any, point: Point) -> float:
    """How many bits the numbers in an expression have, with powers and factorials written out."""
    if node.is_Rational:
        return int(node.p).bit_length() + int(node.q).bit_length()
    if node.is_Symbol:
        return size_of(sympy.Rational(point[node.name].numerator, point[node.name].denominator), {})
    inside = sum(size_of(argument, point) for argument in node.args)
    with mp.workprec(START):
        if node.is_Pow:
            return inside + size_of(node.base, point) * _magnitude(node.exp, point)
        if type(node).__name__ in _GROWING:
            return inside + sum(
                _magnitude(argument, point) * (2 + size_of(argument, point))
                for argument in node.args
            )
    return inside + 4


def _magnitude(node: Any, point: Point) -> float:
    value = abs(value_of(node, point))
    return float(value) if value < 1e300 else 1e300


def _near_integer(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What the rounding of an integer's value would push over an edge is taken for the integer."""

    def rounded(value: Any) -> Any:
        nearest = mpmath.nint(mpmath.re(value))
        return (
            nearest if abs(value - nearest) < mpmath.mpf(2) ** (-mp.prec // 2) else function(value)
        )

    return rounded


def _mod(a: Any, b: Any) -> Any:
    return a - b * _near_integer(mpmath.floor)(a / b)


_CONSTANTS: dict[Any, Callable[[], Any]] = {
    sympy.I: lambda: mpmath.mpc(0, 1),
    sympy.pi: lambda: +mp.pi,
    sympy.E: lambda: +mp.e,
    sympy.GoldenRatio: lambda: +mp.phi,
    sympy.EulerGamma: lambda: +mp.euler,
    sympy.Catalan: lambda: +mp.catalan,
}
_GROWING = {"exp", "factorial", "gamma", "binomial", "sinh", "cosh"}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "UnevaluatedExpr": lambda value: value,
    "exp": mpmath.exp,
    "log": lambda value, base=None: (
        mpmath.log(value) / (mpmath.log(base) if base is not None else 1)
    ),
    "Abs": abs,
    "factorial": mpmath.factorial,
    "gamma": mpmath.gamma,
    "binomial": mpmath.binomial,
    "floor": _near_integer(mpmath.floor),
    "ceiling": _near_integer(mpmath.ceil),
    "Mod": _mod,
    "Max": lambda *values: max(values),
    "Min": lambda *values: min(values),
    "sign": mpmath.sign,
    "re": mpmath.re,
    "im": mpmath.im,
    "conjugate": mpmath.conj,
    **{
        name: getattr(mpmath, name)
        for name in (
            "sin",
            "cos",
            "tan",
            "cot",
            "sec",
            "csc",
            "asin",
            "acos",
            "atan",
            "acot",
            "asec",
            "acsc",
        )
    },
    **{
        name: getattr(mpmath, name)
        for name in (
            "sinh",
            "cosh",
            "tanh",
            "coth",
            "sech",
            "csch",
            "asinh",
            "acosh",
            "atanh",
            "zeta",
        )
    },
}
