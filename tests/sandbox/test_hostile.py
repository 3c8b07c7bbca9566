"""Hostile programs, each followed by an honest one in the same worker. None passes, none is felt
by the next."""

import time
from dataclasses import replace

import pytest

from sandbox import (
    Call,
    FuncTask,
    Limits,
    Pool,
    PoolSettings,
    RpcTask,
    StdinCase,
    StdinTask,
    TextRule,
)
from sandbox.engine import Line
from selftrain_assets.domain.program_tests import ProgramTests
from selftrain_assets.testing.forgery import FORGERIES, ForgeryConformance
from selftrain_assets.testing.forging_programs import (
    LATE_CALLS,
    LATE_IMPORTS,
    SCRIPTS,
    SHADOWS,
)
from tests.sandbox.conftest import QUICK
from tests.sandbox.hostile import ASKED_FOR, DENIALS, MESSY

CASE = (StdinCase("3\n", "4\n"),)
CANARY = StdinTask("print(int(input()) + 1)", CASE, limits=QUICK)
NAMED = {
    "busy loop": "timeout",
    "sleep": "timeout",
    "stop itself": "timeout",
    "ignore all signals": "timeout",
    "memory hog": "resource",
    "endless output": "resource",
    "endless errors": "timeout",
    "parser bomb": "malformed",
    "null byte": "malformed",
    "exit before any output": "wrong",
    "right answer, then a crash": "wrong",
}
WAITING = {"sleep", "stop itself", "fork bomb", "thread bomb"}  # end at the wall limit, twice
LONGEST = 15  # seconds: two wall limits, and a new container


def script(source, limits=QUICK):
    return StdinTask(source, CASE, limits=limits)


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
    verdict = judged(
        pool, script(SCRIPTS[name], replace(QUICK, wall_seconds=1) if name in WAITING else QUICK)
    )
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
@pytest.mark.parametrize("name", DENIALS)
def test_a_denial_costs_no_container(pool, name):
    outcome, source = DENIALS[name]
    worker = pool.workers[0]
    assert pool.judge(CANARY).outcome == "pass"
    started = worker.started
    verdict = judged(pool, script(source))
    assert (verdict.outcome, verdict.attempts, worker.started) == (outcome, 1, started), verdict


def test_a_container_that_cannot_be_cleaned_is_replaced_between_two_cases(pool, monkeypatch):
    """No verdict and no strike hangs on it. Nothing known is left behind, so the runner is made
    to say so."""
    worker, read = pool.workers[0], Line.read
    monkeypatch.setattr(Line, "read", lambda line, seconds: _unclean(read(line, seconds)))
    cases = tuple(StdinCase(f"{n}\n", f"{n + 1}\n") for n in range(2))
    started = worker.started
    right = pool.judge(StdinTask(CANARY.source, cases, limits=QUICK))
    assert (right.outcome, right.attempts, worker.started - started) == ("pass", 1, 1)
    wrong = pool.judge(
        StdinTask(CANARY.source, (cases[0], StdinCase("2\n", "0\n"), *cases), limits=QUICK)
    )
    assert (wrong.outcome, wrong.case, wrong.attempts) == ("wrong", 1, 1)


def _unclean(record):
    return record | {"end": True, "clean": False} if record.get("case") == 0 else record


def test_cases_that_wait_just_short_of_the_limit_do_so_a_few_times(pool):
    """Then they are run once more, since it might have been the machine; if all cases were
    allowed to wait, it would take 15 s."""
    cases = (StdinCase("3\n", "4\n"),) * 50
    task = StdinTask(
        "import time; time.sleep(0.3); print(4)",
        cases,
        limits=replace(QUICK, wall_seconds=0.5),
        all_cases=True,
    )
    verdict = judged(pool, task)
    assert (verdict.outcome, verdict.attempts) == ("timeout", 1), verdict
    assert verdict.case < 12
    assert "together" in verdict.reason or "still there" in verdict.reason


def test_the_case_after_a_failing_one_is_stopped_and_not_counted(pool):
    source = "n = int(input())\nif n:\n    while True: pass\nprint(0)"
    endless = Limits(cpu_seconds=60, wall_seconds=60)
    for _ in range(20):  # the wish to stop may come before that case has a process
        verdict = judged(
            pool, StdinTask(source, (StdinCase("0", "1"), StdinCase("1", "2")), limits=endless)
        )
        assert (verdict.outcome, verdict.case, verdict.attempts) == ("wrong", 0, 1)
        assert verdict.cpu_seconds < 0.5


@pytest.mark.usefixtures("nothing_left")
class TestForgeries(ForgeryConformance):
    """By calls, and by tests that run beside the program."""

    forgeries = [f for f in FORGERIES if not f.name.startswith(("script", "shadow"))]  # noqa: RUF012

    @pytest.fixture(scope="class")
    @classmethod
    def passes(cls, pool):
        def passes(problem, program):
            tests = ProgramTests.from_json(problem.tests)
            calls = tuple(Call(tuple(args), expected) for args, _, expected in tests.calls)
            task = RpcTask(program, "f", tests.asserts, limits=QUICK)
            if calls:
                task = FuncTask(program, "f", calls, limits=QUICK)
            elif tests.cases:
                task = script(program)
            verdict = judged(pool, task)
            others = ("wrong", "unscorable")
            if not problem.id.startswith("deception"):
                others += ("malformed", "timeout", "resource")
            assert verdict.outcome in ("pass", *others), verdict
            return verdict.outcome == "pass"

        return passes


@pytest.mark.parametrize("name", ASKED_FOR)
def test_what_a_test_asks_for_arrives(pool, name):
    source, test = ASKED_FOR[name]
    assert pool.judge(RpcTask(source, "f", (test,), limits=QUICK)).outcome == "pass"


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("name", SHADOWS)
def test_what_a_test_imports_late_is_not_the_programs(pool, name):
    """Every module of the standard library lies in the program's folder, made to forge a pass."""
    tests = (LATE_IMPORTS if name == "modules" else LATE_CALLS, "assert f(2) == 4, 'judged'")
    verdict = judged(
        pool,
        RpcTask(SHADOWS[name], "f", tests, limits=replace(QUICK, cpu_seconds=5, wall_seconds=20)),
    )
    assert (verdict.outcome, verdict.case, verdict.reason) == (
        "wrong",
        1,
        "AssertionError: judged",
    ), verdict


TAMPER = """
import fcntl, mmap, os
n = int(input())
done = []
def attempt(name, action):
    try: action()
    except (OSError, ValueError): return
    done.append(name)
def reopened():
    fd = os.open("/proc/self/fd/0", os.O_RDWR)
    os.pwrite(fd, b"9", 0)
def mapped():
    mmap.mmap(0, 1)[0] = 57
if not os.fork():
    attempt("write", lambda: os.pwrite(0, b"9", 0))
    attempt("write behind", lambda: os.pwrite(0, b"9", 100))
    attempt("truncate", lambda: os.ftruncate(0, 0))
    attempt("grow", lambda: os.ftruncate(0, 1000))
    attempt("allocate", lambda: os.posix_fallocate(0, 0, 1000))
    attempt("seal", lambda: fcntl.fcntl(0, 1033, 1))
    attempt("reopen", reopened)
    attempt("map", mapped)
    os.lseek(0, 10**6, 0)  # may be done: the place is this case's own
    os._exit(len(done))
failed = os.wait()[1]
os.lseek(0, 0, 0)
print(n + 1, failed, os.read(0, 100).decode())
"""


@pytest.mark.usefixtures("nothing_left")
def test_a_child_cannot_change_the_input(pool):
    cases = tuple(StdinCase(f"{n}\n", f"{n + 1} 0 {n}\n") for n in (3, 3, 44))
    verdict = judged(pool, StdinTask(TAMPER, cases, limits=QUICK))
    assert verdict.outcome == "pass", verdict


@pytest.mark.parametrize("rule", [TextRule(), TextRule(words=True), TextRule(tolerance=1e-6)])
def test_printed_answers_of_a_million_digits(pool, rule):
    right = StdinTask("print('7' * 10**6)", (StdinCase("", "7" * 10**6),), rule, QUICK)
    assert judged(pool, right).outcome == "pass"
    assert judged(pool, replace(right, source="print('7' * (10**6 - 1) + '8')")).outcome == "wrong"
    assert judged(pool, replace(right, source="print('7' * 10**5)")).outcome == "wrong"


# 300,000 hexadecimal digits are read
@pytest.mark.parametrize(("digits", "outcome"), [(100_000, "pass"), (1_000_000, "wrong")])
@pytest.mark.parametrize("tolerance", [0.0, 1e-6])
def test_returned_integers_of_very_many_digits(pool, digits, outcome, tolerance):
    task = FuncTask("def f(n): return 10**n", "f", (Call((digits,), 10**digits),), tolerance, QUICK)
    assert judged(pool, task).outcome == outcome
    assert judged(pool, replace(task, source="def f(n): return 10**n + 1")).outcome == "wrong"


def test_a_task_of_100_mb_is_unscorable_at_once_and_the_container_stays(pool):
    worker = pool.workers[0]
    assert pool.judge(CANARY).outcome == "pass"
    started = worker.started
    verdict = judged(
        pool, StdinTask("print(len(input()))", (StdinCase("x" * 10**8, "100000000"),), limits=QUICK)
    )
    assert verdict.outcome == "unscorable"
    assert "bytes" in verdict.reason
    assert worker.started == started


def test_a_line_that_is_too_long_ends_the_runner_and_costs_nobody_a_verdict(pool):
    worker = pool.workers[0]
    assert pool.judge(CANARY).outcome == "pass"
    with pytest.raises((EOFError, ConnectionError)):  # and no TimeoutError
        worker.line.write(b"x" * 10**8, 30)
    assert pool.judge(CANARY).outcome == "pass"


FORKS = """
import os, time
pids = []
for _ in range(20):
    pid = os.fork()
    if not pid:
        time.sleep(0.5)
        os._exit(0)
    pids.append(pid)
print(sum(os.waitpid(pid, 0)[1] == 0 for pid in pids))
"""


def test_programs_with_many_processes_do_not_disturb_one_another(docker_engine):
    """The kernel counts processes by user, over all containers: two times 20 would be too many
    for one user's 24."""
    task = StdinTask(FORKS, (StdinCase("", "20"),) * 3, limits=replace(QUICK, wall_seconds=20))
    with Pool(PoolSettings(workers=2, engines=(docker_engine,))) as pool:
        verdicts = pool.judge_all([task] * 2)
    assert [(verdict.outcome, verdict.attempts) for verdict in verdicts] == [("pass", 1)] * 2


def test_a_fork_bomb_is_not_felt_by_the_worker_beside_it(docker_engine):
    bomb = script(SCRIPTS["fork bomb"], replace(QUICK, wall_seconds=1))
    forks = StdinTask(FORKS, (StdinCase("", "20"),) * 3, limits=replace(QUICK, wall_seconds=20))
    with Pool(PoolSettings(workers=2, engines=(docker_engine,))) as pool:
        verdicts = pool.judge_all([bomb, forks])
    assert verdicts[0].outcome in ("timeout", "resource")
    assert verdicts[1].outcome == "pass", verdicts[1]


def test_there_are_enough_of_them():
    assert len(MESSY) + len(FORGERIES) >= 60
