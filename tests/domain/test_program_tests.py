"""Tests of programs as they stand in problem sets: three forms in, one canonical text out."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftrain_assets.domain.program_tests import ProgramTests, read_tests

CHECK = "def check(candidate):\n    assert candidate(1) == 2\n"
ATOMS = st.none() | st.booleans() | st.integers() | st.text()
PLAIN = st.recursive(ATOMS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


def test_code_may_come_as_a_text_or_as_a_list():
    assert (
        read_tests("assert f(1) == 2")
        == read_tests(["assert f(1) == 2"])
        == ProgramTests("f", asserts=("assert f(1) == 2",))
    )


@pytest.mark.parametrize(
    ("tests", "entry"),
    [
        ("assert f(1) == 2", "f"),
        ("assert abs(f(1.0) - 2) < 1e-9", "f"),
        ("assert sorted(f([2, 1])) == [1, 2]", "f"),
        ("def close(a, b): return abs(a - b) < 1\nassert close(f(1), 2)", "f"),
        ("import math\nassert math.isclose(f(1), 2)", "f"),
        ("assert sum(10, 15) == 6", "sum"),
    ],
)
def test_the_function_is_found_in_the_tests_where_no_entry_names_it(tests, entry):
    assert read_tests(tests).entry == entry


def test_a_function_named_check_is_called_as_human_eval_means_it():
    assert read_tests(CHECK, "f").asserts == (CHECK + "\ncheck(f)",)
    called = CHECK + "\ncheck(f)"
    assert read_tests(called, "f").asserts == (called,)


def test_calls_and_cases():
    calls = read_tests(
        [{"args": [1, [2]], "expected": 3}, {"kwargs": {"x": 1}, "expected": None}], "f"
    )
    assert calls.calls == (([1, [2]], {}, 3), ([], {"x": 1}, None))
    assert read_tests([{"input": "1\n", "output": "2\n"}, {"output": 3}]).cases == (
        ("1\n", "2\n"),
        ("", "3"),
    )


@pytest.mark.parametrize(
    ("tests", "cases"),
    [
        ([{"input": ["1 2", "3 4"], "output": ["3", "7"]}], (("1 2\n3 4", "3\n7"),)),
        ([{"input": [1, 2.5], "output": []}], (("1\n2.5", ""),)),
        ([{"input": None, "output": "0"}], (("", "0"),)),
        ([{"input": math.nan, "output": "0"}], (("", "0"),)),
        (
            [{"input": "1", "output": "2", "args": None, "expected": None, "kwargs": None}],
            (("1", "2"),),
        ),
        (
            [{"input": None, "output": "2", "args": math.nan, "expected": None, "type": None}],
            (("", "2"),),
        ),
    ],
)
def test_lines_are_joined_and_nulls_are_missing_in_printed_cases(tests, cases):
    assert read_tests(tests) == ProgramTests(cases=cases)


@pytest.mark.parametrize(
    ("tests", "calls"),
    [
        ([{"args": [1, 2], "expected": 3, "input": None, "output": None}], (([1, 2], {}, 3),)),
        ([{"args": [], "expected": None, "input": None, "output": None}], (([], {}, None),)),
        ([{"args": None, "kwargs": {"x": None}, "expected": 3}], (([], {"x": None}, 3),)),
        (
            [{"args": [None], "expected": None}, {"expected": None}],
            (([None], {}, None), ([], {}, None)),
        ),
    ],
)
def test_nulls_are_missing_in_calls_but_for_what_is_expected(tests, calls):
    assert read_tests(tests, "f") == ProgramTests("f", calls=calls)


CASE = [{"input": "1", "output": "2"}]


def test_limits_and_checker_of_a_problem():
    found = read_tests([{"input": "1"}], checker="print(1)", time_limit=2, memory_limit=256.0)
    assert (found.cases, found.checker, found.time_limit, found.memory_limit) == (
        (("1", ""),),
        "print(1)",
        2.0,
        256.0,
    )
    assert ProgramTests.from_json(found.to_json()) == found
    assert read_tests(CASE, checker=None, time_limit=math.nan, memory_limit=None) == read_tests(
        CASE
    )
    assert (
        read_tests(CASE, time_limit=2).to_json()
        != read_tests(CASE, time_limit=3).to_json()
        != read_tests(CASE).to_json()
    )


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (
            {"time_limit": 0},
            '"time_limit" must be a number of seconds, above 0 and up to 600, not 0',
        ),
        ({"time_limit": 2000}, '"time_limit" must be a number of seconds'),
        ({"time_limit": "2 s"}, "not '2 s'"),
        ({"time_limit": True}, '"time_limit" must be'),
        ({"time_limit": math.inf}, '"time_limit" must be'),
        ({"memory_limit": -1}, '"memory_limit" must be a number of MiB, above 0 and up to 1048576'),
        ({"memory_limit": 268435456}, '"memory_limit" must be a number of MiB'),
        ({"checker": 7}, "must hold the text of a Python script"),
        ({"checker": " "}, "must hold the text of a Python script"),
        ({"checker": "int main() {}"}, '"checker" is no valid Python'),
    ],
)
def test_limits_that_make_no_sense_are_refused(more, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        read_tests(CASE, **more)
    with pytest.raises(ValueError, match="judges what is printed"):
        read_tests([{"args": [1], "expected": 2}], "f", checker="print(1)")


def test_digests_of_older_problems_stay():
    golden = '{"asserts": [], "calls": [[[1], {}, 2]], "cases": [], "context": "", "entry": "f"}'
    assert read_tests([{"args": [1], "expected": 2}], "f").to_json() == golden
    assert ProgramTests.from_json(golden).to_json() == golden


def test_a_list_may_come_as_json_text():
    assert read_tests('[{"input": "1", "output": "2"}]').cases == (("1", "2"),)
    assert read_tests('["assert f(1) == 2"]').asserts == ("assert f(1) == 2",)


@pytest.mark.parametrize(
    ("tests", "entry", "reason"),
    [
        ([], "", "must be Python code"),
        (7, "", "must be Python code"),
        ("assert f(1) ==", "", "tests: no valid Python"),
        ("assert 1 == 1", "", 'name it in the field "entry"'),
        ([{"args": [1], "expected": 2}], "", 'calls need the field "entry"'),
        ([{"args": 1, "expected": 2}], "f", "needs args (a list) and expected"),
        ([{"args": [1], "expect": 2}], "f", 'entry 1 has the unknown field "expect"'),
        ([{"input": "1", "output": "2"}, "assert f(1)"], "f", "entry 2 is neither"),
        ([{"input": "1", "output": "2"}, {"args": [1], "expected": 2}], "f", "every entry"),
        ([{"input": "1", "output": "2", "args": [1], "expected": 2}], "f", "every entry"),
        ([{"args": None, "expected": None, "input": None, "output": None}], "f", "every entry"),
        ([{"input": "1", "output": None}, {"output": "2"}], "", "entry 1 says no output"),
        ([{"input": "1", "output": math.nan}], "", "entry 1 says no output"),
        (
            [{"input": {"a": 1}, "output": "2"}],
            "",
            "input of entry 1 must be a text or a list of lines, not dict",
        ),
        (
            [{"input": "1", "output": [["2"]]}],
            "",
            "output of entry 1 must be a text or a list of lines, not list",
        ),
        (
            [{"input": "1", "output": True}],
            "",
            "output of entry 1 must be a text or a list of lines, not bool",
        ),
        ([{"args": [1], "expected": math.nan}], "f", "entry 1 expects NaN, which equals nothing"),
    ],
)
def test_what_is_wrong_is_said(tests, entry, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        read_tests(tests, entry)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.lists(PLAIN, max_size=3), PLAIN), min_size=1, max_size=3),
    st.text(min_size=1),
    st.text(),
)
def test_the_canonical_text_is_read_back_as_it_was(calls, entry, context):
    tests = ProgramTests(
        entry, context, calls=tuple((args, {}, expected) for args, expected in calls)
    )
    assert ProgramTests.from_json(tests.to_json()) == tests
    assert ProgramTests.from_json(tests.to_json()).to_json() == tests.to_json()
