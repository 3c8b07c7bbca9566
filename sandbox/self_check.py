"""Proof, from inside a container, that every control takes effect.

Nothing is run where one does not.

`static_checks` takes some milliseconds and is made whenever a pool opens. `behaviour_checks` also
lets programs misbehave, for `python -m sandbox doctor`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.engine import SEMAPHORE_BYTES, SEMAPHORES, EngineSettings
from sandbox.errors import SandboxError, UnsafeError
from sandbox.image import HERE
from sandbox.languages import LANGUAGES
from sandbox.limits import STACK_ROOM, Limits
from sandbox.protocol import Call, FuncTask, RpcTask, RunTask, StdinCase, StdinTask
from sandbox.worker import Worker, stand_ins

LIMITS_ROW = "limits of a process"
SHORT = Limits(cpu_seconds=1, wall_seconds=2)
COUNT_PROCESSES = """
import os, time
count = 0
try:
    for _ in range(500):
        if not os.fork(): time.sleep(60)
        count += 1
except OSError: pass
count
"""
EAT_MEMORY = """
import os
dead = 0
pids = []
for _ in range(12):
    pid = os.fork()
    if not pid:
        try: x = bytearray(b"x") * (200 * 2**20)
        except MemoryError: os._exit(1)
        import time; time.sleep(1.5)
        os._exit(0)
    pids.append(pid)
sum(os.waitpid(pid, 0)[1] == 9 for pid in pids)
"""
LEAVE = """
import os, time
open("/tmp/left", "w").write("x")
if not os.fork(): time.sleep(60)
"""
FIND = """
import os
known = (1, os.getpid(), os.getppid())
os.listdir("/tmp"), [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in known]
"""
ALWAYS_EQUAL = "class E:\n    def __eq__(self, other): return True\ndef f(x): return E()"


@dataclass(frozen=True)
class Check:
    """One control: what it is, whether it takes effect, and what was found."""

    name: str
    ok: bool
    found: str


def _limits_hold(
    actual: dict[str, int], limits: Limits, degraded: Collection[str], mapped: int
) -> bool:
    """Whether every limit of a process is what it should be; -1 stands for none.

    Packages have `mapped` address space before it begins.
    """
    most = {
        "AS": limits.memory_bytes + STACK_ROOM + mapped,
        "CPU": limits.cpu_seconds + 3,
        "FSIZE": limits.file_bytes,
        "NPROC": limits.processes,
        "NOFILE": limits.open_files,
        "CORE": 0,
        "MEMLOCK": 0,
    }
    return all(0 <= actual[name] <= value for name, value in most.items() if name not in degraded)


def _expected(
    engine: EngineSettings, limits: Limits, degraded: Collection[str], mapped: int
) -> list[tuple[str, str, Callable[[Any], bool]]]:
    """Checks of the probe's report: name, key in the report, and what has to be true of it.

    They depend on the limits that are refused here and that others stand in for.
    """
    box = engine.container
    queues = "MSGQUEUE" in degraded
    return [
        ("runs as an ordinary user", "uid", lambda x: x >= 1000),
        ("is in no further group", "groups", lambda x: x == []),
        ("has no capability", "capabilities", lambda x: all(int(part, 16) == 0 for part in x)),
        ("cannot gain privileges", "no_new_privileges", lambda x: x == "1"),
        ("own system call filter", "seccomp", lambda x: x == "2"),
        ("no network device but loopback", "devices", lambda x: x in ([], ["lo"])),
        ("no route", "routes", lambda x: x == 0),
        ("no inet, netlink, packet or vsock socket", "sockets", lambda x: x == []),
        ("no connection to a local socket", "unix_connect", bool),
        ("no io_uring", "io_uring", bool),
        ("no tracing of processes", "ptrace", bool),
        ("no new namespace", "namespaces", bool),
        ("no mounting", "mounting", bool),
        ("no bpf", "bpf", bool),
        ("no kernel keyring", "keys", bool),
        ("no System V shared memory", "shared_memory", bool),
        ("no POSIX queue", "queue_bytes", lambda x: x == 0 or queues),
        ("cannot become root", "root_again", bool),
        ("cannot become another program's user", "neighbour", bool),
        ("cannot signal the runner", "kill_runner", bool),
        ("cannot read the runner's memory or files", "read_runner", bool),
        ("cannot raise its limits", "raise_limits", bool),
        ("root file system is read-only", "read_only", bool),
        (
            "only the scratch folder and /dev/shm can be written to",
            "writable",
            lambda x: (
                x in (["/tmp", "/dev/shm"], ["/tmp", "/dev/shm", "/dev/mqueue"][: 2 + queues])
            ),
        ),
        (
            "/dev/shm is capped; no programs, set-uid files or devices in it",
            "semaphores",
            lambda x: 0 < x[0] <= SEMAPHORE_BYTES and 0 < x[1] <= SEMAPHORES and all(x[2:]),
        ),
        (
            "scratch is capped; no programs, set-uid files or devices in it",
            "scratch",
            lambda x: (
                0 < x[0] <= box.scratch_bytes and 0 < x[1] <= box.scratch_files and all(x[2:])
            ),
        ),
        ("no folder of the host", "host_mounts", lambda x: x == []),
        ("no descriptor but its own", "descriptors", lambda x: set(x) <= {0, 1, 2, 4}),
        ("no child is made the runner's", "adoption", bool),
        ("no priority of others is changed", "renice", bool),
        ("is the first to go when memory is short", "oom_score", lambda x: x == 1000),
        (LIMITS_ROW, "limits", lambda x: _limits_hold(x, limits, degraded, mapped)),
    ]


def static_checks(worker: Worker) -> list[Check]:
    """What a probe program sees, and how the engine says that the container is set up."""
    verdict = worker.judge(RunTask((HERE / "image/probe.py").read_text()))
    if verdict.outcome != "pass" or not isinstance(verdict.value, dict):
        return [Check("the probe program runs", False, f"{verdict.outcome}: {verdict.reason}")]
    checks = []
    for name, key, holds in _expected(
        worker.settings, Limits(), worker.degraded, int(worker.hello.get("mapped", 0))
    ):
        value = verdict.value.get(key)
        try:
            ok = holds(value)
        except (TypeError, ValueError, KeyError, IndexError):
            ok = False
        detail = (
            f"{stand_ins(worker.degraded)}; {value}"
            if name == LIMITS_ROW and worker.degraded
            else str(value)
        )
        checks.append(Check(name, bool(ok), detail))
    return checks + list(_engine_side(worker))


def _engine_side(worker: Worker) -> Iterator[Check]:
    """Settings that one program cannot see the effect of."""
    assert worker.line is not None
    inspected = worker.client.api.inspect_container(worker.line.id)
    host, box = inspected["HostConfig"], worker.settings.container
    yield Check(
        "memory limit, swap included",
        host["Memory"] == host["MemorySwap"] == box.memory_bytes,
        str(host["Memory"]),
    )
    yield Check(
        "process limit of the container", host["PidsLimit"] == box.processes, str(host["PidsLimit"])
    )
    yield Check("CPU quota", host["NanoCpus"] == int(box.cpus * 1e9), str(host["NanoCpus"] / 1e9))
    yield Check(
        "no log on the host's disk", host["LogConfig"]["Type"] == "none", host["LogConfig"]["Type"]
    )
    yield Check("removed when it ends", host["AutoRemove"] is True, str(host["AutoRemove"]))
    yield Check(
        "ends with its owner",
        inspected["Config"]["StdinOnce"] is True,
        str(inspected["Config"]["StdinOnce"]),
    )


def require_safe(worker: Worker) -> None:
    """UnsafeError that names every control that does not take effect."""
    failed = [check for check in static_checks(worker) if not check.ok]
    if failed:
        worker.close()
        listed = "; ".join(f"{check.name} (found: {check.found})" for check in failed)
        raise UnsafeError(
            f"the sandbox does not hold here, so nothing is run: {listed}. `python -m sandbox"
            " doctor` shows all controls"
        )


def require_languages(worker: Worker) -> None:
    """SandboxError names a language that the image is to have and that does not work there."""
    for name in worker.settings.languages:
        language = LANGUAGES[name]
        verdict = worker.judge(StdinTask(language.trivial, (StdinCase("", ""),), language=name))
        if verdict.outcome != "pass":
            raise SandboxError(language.missing(worker.image, verdict.reason))


def versions(worker: Worker) -> dict[str, str]:
    """The versions of the languages, by title."""
    by_title = {}
    for name in worker.settings.languages:
        language = LANGUAGES[name]
        ask = (
            f"import subprocess; subprocess.run({list(language.version)!r}, capture_output=True,"
            " text=True).stdout.strip()"
        )
        by_title[language.title] = str(worker.judge(RunTask(ask)).value)
    return by_title


def behaviour_checks(worker: Worker) -> Iterator[Check]:
    """Honest programs pass in every mode; misbehaving ones are stopped and leave nothing."""
    honest = "def f(x): return x + 1"
    for name, task in (
        (
            "stdin: a right program passes",
            StdinTask("print(int(input()) + 1)", (StdinCase("1", "2"),)),
        ),
        ("func: a right function passes", FuncTask(honest, "f", (Call((1,), 2),))),
        ("rpc: a right function passes its tests", RpcTask(honest, "f", ("assert f(1) == 2",))),
    ):
        verdict = worker.judge(task)
        yield Check(name, verdict.outcome == "pass", verdict.outcome)
    for name, outcomes, bad in (
        (
            "a loop ends at the CPU limit",
            ("timeout",),
            StdinTask("while True: pass", (StdinCase("", ""),), limits=SHORT),
        ),
        (
            "a sleeper ends at the wall limit",
            ("timeout",),
            StdinTask("import time; time.sleep(60)", (StdinCase("", ""),), limits=SHORT),
        ),
        (
            "endless output ends",
            ("resource",),
            StdinTask("while True: print('x' * 999)", (StdinCase("", ""),), limits=SHORT),
        ),
        (
            "a memory hog ends",
            ("resource",),
            StdinTask("x = b'x' * 10**10", (StdinCase("", ""),), limits=SHORT),
        ),
        (
            "func: an always-equal object does not pass",
            ("wrong",),
            FuncTask(ALWAYS_EQUAL, "f", (Call((1,), 2),)),
        ),
        (
            "rpc: an always-equal object does not pass",
            ("wrong", "unscorable"),
            RpcTask(ALWAYS_EQUAL, "f", ("assert f(1) == 2",)),
        ),
    ):
        verdict = worker.judge(bad)
        yield Check(name, verdict.outcome in outcomes, f"{verdict.outcome}: {verdict.reason}")
    forks = worker.judge(RunTask(COUNT_PROCESSES, limits=SHORT)).value
    yield Check(
        "a fork bomb stays small",
        isinstance(forks, int) and 0 < forks < SHORT.processes,
        f"{forks} processes",
    )
    killed = worker.judge(RunTask(EAT_MEMORY, limits=Limits(cpu_seconds=20, wall_seconds=30))).value
    yield Check(
        "the container's memory limit hits the program, not the runner",
        isinstance(killed, int) and killed > 0,
        f"{killed} of 12 killed",
    )
    worker.judge(RunTask(LEAVE, limits=SHORT))
    left = worker.judge(RunTask(FIND, limits=SHORT)).value
    yield Check("nothing is left to the next program", left == ([], []), str(left))
