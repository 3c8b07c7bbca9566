"""Codec, comparison and judging: what runs on the trusted side, tested without an engine."""

import json
import math
from collections import Counter, deque
from dataclasses import replace
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Call, FuncTask, Limits, StdinCase, StdinTask, TextRule, Verdict, lower
from sandbox.compare import excerpt, same_text, same_value
from sandbox.judge import judge
from sandbox.runner.codec import UnencodableError, decode, encode, loads
from sandbox.runner.tester import wanted_names

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(plain)
def test_plain_values_come_back_as_they_were(value):
    back = decode(loads(json.dumps(encode(value))))
    assert back == value
    assert type(back) is type(value)


class Always(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


class Pair(NamedTuple):
    x: int
    y: int


class Colour(IntEnum):
    RED = 3


class Text(str):
    def __str__(self):
        return "no"


class Numbers(list):
    def __iter__(self):
        return iter([9])


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Always(1), 1),
        (Colour.RED, 3),
        (Text("a"), "a"),
        (Pair(1, Pair(2, 3)), (1, (2, 3))),
        (Numbers([1]), [1]),
        (Counter("aab"), {"a": 2, "b": 1}),
        (deque([1, 2]), [1, 2]),
        (bytearray(b"x"), b"x"),
        (Fraction(1, 3), Fraction(1, 3)),
        (Decimal("1.50"), Decimal("1.5")),
    ],
)
def test_a_subclass_is_sent_as_what_it_is_made_of(value, plain):
    back = decode(loads(json.dumps(encode(value))))
    assert back == plain
    assert type(back) is type(plain)


@pytest.mark.parametrize(
    "value", [object(), len, iter([]), range(3), [object()], {1: object()}, Numbers]
)
def test_what_is_not_plain_is_refused(value):
    with pytest.raises(UnencodableError):
        encode(value)


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "NaN",
     "1.5", "1" * 50, '{"x": 1}', '{"i": 1}', '{"i": "zz"}', '{"f": "x"}', '{"s": [[1]]}', '{"d": [[1]]}', '{"t": 1}',  # noqa: E501
     '{"i": "' + "f" * 400_000 + '"}', 
     "[" * 100_000, '{"q": ["1", "0"]}', '{"q": ["1", "-2"]}', '{"q": ["%s", "1"]}' % ("f" * 20_000), '{"n": "x"}', '{"n": "sNaN"}',  # noqa: E501
     '{"n": "1e999999999"}', '{"n": "%s"}' % ("1" * 20_000), "[" * 80 + "]" * 80,
     '{"f": "0x1p99999"}', '{"a": 1, "b": 2}', '{"b": "0"}', '{"c": ["1"]}'],
)  # fmt: skip
def test_what_cannot_be_read_raises_value_error(text):
    with pytest.raises(ValueError):  # noqa: PT011
        decode(loads(text))


@pytest.mark.parametrize(
    ("got", "expected", "rule", "same"),
    [
        ("a \nb\n\n", "a\nb", TextRule(), True),
        ("a\n\nb", "a\nb", TextRule(), False),
        (" a", "a", TextRule(), False),
        ("a  b\nc", "a b c", TextRule(words=True), True),
        ("1000", "1e3", TextRule(words=True), False),
        ("1000", "1e3", TextRule(tolerance=0), True),
        ("0.1 x", "0.1000001 x", TextRule(tolerance=1e-6), True),
        ("nan", "nan", TextRule(tolerance=1), True),
        ("nan", "1", TextRule(tolerance=1), False),
        ("inf", "1e999", TextRule(tolerance=1), False),
        ("1e999", "1e998", TextRule(tolerance=1), False),
        ("1234567891", "1234567890", TextRule(tolerance=1e-6), False),
        ("1e9", "999999999", TextRule(tolerance=1e-6), False),
        ("999999999.5", "999999999", TextRule(tolerance=1e-6), False),
        ("1000000000000000000", "999999999999999999", TextRule(tolerance=1e-6), False),
        ("1" * 29 + "0", "1" * 30, TextRule(tolerance=1e-6), False),
        ("1_000", "1000", TextRule(tolerance=1e-6), False),
        ("123", "000123", TextRule(tolerance=1e-6), False),
        ("\u0661", "1", TextRule(tolerance=1e-6), False),
        ("3", "3.0000001", TextRule(tolerance=1e-6), True),
        ("3.0", "3", TextRule(tolerance=1e-6), True),
        ("1.0", "1", TextRule(decimals=True), True),
        ("0.50 -0.0\n", "\n0.5 0", TextRule(decimals=True), True),
        ("0.00001", "1.0E-5", TextRule(decimals=True), True),
        ("+5 .5 5.", "5 0.5 5", TextRule(decimals=True), True),
        ("0.50001", "0.5", TextRule(decimals=True), False),
        ("1\n2", "1 2", TextRule(decimals=True), False),
        ("1\n\n2", "1\n2", TextRule(decimals=True), False),
        ("007", "7", TextRule(decimals=True), False),
        ("nan", "nan", TextRule(decimals=True), True),
        ("1e" + "9" * 30, "1", TextRule(decimals=True), False),
        ("1e" + "9" * 17, "2e" + "9" * 17, TextRule(decimals=True, tolerance=1), False),
        ("b\na", "a\nb", TextRule(any_order=True), True),
        ("2 1\n\n3", "3\n1 2", TextRule(any_order=True), True),
        ("1 2", "1 2 2", TextRule(any_order=True), False),
        ("1\n2", "1 2", TextRule(any_order=True), False),
        ("a\na\nb", "a\nb\nb", TextRule(any_order=True), False),
        ("b 1.0\na", "a\n1 b", TextRule(any_order=True, decimals=True), True),
        ("0.3333333333\n2", "0.33333\n2", TextRule(any_order=True, tolerance=1e-5), True),
        ("1e300000000 1", "1 2", TextRule(any_order=True, tolerance=1), False),
        ("9" * 500, "9" * 499 + "8", TextRule(tolerance=1), False),
        ("1 2", "1", TextRule(words=True), False),
    ],
)
def test_text_is_compared_by_the_declared_rule(got, expected, rule, same):
    assert same_text(got, expected, rule) is same


@pytest.mark.parametrize(
    ("got", "expected", "tolerance", "same"),
    [
        (1.0, 1, 0.0, True),
        (1.01, 1, 0.0, False),
        (1.01, 1.0, 0.1, True),
        (1.01, 1, 0.1, False),
        (1, 1.01, 0.1, False),
        (10**18, 1e18, 0.1, True),
        (10**18 + 1, 1e18, 0.1, False),
        (True, 1, 0.0, True),
        ([1.01, (2.0,)], [1.0, (2,)], 0.1, True),
        ([1.0], (1.0,), 0.1, False),
        ({"a": 1.01}, {"a": 1.0}, 0.1, True),
        (math.nan, math.nan, 0.1, False),
        ("1.0", 1.0, 0.1, False),
        (10**400, 1.0, 0.1, False),
        (None, 0.0, 1.0, False),
    ],
)
def test_values_are_compared_by_the_declared_tolerance(got, expected, tolerance, same):
    assert same_value(got, expected, tolerance) is same


@pytest.mark.parametrize(
    ("got", "expected", "same"),
    [
        ((1, 2), [1, 2], True),
        ([(1, (2,))], [[1, [2]]], True),
        ({1: (2,)}, {"1": [2]}, True),
        ({True: 1, None: 2, 1.5: 3}, {"true": 1, "null": 2, "1.5": 3}, True),
        ({"1": 1}, {"1": 1}, True),
        ({1: 1, "1": 1}, {"1": 1}, False),
        ({10**5000: 1}, {"1": 1}, False),
        ({(1, 2): 3}, {"(1, 2)": 3}, False),
        ({1, 2}, [1, 2], False),
        ((2, 1), [1, 2], False),
        ("12", ["1", "2"], False),
        ((1.0,), [1], True),
    ],
)
def test_what_json_cannot_tell_apart_is_alike(got, expected, same):
    assert same_value(got, expected, from_json=True) is same
    assert same_value(got, expected) is (got == expected)


def test_an_excerpt_is_short_whatever_the_value():
    for value in (1 << 10**6, "x" * 10**6, [["x"] * 1000] * 1000):
        assert len(excerpt(value)) <= 200


def report(**change):
    end = {"exit": 0, "cpu": 0.1, "wall": 0.1, "memory": 1}
    base = {
        "program": end | change.pop("end", {}),
        "out": "1\n",
        "err": "",
        "over": False,
        "results": "",
        "late": False,
    }
    return base | change


SCRIPT = StdinTask("", (StdinCase("", "1"),), limits=Limits(cpu_seconds=1))
FUNCTION = FuncTask("", "f", (Call((), 1), Call((), 2)), limits=Limits(cpu_seconds=1))


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, "pass"),
        ({"end": {"cpu": 1.1}}, "timeout"),
        ({"late": True}, "timeout"),
        ({"over": True}, "resource"),
        ({"end": {"exit": -9}}, "resource"),
        ({"end": {"exit": -24}}, "timeout"),
        ({"end": {"exit": 3}}, "wrong"),
        ({"end": {"exit": 1}, "err": "MemoryError\n"}, "resource"),
        ({"out": "2"}, "wrong"),
        ({"results": '{"malformed": "no"}\n'}, "malformed"),
    ],
)
def test_a_script_passes_only_if_all_is_well(change, outcome):
    assert judge(SCRIPT, [report(**change)]).outcome == outcome


@pytest.mark.parametrize(
    ("end", "err", "outcome"),
    [
        (1, "done\n", "pass"),
        (3, "", "pass"),
        (
            1,
            'Traceback (most recent call last):\n  File "program.py", line 1\nValueError\n',
            "wrong",
        ),
        (1, '...\n  File "program.py", line 1\nValueError\n', "wrong"),
        (-11, "", "wrong"),
    ],
)
def test_a_status_may_be_ignored_but_no_exception(end, err, outcome):
    changed = report(end={"exit": end}, err=err)
    assert judge(SCRIPT, [changed]).outcome == "wrong"
    assert judge(replace(SCRIPT, any_status=True), [changed]).outcome == outcome


@pytest.mark.parametrize(
    ("results", "outcome", "case"),
    [
        ('{"v": 1}\n{"v": 2}\n', "pass", None),
        ('{"v": 1}\n', "wrong", 1),
        ('{"v": 1}\n{"v": 2}', "wrong", 1),
        ('{"v": 1}\n{"v": 2}\n{"v": 3}\n', "wrong", 1),
        ('{"v": 1}\n{"v": 3}\n', "wrong", 1),
        ('{"v": 1, "w": 2}\n{"v": 2}\n', "wrong", 0),
        ('\n{"v": 1}\n{"v": 2}\n', "wrong", 0),
        ("", "wrong", 0),
    ],
)
def test_a_function_passes_only_with_exactly_one_right_line_per_call(results, outcome, case):
    verdict = judge(FUNCTION, [report(results=results)])
    assert (verdict.outcome, verdict.case) == (outcome, case)


def test_missing_reports_are_nobodys_fault():
    assert judge(SCRIPT, []).outcome == "infra_error"
    assert judge(FUNCTION, []).outcome == "infra_error"


def test_tests_take_from_the_program_only_what_is_defined_nowhere_else():
    import ast

    tree = ast.parse(
        "import math\ndef check(c):\n    y = c(Pair(1))\n    assert abs(math.pi - y) < eps and"
        " isinstance(y, float)\ncheck(f)"
    )
    assert wanted_names([tree]) == {"Pair", "eps", "f"}


def test_literal_asserts_become_calls():
    tests = ["assert f(1, [2], key=(3,)) == {'a': -1}\nassert f() == None", "assert f({1}) == 1.5"]
    assert lower(tests, "f") == (
        Call((1, [2]), {"a": -1}, {"key": (3,)}),
        Call((), None),
        Call(({1},), 1.5),
    )


@pytest.mark.parametrize(
    "test",
    ["assert f(x) == 1", "assert f(1) == g(1)", "assert g(1) == 1", "assert f(1) is True", "assert f(1)", "x = 1", "assert f(*[1]) == 1",  # noqa: E501
     "assert f(**{'a': 1}) == 1", "assert f(1) == 1 == 1", "assert abs(f(1) - 1) < 1", "assert f(1) == ...", "assert (", ""],  # noqa: E501
)  # fmt: skip
def test_other_tests_are_left_to_rpc(test):
    assert lower([test], "f") is None


def test_what_a_program_had_a_hand_in_can_be_written_down():
    verdict = Verdict("wrong", "func", reason="raised ValueError: \ud800", output="ü\udfff")
    assert (verdict.reason, verdict.output) == ("raised ValueError: \\ud800", "ü\\udfff")
    assert replace(verdict, case=1).output == verdict.output
