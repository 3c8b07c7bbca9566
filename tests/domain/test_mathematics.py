# ruff: noqa: RUF001, SIM905
"""Mathematical answers: one way to write them, their normal forms, and what can be told at once."""

import json
from fractions import Fraction
from pathlib import Path

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.mathematics.comparison import at_once, same
from selftrain_assets.domain.mathematics.notation import written_out
from selftrain_assets.domain.mathematics.numerals import exact_number
from selftrain_assets.domain.mathematics.numeric import is_zero
from selftrain_assets.domain.mathematics.reading import normal_form, read, vote

PAIRS = [
    json.loads(line)
    for line in (
        Path(__file__).parents[1].joinpath("verifiers", "math_pairs.jsonl").read_text().splitlines()
    )
]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (r"\frac ab", r"\frac{a}{b}"),
        (r"\dfrac1{2}", r"\frac{1}{2}"),
        (r"\frac{\sqrt3}2", r"\frac{\sqrt{3}}{2}"),
        (r"{1 \over 2}", r"\frac{1 }{ 2}"),
        ("√(x+1)", r"\sqrt{x+1}"),
        ("2½", r"2\frac{1}{2}"),
        ("3\N{FRACTION SLASH}4", r"\frac{3}{4}"),
        ("x¹²+y₁", "x^{12}+y_{1}"),
        ("６×１０³", r"6\times 10^{3}"),
        (r"11,\! 111,\! 100", "11111100"),
        (r"200,\ 100", "200, 100"),
        (r"0.1\dot{2}3\dot{4}", r"\frac{1233}{9990}"),
        ("0.1666...", r"\frac{15}{90}"),
        (
            r"\left[\begin{array}{cc}1 & 2 \\ 3 & 4\end{array}\right]",
            r"\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix}",
        ),
        (r"\begin{aligned} x &= 2+1 \\ &= 3 \end{aligned}", "x  = 2+1 = 3"),
        (
            r"\begin{cases} x & x>0 \\ -x & x\le 0 \end{cases}",
            r"x\text{ if }x>0\text{; }-x\text{ if }x\le 0",
        ),
        (r"\\left(\\frac{1}{5}, 2\\right)", r"(\frac{1}{5}, 2 )"),
        (r"15\mathrm{~cm}^2", r"15\text{ cm}^2"),
        ("\x00\ud800 5", "\N{REPLACEMENT CHARACTER} 5"),
    ],
)
def test_one_way_to_write(text, written):
    assert written_out(text) == written


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("0.50", "1/2"),
        (r"\dfrac{2}{4}", "1/2"),
        (r"2\frac{1}{2}", "5/2"),
        ("2 1/2", "5/2"),
        (r"5\frac{7}{3}", "35/3"),
        (r"-\frac{1}{2}", "-1/2"),
        ("1,234,567", "1,234,567"),
        (r"1{,}234.5", "2469/2"),
        (r"\$12.50", "25/2 [dollar]"),
        (r"2.5 \times 10^{3}", "2500"),
        ("1.5e-3", "3/2000"),
        ("1e999999999", "1e999999999"),
        (r"50\%", "50 [%]"),
        ("28 per cent", "28 [%]"),
        (r"12\text{ cm}^2", "12 [cm^2]"),
        ("12 square centimeters", "12 [cm^2]"),
        ("12 apples", "12 [apple]"),
        (r"90^\circ", "90 [degree]"),
        (r"45^\circ, 135^\circ", "45 [degree], 135 [degree]"),
        (r"4\sqrt{5}\text{ cm}", r"4\sqrt{5} [cm]"),
        (r"5\,\frac{\text{m}}{\text{s}}", "5 [m/s]"),
        (r"\text{Odd}", "«odd»"),
        (r"\textbf{(B)}", "B"),
        ("Alice and Bob", "«alice and bob»"),
        ("no solution", "«no solution»"),
        ("x = 5", "x = 5"),
        ("5 = x", "x = 5"),
        (r"4 \cdot 12 = 48", "48"),
        ("7 = 11a+c", "7 = 11a+c"),
        (r"x = -2 \text{ or } x = 3", "x = -2, 3"),
        ("x = 1, y = 2", "x = 1, y = 2"),
        ("p=5,q=2;p=7,q=2", "(5, 2), (7, 2)"),
        (r"a=4,\,-8,\,-10", "a = 4, -8, -10"),
        ("x=±2", "x = 2, -2"),
        (r"\left( 1, 2 \right]", "(1, 2]"),
        ("(1,100)", "(1, 100)"),
        ("]0,1[", "(0, 1)"),
        ("0<x<100", "x = (0, 100)"),
        (r"\{x \mid x > 5\}", r"x = (5, \infty)"),
        (r"1\leq|z|\leq \frac{3}{2}", r"z = [-3/2, -1] \cup [1, 3/2]"),
        (r"x \ne 0", r"x = \mathbb{R} \setminus \{0\}"),
        ("∅", r"\{\}"),
        ("3, 4, 5", "3, 4, 5"),
        ("1,100, 200", "1,100, 200"),
        (r"1, 2, \text{ and } 3", "1, 2, 3"),
        (r"3 \cdot x", r"3\cdot x"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix}1 \\ 2\end{pmatrix}"),
        (r"12_{\text{five}}", "12_{5}"),
        ("...", None),
        ("=", None),
        ("(1,", None),
        (r"\frac{1}{2", None),
        ("9" * 2000, None),
        ("(" * 400 + "1" + ")" * 400, "1"),
        ("{(" * 60 + "x" + ")}" * 60, "x"),
    ],
)
def test_normal_forms(text, normal):
    assert normal_form(text) == normal


@pytest.mark.parametrize(
    ("text", "voted"),
    [
        ("x = 1,234", "1234"),
        ("1{,}234", "1234"),
        (r"\text{Odd}", "odd"),
        ("x = 1, 2", "1, 2"),
        ("50%", "50 [%]"),
    ],
)
def test_equal_answers_are_one_vote(text, voted):
    assert vote(normal_form(text)) == voted


def test_a_normal_form_reads_as_the_same_form():
    for text in {text for pair in PAIRS for text in (pair["gold"], pair["answer"])}:
        if (normal := normal_form(text)) is not None:
            assert read(normal) == read(text), text


BRACKETS = (
    r"( ) [ ] { } \{ \} \frac \sqrt \text{ $ \ \\ \begin{pmatrix} \end{pmatrix} \begin{aligned}"
    r" \end{aligned}".split()
)
SIGNS = (
    r"1 2 0. x y e f( = < \le , ; \pm \cup and ^ _ | & ! : / % 1,234 cm ½ ² \degree \infty \in"
    r" \setminus".split()
)
ODD = [" ", "\n", "\x00", "\udc00", r"\$"]


@given(st.lists(st.sampled_from([*BRACKETS, *SIGNS, *ODD]), max_size=60).map("".join))
def test_any_text_has_a_normal_form_or_none_and_is_compared(text):
    form, reference = read(text), read(r"\frac{1}{2}+x")
    assert form is None or same(form, form, at_once) is True
    assert form is None or same(form, reference, at_once) in (True, False, None)
    if (normal := normal_form(text)) is not None:
        assert "\n" not in normal
        normal.encode()  # it can be stored


@given(st.fractions(), st.sampled_from(["{}", "{} ", "${}$", "({})", "+{}", "{}.", "x = {}"]))
def test_a_fraction_is_read_exactly_however_it_is_written(value, frame):
    text = frame.format(f"\\frac{{{value.numerator}}}{{{value.denominator}}}")
    form, reference = read(text), read(str(value))
    assert form is not None
    assert reference is not None
    assert same(form, reference, at_once) is True
    assert exact_number(str(value)) == value


def test_most_comparisons_need_no_worker():
    asked = [
        same(answer, gold, at_once)
        for pair in PAIRS
        if (gold := read(pair["gold"])) and (answer := read(pair["answer"]))
    ]
    assert sum(found is None for found in asked) < len(asked) / 2


def test_what_is_told_at_once_is_right():
    for pair in PAIRS:
        gold, answer = read(pair["gold"]), read(pair["answer"])
        if gold and answer and (found := same(answer, gold, at_once)) is not None:
            assert found == (pair["label"] == "equal"), pair


@pytest.mark.parametrize("power", [1, 20, 400, 5000])
def test_no_value_is_zero_because_it_is_small(power):
    tiny = Fraction(1, 2**power)
    size = 2.0 * power

    def value(difference):
        return lambda: (
            mpmath.sqrt(2) ** 2 - 2 + mpmath.mpf(difference.numerator) / difference.denominator
        )

    assert not is_zero(value(tiny), lambda: size)
    assert is_zero(value(Fraction(0)), lambda: size)
