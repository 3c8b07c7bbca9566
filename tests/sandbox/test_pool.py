"""Lost containers, lost engines and lost orchestrators: nothing is lost, nothing is counted
twice, nothing turns wrong."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace

import docker.errors
import pytest

from sandbox import (
    EngineError,
    EngineSettings,
    FuncTask,
    Limits,
    Pool,
    PoolSettings,
    RunTask,
    SandboxError,
    StdinCase,
    StdinTask,
)
from sandbox.engine import LABEL, OWNER, SLOTS, UIDS_PER_CONTAINER, Line, connect, free_slots, sweep
from sandbox.judge import settle
from sandbox.protocol import Call, job_line
from tests.sandbox.conftest import QUICK
from tests.sandbox.engine_process import engine_folder, own_engine


def numbered(n, seconds=0.0):
    return StdinTask(
        f"import time; time.sleep({seconds}); print(int(input()) + {n})",
        (StdinCase("1", str(n + 1)),),
        limits=QUICK,
    )


@pytest.fixture
def poison(monkeypatch):
    """A program with this word in it takes its container down."""
    write = Line.write

    def deadly(self, data, seconds):
        write(self, data, seconds)
        if b"POISON" in data:
            self.client.api.kill(self.id)

    monkeypatch.setattr(Line, "write", deadly)


def test_verdicts_come_with_their_positions(docker_engine):
    with Pool(PoolSettings(workers=2, engines=(docker_engine,))) as pool:
        tasks = [
            numbered(n) if n % 3 else replace(numbered(n), source="print(0)") for n in range(40)
        ]
        found = dict(pool.stream(iter(tasks)))
    assert sorted(found) == list(range(40))
    assert [n for n in range(40) if found[n].outcome != "pass"] == list(range(0, 40, 3))


def test_containers_killed_at_random_cost_nothing_but_time(docker_engine, poison):
    tasks = [numbered(n, 0.02) for n in range(300)]
    tasks[40] = tasks[200] = StdinTask(
        "import time; time.sleep(0.5); 'POISON'", (StdinCase("", ""),), limits=QUICK
    )
    over, killed = threading.Event(), []

    def chaos():
        client, rng, before = connect(docker_engine.host), random.Random(0), set()
        # more often, and a slow machine kills one program three times
        while len(killed) < 6 and not over.wait(rng.uniform(0.6, 1.0)):
            now = ours()
            # a container's first program is spared, lest chance hit one three times
            with suppress(IndexError, docker.errors.APIError):
                killed.append(client.api.kill(rng.choice(sorted(now & before))))
            before = now

    with Pool(PoolSettings(workers=2, engines=(docker_engine,))) as pool:

        def ours():
            return {line.id for worker in list(pool.workers) if (line := worker.line)}

        thread = threading.Thread(target=chaos)
        thread.start()
        try:
            verdicts = list(pool.stream(tasks))
        finally:
            over.set()
            thread.join()
    found = dict(verdicts)
    assert len(killed) >= 3
    assert len(verdicts) == len(found) == 300
    assert [n for n in range(300) if found[n].quarantined] == [40, 200]
    assert {n for n in range(300) if found[n].outcome != "pass"} == {40, 200}
    assert {(found[n].attempts, found[n].outcome) for n in (40, 200)} == {(3, "resource")}


@pytest.mark.parametrize("leave", ["close", "exception"])
def test_a_stream_that_is_left_early_ends_at_once_and_the_pool_stays_usable(docker_engine, leave):
    sleeper = StdinTask(
        "import time; time.sleep(600)", (StdinCase("", ""),), limits=Limits(wall_seconds=600)
    )
    with Pool(PoolSettings(workers=2, engines=(docker_engine,))) as pool:
        first = [worker.line.id for worker in pool.workers]
        stream = pool.stream([numbered(1), *[sleeper] * 5])
        assert next(stream)[0] == 0
        deadline = time.monotonic() + 10
        while not all(worker.busy for worker in pool.workers) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert all(worker.busy for worker in pool.workers)
        started = time.monotonic()
        if leave == "close":
            stream.close()
        else:
            with pytest.raises(KeyboardInterrupt):
                stream.throw(KeyboardInterrupt)
        # far below the wall limit; removing the containers is most of it
        assert time.monotonic() - started < 5
        assert [worker.line for worker in pool.workers] == [None, None]
        # told to stop, they started no other
        assert [worker.started for worker in pool.workers] == [1, 1]
        found = dict(pool.stream([numbered(n) for n in range(10)]))
        assert {verdict.outcome for verdict in found.values()} == {"pass"}
        assert {verdict.attempts for verdict in found.values()} == {1}
        second = [worker.line.id for worker in pool.workers if worker.line]
        left = {container["Id"] for container in pool.workers[0].client.api.containers(all=True)}
    assert second
    assert not set(first) & (left | set(second))


def test_a_pool_that_is_closed_under_a_stream_ends_it(docker_engine):
    with Pool(PoolSettings(workers=1, engines=(docker_engine,))) as pool:
        stream = pool.stream(numbered(n, 0.05) for n in range(1000))
        next(stream)
    with pytest.raises(SandboxError, match="ended"):
        list(stream)


def test_after_an_engine_went_away_the_remainder_is_judged_once_and_right():
    tasks = [
        numbered(n, 0.05) if n % 5 else replace(numbered(n), source="print(0)") for n in range(120)
    ]
    got = []

    def work(host, stop_after=None, process=None):
        left = [n for n in range(len(tasks)) if n not in dict(got)]
        with Pool(
            PoolSettings(workers=2, engines=(EngineSettings(host=host, base="local"),))
        ) as pool:
            for count, (position, verdict) in enumerate(pool.stream(tasks[n] for n in left), 1):
                got.append((left[position], verdict))
                if count == stop_after:
                    process.send_signal(signal.SIGTERM)

    with engine_folder() as folder:
        with own_engine(folder) as (host, process), pytest.raises(EngineError):
            work(host, 10, process)
        assert 10 <= len(got) < 120
        with own_engine(folder) as (host, _):
            work(host)
    assert sorted(position for position, _ in got) == list(range(120))
    assert {n for n, verdict in got if verdict.outcome != "pass"} == set(range(0, 120, 5))
    assert {verdict.outcome for _, verdict in got} == {"pass", "wrong"}
    assert not any(verdict.quarantined for _, verdict in got)


def test_where_every_container_is_lost_no_program_is_blamed(docker_engine, monkeypatch):
    """As on an engine that still answers while it ends its containers."""
    write = Line.write

    def deadly(self, data, seconds):
        self.client.api.kill(self.id)
        write(self, data, seconds)

    with Pool(PoolSettings(workers=1, engines=(docker_engine,))) as pool:
        monkeypatch.setattr(Line, "write", deadly)
        with pytest.raises(EngineError, match="whatever runs"):
            pool.judge(numbered(1))
        monkeypatch.undo()
        assert pool.judge(numbered(1)).outcome == "pass"


@pytest.mark.parametrize(
    ("cpu", "late_runs", "outcome", "runs"),
    [(0.1, 1, "pass", 2), (0.1, 2, "timeout", 2), (0.6, 1, "timeout", 1)],
)
def test_a_program_that_the_wall_limit_stopped_idle_is_run_once_more(
    pool, monkeypatch, cpu, late_runs, outcome, runs
):
    """Its first run, or its first two, are made to look as if the machine had stood still in the
    second case."""
    worker, calls = pool.workers[0], []
    run = worker._run

    def slow(task):
        reports = run(task)
        calls.append(task)
        if len(calls) <= late_runs:
            reports[0]["program"]["cpu"] = 0.9  # what other cases used has no say
            reports[1] |= {
                "late": True,
                "program": reports[1]["program"] | {"exit": -9, "cpu": cpu},
            }
            del reports[1]["found"]
            settle(task, 1, reports[1])
        return reports

    monkeypatch.setattr(worker, "_run", slow)
    verdict = worker.judge(
        StdinTask("print(input())", (StdinCase("1", "1"), StdinCase("2", "2")), limits=QUICK)
    )
    assert (verdict.outcome, len(calls)) == (outcome, runs), verdict


def test_a_program_that_sleeps_is_a_timeout_after_two_runs(pool):
    worker = pool.workers[0]
    jobs = worker.jobs
    verdict = worker.judge(replace(numbered(1, 60), limits=replace(QUICK, wall_seconds=0.5)))
    assert verdict.outcome == "timeout"
    assert "wall time" in verdict.reason
    assert worker.jobs == jobs + 2


def test_no_engine_is_an_error_that_says_what_to_do():
    with pytest.raises(
        EngineError, match=r"no Docker engine answers .*DOCKER_HOST.*never run without"
    ):
        Pool(
            PoolSettings(engines=(EngineSettings(host="unix:///nowhere/docker.sock"),))
        ).__enter__()


def test_the_containers_of_a_killed_orchestrator_end(docker_engine):
    code = f"""
from sandbox import *
with Pool(PoolSettings(workers=1, engines=(EngineSettings(host={docker_engine.host!r}, base="local"),))) as pool:
    print(pool.workers[0].line.id, flush=True)
    pool.judge(RunTask("import time; time.sleep(60)", limits=Limits(wall_seconds=60)))
"""  # noqa: E501
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    identity = child.stdout.readline().strip()
    time.sleep(0.3)
    client = connect(docker_engine.host)
    assert client.api.inspect_container(identity)["State"]["Running"]
    child.kill()
    child.wait()
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline and any(
        c["Id"] == identity for c in client.api.containers(all=True)
    ):
        time.sleep(0.05)
    assert all(c["Id"] != identity for c in client.api.containers(all=True))


def test_ctrl_c_ends_a_program_that_runs(docker_engine):
    code = f"""
from sandbox import *
with Pool(PoolSettings(workers=1, engines=(EngineSettings(host={docker_engine.host!r}, base="local"),))) as pool:
    print(pool.workers[0].line.id, flush=True)
    pool.judge(RunTask("import time; time.sleep(600)", limits=Limits(wall_seconds=600)))
"""  # noqa: E501
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background jobs have it ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    identity = child.stdout.readline().strip()
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=20)  # far below the wall limit
    assert "KeyboardInterrupt" in errors.splitlines()[-1]
    assert all(
        container["Id"] != identity
        for container in connect(docker_engine.host).api.containers(all=True)
    )


def test_the_sweep_removes_what_a_dead_owner_left_and_nothing_else(docker_engine, pool):
    client = connect(docker_engine.host)
    image = pool.workers[0].image
    own = f"{os.uname().nodename}:999999999:1"
    dead = client.api.create_container(image, labels={LABEL: "worker", OWNER: own})["Id"]
    foreign = client.api.create_container(image, labels={LABEL: "worker", OWNER: "elsewhere:1:1"})[
        "Id"
    ]
    try:
        assert sweep(client) == 1
        left = {c["Id"] for c in client.api.containers(all=True)}
        assert dead not in left
        assert foreign in left
        assert pool.judge(RunTask("1")).outcome == "pass"
    finally:
        client.api.remove_container(foreign)


def test_lines_that_are_no_jobs_do_no_harm(pool):
    worker = pool.workers[0]
    assert pool.judge(numbered(1)).outcome == "pass"
    for line in (b"nonsense\n", b"[1]\n", b"[" * 100_000 + b"\n"):
        worker.line.write(line, 5)
        assert worker.line.read(5) == {"error": "not a job"}
    assert pool.judge(numbered(2)).outcome == "pass"


def test_expected_values_are_not_in_what_is_sent():
    line = job_line(StdinTask("pass", (StdinCase("in", "SECRET"),)), 1) + job_line(
        FuncTask("pass", "f", (Call((1,), "SECRET"),)), 2
    )
    assert b"in" in line
    assert b"SECRET" not in line


def test_containers_of_two_pools_share_no_uid(docker_engine, pool):
    with Pool(PoolSettings(workers=3, engines=(docker_engine,))) as other:
        workers = [*pool.workers, *other.workers]
        slots = {worker.slot for worker in workers}
        assert len(slots) == 4
        assert (
            len(
                {
                    worker.judge(RunTask("import os; os.getuid()")).value // UIDS_PER_CONTAINER
                    for worker in workers
                }
            )
            == 4
        )
        assert not slots & {*free_slots(connect(docker_engine.host), 100)}
        with pytest.raises(
            EngineError, match=r"too many for an engine that has .* set fewer workers"
        ):
            free_slots(connect(docker_engine.host), SLOTS)
