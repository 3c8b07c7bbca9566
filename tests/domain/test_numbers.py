"""Numbers: what a text says, and values written so that they read back."""

import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.numbers import last_number, number, plain, stated


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (6, "6"),
        (6.0, "6"),
        (-0.0, "0"),
        (1e-05, "0.00001"),
        (4e16, "40000000000000000"),
        (1e22, "10000000000000000000000"),
        (0.1, "0.1"),
        (Decimal("1E+2"), "100"),
        (Decimal("1.500"), "1.5"),
        (Fraction(1, 3), "1/3"),
        (Fraction(-4, 2), "-2"),
        (10**5000, "1" + "0" * 5000),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
        (Decimal("1E+999999999"), "1E+999999999"),
        (Decimal("Infinity"), "Infinity"),
    ],
    ids=lambda value: (
        ascii(value)[:20] if isinstance(value, (str, float)) else type(value).__name__
    ),
)
def test_values_are_written_without_exponent(value, text):
    assert plain(value) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", "1/100000"),
        ("-3.5E+2", "-350"),
        ("\u22125", "-5"),
        ("\uff0d\uff11\uff12\uff0e\uff15", "-25/2"),
        ("\u0663\u066b\u0665", "7/2"),
        ("1 234 567,8", "6172839/5"),
        ("1.234,5", "2469/2"),
        ("1.234", "617/500"),
        ("1,234", "1234"),
        ("12,34,567", "1234567"),
        ("0,111", "111/1000"),
        (r"1,\!234", "1234"),
        ("$-5", "-5"),
        ("-$1,234.50", "-2469/2"),
        ("minus 5", "-5"),
        ("50%", "50"),
        (r"\frac{5}{-2}", "-5/2"),
        ("-3\u00bd", "-7/2"),
        (r"3\frac12", "7/2"),
        ("11/2", "11/2"),
        (r"0.1\overline{6}", "1/6"),
        ("10\u207b\u00b3", "1/1000"),
        ("6x10^3", "6000"),
        ("(1/2)", "1/2"),
        ("x_1 = 13", "13"),
        ("4 * 12 = 48 apples", "48"),
        ("48 = 4 * 12", "48"),
        ("20% of 50 = 10", "10"),
        ("about $2.5 million", "2500000"),
        ("12 cm^2", "12"),
        ("60 km/h", "60"),
        ("0.5 or 50%", "1/2"),
        ("42, not 43", "42"),
        ("<b>7</b>", "7"),
        ("twelve", None),
        ("5 of 6", None),
        ("2 and 3", None),
        ("3-5", None),
        ("5 * 5", None),
        ("10:30", None),
        ("2024-05-01", None),
        ("1/2/2", None),
        ("3 hours 20 minutes", None),
        ("(2,5)", None),
        ("192.168.0.1", None),
        ("2 + 3i", None),
        ("3j", None),
        (r"2\pi", None),
        (r"\sqrt{2}", None),
        (r"\frac{a}{2}", None),
        ("5x", None),
        ("x^2", None),
        ("x > 5", None),
        (r"\pm 3", None),
        ("5M", None),
        ("H2O", None),
        ("0/0", None),
        ("1e999999", None),
        ("2^99999", None),
        ("9" * 10_001, None),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_the_number_that_a_text_is(text, value):
    assert number(text) == (None if value is None else Fraction(value))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("42 apples in 3 baskets", [42]),
        ("42 (out of 50)", [42]),
        ("not 5 but 6", [6]),
        ("Step 1: 5 + 7 = 12", [12]),
        ("x = 3, y = 4", [3, 4]),
        ("2x = 10, so x = 5", [5]),
        ("between 5 and 6", [5, 6]),
        ("5 (or 6)", [5, 6]),
        ("5 or 2\u03c0", [5, None]),
        ("", []),
    ],
)
def test_the_numbers_that_a_short_answer_states(text, values):
    assert stated(text) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("They had 5, then 3 more, so 8.", [8]),
        ("It is 5 or 6.", [5, 6]),
        ("It is 5.\n10:30", [10, 30]),
        ("so 2x", [None]),
        ("none", []),
    ],
)
def test_the_last_number_of_a_text(text, values):
    assert last_number(text) == values


@given(st.integers() | st.fractions() | st.decimals(-(10**20), 10**20, allow_nan=False))
def test_what_is_written_reads_back(value):
    assert number(plain(value)) == Fraction(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_read_back_as_the_same_float(value):
    assert float(number(plain(value))) == value
    assert "e" not in plain(value)


STYLES = (
    str,
    "{:,}".format,
    lambda n: f"{n:,}".replace(",", " "),
    lambda n: f"{n:,}".replace(",", "{,}"),
    lambda n: f"{n:,}".replace(",", r"\,"),
    lambda n: f"{n:,}".replace(",", "'"),
    "{:_}".format,
    lambda n: str(n).replace("-", "\N{MINUS SIGN}"),
    lambda n: str(n).translate({48 + d: 0xFF10 + d for d in range(10)}),
    lambda n: f"{n}.0",
    lambda n: f"{n}e0",
    lambda n: rf"\frac{{{n}}}{{1}}",
    lambda n: f"{n}/1",
    lambda n: rf"${n} \times 10^{{0}}$",
    lambda n: f"**{n}**",
    lambda n: rf"\text{{{n} apples}}",
    lambda n: f"{n}%",
    lambda n: f"x = {n}",
    lambda n: f"about {n} km",
    lambda n: f"{n} (in all)",
)


@given(st.integers(-(10**12), 10**12), st.sampled_from(STYLES))
def test_a_number_is_the_same_in_every_style(value, written):
    assert number(written(value)) == value


HEDGES = (
    "{} or {}",
    "{} and {}",
    "{}, {}",
    "{} to {}",
    "{}; {}",
    "either {} or {}",
    "{} (or {})",
    "{}, maybe {}",
    "{} - {}",
    "{}:{}",
    "{} * {}",
)


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.sampled_from(HEDGES))
def test_two_numbers_are_never_one(a, b, between):
    assert number(between.format(a, b)) in ((a, None) if a == b else (None,))


@given(st.text(max_size=60) | st.text("0123456789.,/$+-^eEx*=%{}\\ ()oriand:'_", max_size=60))
def test_any_text_is_read(text):
    for value in (number(text), *stated(text), *last_number(text)):
        assert value is None or isinstance(value, Fraction)


PIECES = (
    "9",
    "1,",
    "1,235,",
    "1 ",
    "1/",
    "(-",
    "\u00bd",
    "=1",
    r"\frac{1}{",
    "1 or ",
    "2^",
    "not ",
    "5 a b c d ",
)


@pytest.mark.parametrize("piece", PIECES, ids=ascii)
def test_a_long_text_costs_little(piece):
    text = piece * (100_000 // len(piece))
    started = time.process_time()
    assert number(text) is None
    stated(text)
    assert time.process_time() - started < 5
