"""What a program sends cannot hurt the host: bounded time and memory, no exception, and a
verdict that can be stored."""

import itertools
import json
import time

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sandbox.worker
from sandbox import Call, FuncTask, RpcTask, RunTask, StdinCase, StdinTask, TextRule
from sandbox.judge import judge
from tests.sandbox.conftest import QUICK

MERSENNE = 2**61 - 1  # by which Python reduces an integer to its hash
SIZE = 200_000


def filled(parts, size=2**20):
    """As many parts as go into `size` characters."""
    taken, length = [], 0
    for part in parts:
        taken.append(part)
        length += len(part) + 1
        if length > size:
            return ",".join(taken)
    return ",".join(taken)


def report(results="", out="", err="", verdict="", **end):
    program = {"exit": 0, "cpu": 0.0, "wall": 0.0, "memory": 0} | end
    return {
        "program": program,
        "tester": program,
        "out": out,
        "err": err,
        "results": results,
        "verdict": verdict,
        "over": False,
        "late": False,
    }


INTEGERS = [f'{{"i":"{MERSENNE * n:x}"}}' for n in range(1, 40_000)]
NEGATIVE = [f'{{"t":{json.dumps(signs)}}}' for signs in itertools.product((-1, -2), repeat=14)]
COMPLEX = [f'{{"c":["{float(-1000003 * n).hex()}","{float(n).hex()}"]}}' for n in range(1, 20_000)]


@pytest.mark.parametrize(
    "keys", [INTEGERS, NEGATIVE, COMPLEX], ids=["integers", "tuples", "complex numbers"]
)
@pytest.mark.parametrize("form", ['[[{"s":[%s]}]]', '{"d":[%s]}'])
def test_keys_that_collide_cost_little(keys, form):
    content = filled(f"[{key},0]" for key in keys) if form == '{"d":[%s]}' else filled(keys)
    started = time.process_time()
    verdict = judge(
        FuncTask("", "f", (Call((), {1, 2}),)), [report(results=f'{{"v":{form % content}}}\n')]
    )
    assert time.process_time() - started < 3  # half of a minute, were the set built
    assert verdict.outcome == "wrong"


@pytest.mark.parametrize(
    "value",
    [set(range(10**5)), {(-1, -2), (-2, -1), (-1, -1), (-2, -2)}, {str(n): n for n in range(1000)}],
)
def test_honest_keys_are_read(value):
    from sandbox.runner.codec import encode

    results = json.dumps({"v": encode(value)}) + "\n"
    assert judge(FuncTask("", "f", (Call((), value),)), [report(results=results)]).outcome == "pass"


@pytest.mark.parametrize(
    "rule",
    [
        TextRule(),
        TextRule(words=True),
        TextRule(tolerance=1e-6),
        TextRule(decimals=True),
        TextRule(any_order=True),
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        "9 " * (SIZE // 2),
        "9\n" * (SIZE // 2),
        "1e999999 " * (SIZE // 9),
        "9" * SIZE,
        "\x85\u2028" * (SIZE // 2),
        "-" * SIZE,
    ],
    ids=range(6),
)
def test_text_is_compared_in_time(rule, text):
    started = time.process_time()
    task = StdinTask("", (StdinCase("", text[:-2] + "8 "),), rule)
    assert judge(task, [report(out=text)]).outcome == "wrong"
    assert time.process_time() - started < 2


def test_of_what_many_cases_print_an_excerpt_is_kept(pool, monkeypatch):
    seen = []
    monkeypatch.setattr(
        sandbox.worker, "judge", lambda task, reports: seen.extend(reports) or judge(task, reports)
    )
    task = StdinTask("print('4' + ' ' * 10**6)", (StdinCase("", "4"),) * 4, limits=QUICK)
    assert pool.judge(task).outcome == "pass"
    assert [len(each["out"]) < 3000 for each in seen] == [True] * 4


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(blacklist_categories=()), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*"vuetszdicfbqnm", "wrong", "unscorable", "case", "malformed", "pass"]
            ),
            inner,
            max_size=2,
        )
    ),
    max_leaves=8,
)
lines = st.lists(json_like, max_size=3).map(
    lambda values: "".join(json.dumps(value) + "\n" for value in values)
)
TASKS = (
    StdinTask("", (StdinCase("", "4"),)),
    FuncTask("", "f", (Call((), {1: (2, 3.5)}),), 1e-6),
    FuncTask("", "f", (Call((), [1, {"a": None}]), Call((), {1})), from_json=True),
    RpcTask("", "f", ("assert f(1)",)),
    RunTask(""),
)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.mode)
@settings(max_examples=30)
@given(
    results=lines | st.text(),
    out=st.text(),
    err=st.text(),
    verdict=lines,
    exit=st.integers(-70, 255),
    cpu=st.floats(0, 9),
    late=st.booleans(),
)
def test_no_report_makes_judging_fail(task, results, out, err, verdict, exit, cpu, late):
    found = judge(task, [report(results, out, err, verdict, exit=exit, cpu=cpu) | {"late": late}])
    assert "cannot be judged" not in found.reason
    assert found.outcome in ("pass", "wrong", "malformed", "timeout", "resource", "unscorable")
    pa.array([found.reason, found.output])
    if found.outcome == "pass" and task.mode == "stdin":
        assert out.split() == ["4"]
        assert (exit, late) == (0, False)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.mode)
@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"program": None},
        {"out": None},
        {"results": 5},
        {"verdict": []},
        {"program": {"exit": "x"}},
    ],
    ids=str,
)
def test_what_judging_stumbles_over_is_unscorable(task, broken):
    reports = [{} if not broken else report(results="[", verdict="[") | broken]
    assert judge(task, reports).outcome != "pass"


UNSTORABLE = {
    "a surrogate raised": "def f(x): raise ValueError('\\ud800')",
    "a surrogate in a class's name": "def f(x): raise type('\\udcff', (Exception,), {})",
    "a surrogate malformed": (
        'import os\nos.write(4, b\'{"malformed": "\\\\ud800"}\\n\')\nos._exit(0)\ndef f(x): 0'
    ),
    "a surrogate returned": "def f(x): return '\\ud800'",
    "an integer without a text": "def f(x): return 10**5000",
    "an integer without a text within": "def f(x): return [10**5000, {10**5000: '\\udfff'}]",
    "an error of megabytes": "def f(x): raise ValueError('x' * 10**6)",
    "an error that has no text": (
        "class E(Exception):\n    def __str__(self): raise SystemExit\ndef f(x): raise E"
    ),
    "markup and escapes": (
        "def f(x): raise ValueError('[/x][bold]\\x1b]52;c;eA==\\x07\\x1b[2J\\u202e\\r\\0')"
    ),
    "null characters": "def f(x): return '\\0' * 1000",
}


@pytest.mark.parametrize("name", UNSTORABLE)
@pytest.mark.parametrize("mode", ["func", "rpc", "run"])
def test_every_verdict_can_be_stored(pool, mode, name):
    source = UNSTORABLE[name]
    tasks = {
        "func": FuncTask(source, "f", (Call((1,), 2),), limits=QUICK),
        "rpc": RpcTask(source, "f", ("assert f(1) == 2",), limits=QUICK),
        "run": RunTask(source + "\nf(1)", limits=QUICK),
    }
    verdict = pool.judge(tasks[mode])
    assert verdict.outcome in ("wrong", "malformed", "unscorable") or mode == "run"
    pa.array([verdict.reason, verdict.output])
    assert len(verdict.reason) <= 1000
