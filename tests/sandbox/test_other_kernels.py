"""Kernels and runtimes that have less: imitated on the real engine by a system call filter that
takes something away."""

import json
import logging
import resource
from contextlib import contextmanager
from dataclasses import replace

import pytest

import sandbox.engine
from sandbox import Pool, PoolSettings, RunTask, StdinCase, StdinTask, UnsafeError
from sandbox.limits import SECOND_LINE
from sandbox.self_check import LIMITS_ROW, static_checks
from selftrain_assets.testing.forging_programs import SCRIPTS
from tests.sandbox.conftest import LOOK, QUICK
from tests.sandbox.hostile import MESSY

CASE = (StdinCase("3\n", "4\n"),)
CANARY = StdinTask("print(int(input()) + 1)", CASE, limits=QUICK)
NUMBERS = {name: getattr(resource, f"RLIMIT_{name}", 12) for name in ("CPU", "FSIZE", *SECOND_LINE)}


def profile(names, *rules):
    """The shipped filter, with other rules for these system calls."""
    shipped = json.loads(sandbox.image.seccomp())
    for rule in shipped["syscalls"]:
        rule["names"] = [name for name in rule["names"] if name not in names]
    shipped["syscalls"] = [rule for rule in shipped["syscalls"] if rule["names"]] + list(rules)
    return json.dumps(shipped)


def without_limits(*limits):
    """These cannot be set, only read."""
    others = [n for n in range(16) if n not in [NUMBERS[name] for name in limits]]
    conditions = [{"index": 1, "value": n, "op": "SCMP_CMP_EQ"} for n in others] + [
        {"index": 2, "value": 0, "op": "SCMP_CMP_EQ"}
    ]
    rules = [
        {"names": ["prlimit64"], "action": "SCMP_ACT_ALLOW", "args": [condition]}
        for condition in conditions
    ]
    return profile(("prlimit64", "setrlimit"), *rules)


@contextmanager
def opened(docker_engine, monkeypatch, text):
    """A pool of one under this filter."""
    monkeypatch.setattr(sandbox.engine, "seccomp", lambda: text)
    with Pool(PoolSettings(workers=1, engines=(docker_engine,))) as pool:
        yield pool


def left(pool):
    """What the next program sees of earlier ones."""
    return pool.judge(RunTask(LOOK, limits=QUICK)).value


@pytest.mark.parametrize("names", [("CPU",), ("FSIZE",), ("CPU", "NPROC")])
def test_without_an_essential_limit_nothing_is_run(docker_engine, monkeypatch, names):
    with (
        pytest.raises(UnsafeError, match=f"process limits {names[0]}; nothing.*another runtime"),
        opened(docker_engine, monkeypatch, without_limits(*names)),
    ):
        pass


@pytest.mark.parametrize("name", SECOND_LINE)
def test_without_another_limit_the_pool_opens_and_says_what_holds_instead(
    docker_engine, monkeypatch, caplog, name
):
    with (
        caplog.at_level(logging.WARNING, "sandbox"),
        opened(docker_engine, monkeypatch, without_limits(name)) as pool,
    ):
        worker = pool.workers[0]
        assert worker.degraded == (name,)
        assert f"{name} refused: {SECOND_LINE[name]} holds instead" in caplog.text
        [row] = [check for check in static_checks(worker) if check.name == LIMITS_ROW]
        assert row.ok
        assert row.found.startswith(f"{name} refused: {SECOND_LINE[name]} holds")
        assert pool.judge(CANARY).outcome == "pass"


def test_without_a_process_limit_the_container_contains_a_fork_bomb(docker_engine, monkeypatch):
    with opened(docker_engine, monkeypatch, without_limits("NPROC")) as pool:
        limits = replace(QUICK, wall_seconds=1)
        verdict = pool.judge(StdinTask(SCRIPTS["fork bomb"], CASE, limits=limits))
        assert verdict.outcome in ("timeout", "resource")
        assert not verdict.quarantined  # to end it the runner needs no process of its own
        assert pool.judge(CANARY).outcome == "pass"
        assert left(pool) == ([], [])


def test_without_a_memory_limit_the_container_contains_a_hog(docker_engine, monkeypatch):
    with opened(docker_engine, monkeypatch, without_limits("AS")) as pool:
        assert (
            pool.judge(StdinTask(SCRIPTS["memory hog"], CASE, limits=QUICK)).outcome == "resource"
        )
        assert pool.judge(CANARY).outcome == "pass"


def test_without_a_queue_limit_queues_do_not_outlive_their_program(docker_engine, monkeypatch):
    source = (
        "import os\nfor n in range(5): os.close(os.open(f'/dev/mqueue/{n}', os.O_CREAT |"
        " os.O_RDWR))\nlen(os.listdir('/dev/mqueue'))"
    )
    with opened(docker_engine, monkeypatch, without_limits("MSGQUEUE")) as pool:
        # it could make them: the limit is really gone
        assert pool.judge(RunTask(source, limits=QUICK)).value == 5
        assert left(pool) == ([], [])
        assert pool.workers[0].started == 1  # cleaned up, not thrown away


def test_the_runner_needs_no_pidfd(docker_engine, monkeypatch):
    names = ("pidfd_open", "pidfd_send_signal", "pidfd_getfd")
    ask = (
        "import os\ntry: os.pidfd_open(os.getpid())\nexcept OSError as error: code ="
        " error.errno\ncode"
    )
    with opened(
        docker_engine,
        monkeypatch,
        profile(names, {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": 38}),
    ) as pool:
        assert pool.judge(RunTask(ask, limits=QUICK)).value == 38
        assert pool.judge(CANARY).outcome == "pass"
        assert pool.judge(
            StdinTask(MESSY["daemon after a right answer"], CASE, limits=QUICK)
        ).outcome in ("pass", "wrong")
        assert (
            pool.judge(
                replace(
                    CANARY,
                    source="import time; time.sleep(60)",
                    limits=replace(QUICK, wall_seconds=0.5),
                )
            ).outcome
            == "timeout"
        )
        assert left(pool) == ([], [])
        assert pool.workers[0].started == 1
