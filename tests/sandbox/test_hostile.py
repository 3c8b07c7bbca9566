"""Hostile programs, each followed by an honest one in the same worker. None passes, none is felt by the next."""

import time
from dataclasses import replace

import pytest

from sandbox import Call, FuncTask, RpcTask, StdinCase, StdinTask
from tests.sandbox.conftest import QUICK
from tests.sandbox.hostile import FORGERIES, MESSY, SCRIPTS

CASE = (StdinCase("3\n", "4\n"),)
CANARY = StdinTask("print(int(input()) + 1)", CASE, limits=QUICK)
HONEST = "def f(x): return x + 1"
TESTS = ("assert candidate(3) == 4", "assert abs(f(10) - 11) < 1e-9", "for n in range(3):\n    assert candidate(n) == n + 1")
NAMED = {
    "busy loop": "timeout",
    "sleep": "timeout",
    "stop itself": "timeout",
    "ignore all signals": "timeout",
    "memory hog": "resource",
    "endless output": "resource",
    "endless errors": "resource",
    "parser bomb": "malformed",
    "null byte": "malformed",
    "exit before any output": "wrong",
    "right answer, then a crash": "wrong",
}
WAITING = {"sleep", "stop itself", "fork bomb", "thread bomb"}  # end at the wall limit, twice
LONGEST = 15  # seconds: two wall limits, and a new container


def script(source, limits=QUICK):
    return StdinTask(source, CASE, limits=limits)


def function(source):
    return FuncTask(source, "f", (Call((3,), 4), Call((10,), 11)), limits=QUICK)


def asserted(source):
    return RpcTask(source, "f", TESTS, limits=QUICK)


def judged(pool, task):
    """The verdict, in bounds, and a canary after it."""
    started = time.monotonic()
    verdict = pool.judge(task)
    assert time.monotonic() - started < LONGEST
    assert pool.judge(CANARY).outcome == "pass"
    return verdict


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_hostile_script_does_not_pass(pool, name):
    verdict = judged(pool, script(SCRIPTS[name], replace(QUICK, wall_seconds=1) if name in WAITING else QUICK))
    assert verdict.outcome in ("wrong", "malformed", "timeout", "resource"), verdict
    assert verdict.outcome == NAMED.get(name, verdict.outcome), verdict
    assert verdict.case == 0
    assert verdict.reason
    assert len(verdict.output) <= 2000


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("name", MESSY)
def test_a_messy_script_leaves_nothing(pool, name):
    verdict = judged(pool, script(MESSY[name]))
    assert verdict.outcome in ("pass", "wrong", "resource"), verdict


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("name", FORGERIES)
@pytest.mark.parametrize("mode", [function, asserted])
def test_a_forged_result_does_not_pass(pool, mode, name):
    assert pool.judge(mode(HONEST)).outcome == "pass"
    verdict = judged(pool, mode(FORGERIES[name]))
    assert verdict.outcome in ("wrong", "malformed", "timeout", "resource", "unscorable"), verdict
