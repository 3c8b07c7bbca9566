"""A machine that is busy, or slow: CPU time decides, so the verdicts are those of an idle one,
and who waits too long is no liar."""

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from sandbox import (
    Call,
    FuncTask,
    Limits,
    Pool,
    PoolSettings,
    RpcTask,
    RunTask,
    StdinCase,
    StdinTask,
)
from sandbox.limits import ContainerLimits
from tests.faults.clock import jumping

LIMITS = Limits(cpu_seconds=1, wall_seconds=25)
IMPATIENT = replace(LIMITS, wall_seconds=0.5)
COMPUTES = "x = 0\nfor i in range(2_000_000): x += i\n"  # a tenth of its CPU time


def stdin(source, *pairs, limits=LIMITS):
    return StdinTask(source, tuple(StdinCase(*pair) for pair in pairs), limits=limits)


PROGRAMS = {
    "right": (stdin("print(int(input()) + 1)", ("1", "2"), ("5", "6")), "pass"),
    "right after some work": (stdin(COMPUTES + "print(x)", ("", "1999999000000")), "pass"),
    "right function": (
        FuncTask("def f(x): return [x]", "f", (Call((1,), [1]), Call((2,), [2])), limits=LIMITS),
        "pass",
    ),
    "right by asserts": (
        RpcTask(
            "def f(x): return x * 2", "f", ("assert f(2) == 4", "assert f(3) == 6"), "", LIMITS
        ),
        "pass",
    ),
    "value": (RunTask(COMPUTES + "x", limits=LIMITS), "pass"),
    "wrong": (stdin("print(int(input()) + 1)", ("1", "2"), ("5", "7")), "wrong"),
    "wrong after some work": (stdin(COMPUTES + "print(x)", ("", "0")), "wrong"),
    "wrong function": (
        FuncTask("def f(x): return x // 2", "f", (Call((2,), 1), Call((3,), 2)), limits=LIMITS),
        "wrong",
    ),
    "raises": (stdin("print(1)\nraise ValueError", ("", "1")), "wrong"),
    "no program": (stdin("print(", ("", "1")), "malformed"),
    "computes for ever": (stdin("while True: pass", ("", "1")), "timeout"),
    "computes for ever in a function": (
        FuncTask("def f():\n    while True: pass", "f", (Call((), 1),), limits=LIMITS),
        "timeout",
    ),
    "asks for too much memory": (stdin("x = bytearray(10**10)", ("", "1")), "resource"),
    "prints too much": (stdin("while True: print('x' * 10**5)", ("", "1")), "resource"),
}
WAITING = {
    "sleeps": stdin("import time; time.sleep(60); print(1)", ("", "1"), limits=IMPATIENT),
    "sleeps and is wrong": stdin(
        "import time; print(2, flush=True); time.sleep(60)", ("", "1"), limits=IMPATIENT
    ),
    "sleeps in a function": FuncTask(
        "import time\ndef f(): time.sleep(60)", "f", (Call((), 1),), limits=IMPATIENT
    ),
}


@contextmanager
def busy(each: int):
    """So many processes per core that do nothing but use it."""
    count = each * len(os.sched_getaffinity(0))
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def pool(docker_engine):
    with Pool(PoolSettings(workers=2, engines=(docker_engine,))) as opened:
        yield opened


def judged(pool, tasks):
    """What is said of each program, but for its measurements."""
    return {
        name: (v.outcome, v.case, v.value)
        for name, v in zip(tasks, pool.judge_all(tasks.values()), strict=True)
    }


@pytest.fixture(scope="module")
def idle(pool):
    """The verdicts of a machine that has nothing else to do."""
    found = judged(pool, {name: task for name, (task, _) in PROGRAMS.items()})
    assert {name: outcome for name, (outcome, _, _) in found.items()} == {
        name: outcome for name, (_, outcome) in PROGRAMS.items()
    }
    return found


@pytest.mark.kills
def test_two_busy_processes_per_core_change_no_verdict(pool, idle):
    with busy(2):
        assert judged(pool, {name: task for name, (task, _) in PROGRAMS.items()}) == idle


@pytest.mark.kills
def test_a_tenth_of_a_core_changes_no_verdict(docker_engine, idle):
    slow = replace(docker_engine, container=ContainerLimits(cpus=0.1))
    with Pool(PoolSettings(workers=2, engines=(slow,))) as pool:
        assert judged(pool, {name: task for name, (task, _) in PROGRAMS.items()}) == idle


@pytest.mark.kills
def test_a_machine_too_slow_for_the_wall_limit_times_out_and_says_so(docker_engine):
    """Six tenths of a second of CPU time take six seconds on it."""
    works = stdin(
        "import time\nwhile time.process_time() < 0.6: pass\nprint(1)",
        ("", "1"),
        limits=replace(LIMITS, wall_seconds=4),
    )
    with Pool(
        PoolSettings(
            workers=1, engines=(replace(docker_engine, container=ContainerLimits(cpus=0.1)),)
        )
    ) as pool:
        verdict = pool.judge(works)
    assert verdict.outcome == "timeout"
    assert "still there after 4 s of wall time" in verdict.reason


def test_who_waits_too_long_is_timed_out_and_never_wrong(pool):
    with busy(2):
        verdicts = pool.judge_all(WAITING.values())
    assert [(v.outcome, v.case) for v in verdicts] == [("timeout", 0)] * len(WAITING)
    assert all("wall time" in v.reason for v in verdicts)


@pytest.mark.parametrize("jump", [3600.0, -3600.0], ids=["forward", "back"])
def test_a_wall_clock_that_jumps_changes_no_verdict(pool, idle, monkeypatch, jump):
    quick = ["right", "right function", "wrong", "no program", "asks for too much memory"]
    monkeypatch.setattr(time, "time", jumping(jump))
    assert judged(pool, {name: PROGRAMS[name][0] for name in quick}) == {
        name: idle[name] for name in quick
    }
    assert pool.judge(WAITING["sleeps"]).outcome == "timeout"
