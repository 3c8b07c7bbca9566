"""What each mode lets pass, and what it says of what it does not."""

from fractions import Fraction

import pytest

from sandbox import Call, FuncTask, Limits, RpcTask, RunTask, StdinCase, StdinTask, TextRule
from tests.sandbox.conftest import QUICK


def stdin(source, *pairs, rule=TextRule()):  # noqa: B008
    return StdinTask(source, tuple(StdinCase(*pair) for pair in pairs), rule, limits=QUICK)


def func(source, *calls, **more):
    return FuncTask(
        source, "f", tuple(Call(args, expected) for args, expected in calls), limits=QUICK, **more
    )


def rpc(source, *tests, context="", entry="f"):
    return RpcTask(source, entry, tests, context, QUICK)


RIGHT = [
    stdin("print(int(input()) + 1)", ("1", "2"), ("5\n", "6\n")),
    stdin("import sys\nfor line in sys.stdin: print(line.strip()[::-1])", ("ab\ncd\n", "ba\ndc")),
    stdin(
        "import sys; print(sys.stdin.buffer.readline().decode().strip(), sys.stdin.readline())",
        ("a\nb\n", "a b"),
    ),
    stdin("if __name__ == '__main__':\n    print(1)\n    exit()", ("", "1")),
    stdin("import atexit; atexit.register(print, 2); print(1)", ("", "1\n2")),
    stdin("import threading; threading.Thread(target=print, args=(7,)).start()", ("", "7")),
    stdin(
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nprint(A(1))",
        ("", "A(x=1)"),
    ),
    stdin(
        "import asyncio\nasync def f(): await asyncio.sleep(0.01); print(3)\nasyncio.run(f())",
        ("", "3"),
    ),
    stdin(
        "import subprocess; print(subprocess.run(['python3', '-c', 'print(5)'],"
        " capture_output=True, text=True).stdout)",
        ("", "5"),
    ),
    stdin("open('x', 'w').write('hi'); print(open('/tmp/x').read())", ("", "hi")),
    stdin("print('é', input())", ("ü", "é ü")),
    stdin(
        "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))).__name__)",
        ("", "A"),
    ),
    stdin("print('1  2')\nprint(3)", ("", "1 2 3"), rule=TextRule(words=True)),
    stdin("print('1  ')\nprint('2\\t')\nprint()\nprint()", ("", "1\n2")),
    stdin("print('1\\r')\nprint(' 2')", ("", "1\n 2\n\n")),
    stdin("print(1e3, 0.3333)", ("", "1000 0.33333"), rule=TextRule(tolerance=1e-3)),
    func("def f(a, b): return a + b", ((1, 2), 3), (("a", "b"), "ab"), (([1], [2]), [1, 2])),
    func(
        "def f(x): return x",
        *(
            ((v,), v)
            for v in (
                None,
                True,
                2**70,
                -1.5,
                "é\ud800",
                b"\0",
                (1, [2]),
                {1, 2},
                {"a": {2: 3}},
                1j,
                float("inf"),
            )
        ),
    ),
    func("class Solution:\n    def f(self, x): return [x]\nf = Solution().f", ((1,), [1])),
    func(
        "from collections import Counter\ndef f(x): return Counter(x)", (("aab",), {"a": 2, "b": 1})
    ),
    func("def f(x): return x / 3", ((1,), 0.333333), tolerance=1e-5),
    func("def f(x):\n    print('noise', '{\"v\": 1}')\n    return x", ((1,), 1)),
    FuncTask(
        "class S:\n    def g(self, x, y=1): return x + y",
        "S.g",
        (Call((1,), 2), Call((1,), 3, {"y": 2})),
        limits=QUICK,
    ),
    rpc(
        "def f(x): return x * 2",
        "def check(candidate):\n    assert candidate(2) == 4\n    assert abs(candidate(0.1) - 0.2)"
        " < 1e-9\ncheck(f)",
    ),
    rpc("def f(x): x.append(1)", "a = [0]\nf(a)\nassert a == [0, 1]"),
    rpc(
        "def f(x): raise ValueError('no')",
        "try:\n    f(1)\n    assert False\nexcept ValueError as e:\n    assert 'no' in str(e)",
    ),
    rpc(
        "def f(x): return helper(x)\ndef helper(x): return x",
        "assert f(double(1)) == 2",
        context="def double(x): return 2 * x",
    ),
    rpc(
        "class Pair:\n    def __init__(self, a): self.a = a\ndef f(ps): return sum(p.a for p"
        " in ps)",
        "assert f([Pair(1), Pair(2)]) == 3",
    ),
    rpc(
        "class N:\n    def __init__(self, v): self.v = v; self.l = None\ndef f(n): return n.l.v",
        "r = N(1)\nr.l = N(5)\nassert f(r) == 5",
    ),
    rpc("def f(x): return x", "assert math.isclose(f(1.0), 1.0)"),
    rpc(
        "import sys\ndef f(x): return sys.getsizeof(x)", "assert f((1, 2)) == sys.getsizeof((1, 2))"
    ),
    rpc(
        "def f(xs, t): return [x for x in xs if type(x) is not t]",
        "assert f([1, 'a'], int) == ['a']",
    ),
    rpc(
        "class N:\n    def __init__(self, v): self.v = v\ndef f(n): return n.v",
        "assert f(root) == 4",
        context="root = N(3)\nroot.v = 4",
    ),
    rpc("def f(x): return tuple(x)", "assert f([1, 2]) == (1, 2)", "assert f({1: 2}) == (1,)"),
]

ALWAYS_EQUAL = "class E:\n    def __eq__(self, o): return True\ndef f(x): return E()"
WRONG = [
    (stdin("print(int(input()) + 1)", ("1", "2"), ("5", "7"), ("6", "7")), "wrong", 1),
    (stdin("print(1)", ("", "1\n2")), "wrong", 0),
    (stdin("print('1 2')", ("", "1  2")), "wrong", 0),
    (stdin("print(1e3)", ("", "1000")), "wrong", 0),
    (stdin("print('1e3')", ("", "1000"), rule=TextRule(words=True)), "wrong", 0),
    (stdin("print('1e3x')", ("", "1000"), rule=TextRule(tolerance=1)), "wrong", 0),
    (stdin("print(' 1')", ("", "1")), "wrong", 0),
    (stdin("print()\nprint(1)", ("", "1")), "wrong", 0),
    (stdin("print(input() + input())", ("a", "a")), "wrong", 0),
    (stdin("print(1); exit(1)", ("", "1")), "wrong", 0),
    (stdin("def", ("", "")), "malformed", 0),
    (func("def f(x): return 1 / x", ((1,), 1.0), ((0,), 0)), "wrong", 1),
    (func("def f(x): return [x]", ((1,), (1,))), "wrong", 0),
    (func("def g(x): return x", ((1,), 1)), "malformed", 0),
    (func("def f(x): return f", ((1,), 1)), "wrong", 0),
    (func("def f(x):\n    while x: pass\n    return 0", ((0,), 0), ((1,), 0)), "timeout", 1),
    (func("import nowhere\ndef f(x): return x", ((1,), 1)), "wrong", 0),
    (rpc("def f(x): return x", "assert f(1) == 1", "assert f(1) == 2"), "wrong", 1),
    (rpc("def g(x): return x", "assert f(1) == 1"), "malformed", 0),
    (rpc("def f(x): return object()", "assert f(1) == 1"), "wrong", 0),
    (rpc(ALWAYS_EQUAL, "assert f(1) == 1"), "unscorable", 0),
    (rpc(ALWAYS_EQUAL, "try: f(1) == 1\nexcept BaseException: pass"), "unscorable", 0),
    (rpc("def f(x): return x", "class A: pass\nf(A())"), "unscorable", 0),
    (
        rpc(
            "class math:\n    def isclose(*a): return True\ndef f(x): return 0",
            "assert math.isclose(f(1), 1)",
        ),
        "wrong",
        0,
    ),
    (rpc("def f(x): return x\ndef abs(x): return 0", "assert abs(f(1)) == 0"), "wrong", 0),
    (rpc("import os\ndef f(x): os._exit(0)", "try: f(1)\nexcept BaseException: pass"), "wrong", 0),
    (StdinTask("print(1)", ()), "unscorable", None),
    (func("def f(x): return x", ((object(),), 1)), "unscorable", None),
]


@pytest.mark.parametrize("task", RIGHT, ids=lambda task: f"{task.mode}: {task.source[:40]}")
def test_right_programs_pass(pool, task):
    verdict = pool.judge(task)
    assert verdict.outcome == "pass", verdict
    assert verdict.case is None
    assert 0 < verdict.cpu_seconds < 1
    assert verdict.wall_seconds > 0
    assert verdict.peak_memory_bytes > 2**20
    assert verdict.python
    assert verdict.image


@pytest.mark.parametrize(("task", "outcome", "case"), WRONG)
def test_others_do_not_and_the_case_is_named(pool, task, outcome, case):
    verdict = pool.judge(task)
    assert (verdict.outcome, verdict.case) == (outcome, case), verdict
    assert verdict.reason


@pytest.mark.parametrize(
    ("source", "output", "value"),
    [
        ("print('hi')", "hi\n", None),
        ("x = 6\nx * 7", "", 42),
        ("import math\nprint(1)\nmath.pi", "1\n", 3.141592653589793),
        ("print(input())", "in\n", None),
        ("from fractions import Fraction\nFraction(1, 3)", "", Fraction(1, 3)),
        ("range(3)", "", "range(0, 3)"),
        ("[1, (2, 3)]", "", [1, (2, 3)]),
    ],
)
def test_run_returns_what_was_printed_and_the_last_value(pool, source, output, value):
    verdict = pool.judge(RunTask(source, "in", QUICK))
    assert (verdict.outcome, verdict.output, verdict.value) == ("pass", output, value)


def test_run_says_why_a_program_did_not_end_well(pool):
    assert "ZeroDivisionError" in pool.judge(RunTask("1 / 0", limits=QUICK)).reason
    assert pool.judge(RunTask("1 +", limits=QUICK)).outcome == "malformed"


def test_cases_share_nothing(pool):
    source = """
import builtins, os, sys
n = input()
print(getattr(builtins, 'mark', 'clean'), os.path.exists('/tmp/mark'), 'mark' in sys.modules, os.environ.get('MARK'))
builtins.mark = sys.modules['mark'] = n
os.environ['MARK'] = n
open('/tmp/mark', 'w').write(n)
"""  # noqa: E501
    assert (
        pool.judge(stdin(source, *((str(n), "clean False False None") for n in range(4)))).outcome
        == "pass"
    )


def test_a_program_finds_no_other_job_in_its_memory(pool):
    """With a control: the scan finds the program's own marker."""
    secret = "SEC" + "RET-7c1f"
    assert (
        pool.judge(stdin(f"x = '{secret}'; print(input())", (secret * 50, secret * 50))).outcome
        == "pass"
    )
    scan = """
import ctypes, re
keep = 'OWN-41aa' * 3
found = [0, 0]
for line in open('/proc/self/maps'):
    span, mode = line.split()[:2]
    low, high = (int(x, 16) for x in span.split('-'))
    if mode[0] == 'r' and '[v' not in line and high - low < 2**28:
        data = ctypes.string_at(low, high - low)
        found[0] += len(re.findall(rb'OW[N]-41aa', data))  # the pattern does not match itself
        found[1] += len(re.findall(rb'SECRE[T]-7c1f', data))
        del data
found
"""
    verdict = pool.judge(RunTask(scan, limits=Limits(cpu_seconds=5, wall_seconds=20)))
    assert verdict.outcome == "pass", verdict
    assert verdict.value[0] > 0
    assert verdict.value[1] == 0


def test_a_large_input_and_a_large_output_go_through(pool):
    text = "x" * 1_000_000
    assert pool.judge(stdin("print(len(input()))", (text, "1000000"))).outcome == "pass"
    assert pool.judge(stdin("print('x' * 1000000)", ("", text))).outcome == "pass"


def test_inputs_of_more_than_one_job_are_judged_in_as_many_as_they_need(pool, monkeypatch):
    monkeypatch.setattr("sandbox.worker.REQUEST_BYTES", 3000)
    [worker] = pool.workers
    before = worker.jobs
    cases = [(str(n) * 1000, str(n)) for n in range(6)]
    assert pool.judge(stdin("print(input()[0])", *cases)).outcome == "pass"
    assert worker.jobs == before + 3
    wrong = pool.judge(stdin("print(min(input()[0], '3'))", *cases))
    assert (wrong.outcome, wrong.case, wrong.score) == ("wrong", 4, 4 / 6)
    assert pool.judge(stdin("print(1)", ("x" * 3000, "1"))).outcome == "unscorable"


def test_a_task_that_is_too_large_is_unscorable(pool):
    assert pool.judge(stdin("pass", ("x" * 40_000_000, ""))).outcome == "unscorable"
