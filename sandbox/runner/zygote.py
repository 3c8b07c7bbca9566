"""The process that forks every case.

It is forked before any job is read and is only ever handed file descriptors, so that no program
finds a neighbour's source, inputs or results in the memory that it inherits.
"""

from __future__ import annotations

import gc
import importlib
import marshal
import os
import random
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection
from typing import Any

from sandbox.runner import at_fork, candidate, child, commands, preload, tester, warm_up

PRELOADED = """
    abc array ast bisect cmath collections collections.abc contextlib copy dataclasses datetime
    decimal enum fractions functools heapq inspect io itertools json linecache math numbers
    operator os random re statistics string sys textwrap threading time traceback types typing
    unicodedata
"""
Role = tuple[Callable[[dict[str, Any]], None], dict[str, Any]]
"""What a process of a case does, and the limits that it is told."""
RLIMIT_MSGQUEUE = 12  # which the module `resource` does not name
MESSAGE, FDS = 4096, 16  # the most that one case needs
# where the zygote keeps its line to the supervisor; everything below is free for what a case is
# handed
CONTROL = 100
ROLES = {
    "stdin": child.main_stdin,
    "run": child.main_run,
    "func": child.main_func,
    "tester": tester.main,
    "candidate": candidate.main,
    "compile": commands.main_compile,
    "execute": commands.main_execute,
}


def serve(control: int, refused: list[str]) -> Role:
    """Fork what each message asks for, until the other end is closed.

    Whatever all cases have in common is done here, once: what a child inherits costs it nothing.
    Returns in a forked process alone, with what that one has to do: so the program starts with an
    almost empty stack.
    """
    for name in PRELOADED.split():
        importlib.import_module(name)
    packages = preload.packages()
    sys.path = [entry for entry in sys.path if entry not in ("", "/opt")]
    sys.argv = ["program.py"]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(control, CONTROL, inheritable=False)
    for fd in (1, 2):
        # as a case has it: a stream looks once, when it is made, whether it can seek
        os.dup2(os.pipe()[1], fd)
    os.closerange(3, CONTROL)
    os.closerange(CONTROL + 1, 256)
    child.open_standard_streams()
    os.setgroups([])
    os.umask(0o077)
    os.chdir("/tmp")
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, CONTROL)
    line.send(marshal.dumps(packages))
    known: tuple[Any, list[Any]] = (None, [])
    warm_up.warm_up()
    gc.collect()
    gc.freeze()
    while True:
        message, handed, _, _ = line.recvmsg(MESSAGE, socket.CMSG_SPACE(4 * FDS))
        if not message:
            os._exit(0)
        spec = marshal.loads(message)
        fds = list(memoryview(handed[0][2]).cast("i"))
        if known[0] != spec["limits"]:
            known = (
                spec["limits"],
                list(rlimits(spec["limits"], refused, packages["mapped"]).values()),
            )
        if (process := _serve_one(line, spec, fds, known[1], packages["resident"])) is not None:
            return ROLES[process["role"]], spec["limits"]


def _serve_one(
    line: socket.socket, spec: dict[str, Any], fds: list[int], plan: list[Any], shared: int
) -> dict[str, Any] | None:
    """Start the processes of one case, and report the end of each.

    The report leaves out the `shared` memory of packages.

    Returns:
        In a forked process its own part of `spec`; in the zygote None.
    """
    pids = []
    started = time.monotonic()
    processes: list[dict[str, Any]] = spec["processes"]
    try:
        for process in processes:
            random.seed()  # else all programs would draw the same numbers
            pid = os.fork()
            if pid == 0:
                _become(line, process, [fds[n] for n in process["fds"]], plan)
                return process
            pids.append(pid)
    except OSError as error:
        line.send(marshal.dumps({"failed": str(error)}))
    os.closerange(3, CONTROL)
    for pid in pids:
        line.send(marshal.dumps(_reap(pid, started, shared)))
    return None


def _reap(pid: int, started: float, shared: int) -> dict[str, Any]:
    """Wait for a process; what the kernel says about it."""
    _, status, usage = os.wait4(pid, 0)
    return {
        "exit": os.waitstatus_to_exitcode(status),
        "cpu": usage.ru_utime + usage.ru_stime,
        "wall": time.monotonic() - started,
        "memory": max(0, usage.ru_maxrss * 1024 - shared),
    }


def values(limits: dict[str, Any], mapped: int = 0) -> dict[str, tuple[int, int]]:
    """The kernel's limits for one process of a case, by name.

    What packages have `mapped` is not the program's doing.
    """
    # above what the account allows: the kernel counts this one by the tick, some percent wrong
    cpu = 1 + -int(-limits["cpu_seconds"] // 1)
    same = {
        "AS": None if limits["address_bytes"] is None else limits["address_bytes"] + mapped,
        "FSIZE": limits["file_bytes"],
        "NPROC": limits["processes"],
        "NOFILE": limits["open_files"],
        "CORE": 0,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,  # no POSIX queue to leave data in
    }
    plan = {"CPU": (cpu, cpu + 1)} | {
        name: (int(value), int(value)) for name, value in same.items() if value is not None
    }
    # more is counted where it is used
    return plan | {"STACK": (int(limits["stack_bytes"]), resource.RLIM_INFINITY)}


def rlimits(
    limits: dict[str, Any], refused: Collection[str] = (), mapped: int = 0
) -> dict[str, tuple[int, tuple[int, int]]]:
    """Resource limits of a child: kind, soft and hard value by name.

    Never above what it inherits, without what this kernel refuses.
    """
    plan = {}
    for name, (soft, hard) in values(limits, mapped).items():
        if name not in refused:
            kind = getattr(resource, f"RLIMIT_{name}", RLIMIT_MSGQUEUE)
            ceiling = resource.getrlimit(kind)[1]
            if ceiling != resource.RLIM_INFINITY:
                soft, hard = (
                    min(soft, ceiling),
                    ceiling if hard == resource.RLIM_INFINITY else min(hard, ceiling),
                )
            plan[name] = kind, (soft, hard)
    return plan


def _become(line: socket.socket, process: dict[str, Any], fds: list[int], plan: list[Any]) -> None:
    """In the forked process: give everything up.

    A failure to set up is told over the control line, which is closed before anything untrusted
    runs: a status would be something that a program can end with as well.
    """
    try:
        os.setsid()
        # the kernel shall pick the program, not the runner
        os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY), b"1000")
        # received in ascending order from 3 on, so that none is overwritten before its turn
        for place, fd in enumerate(fds):
            os.dup2(fd, place, place < 3)
        os.closerange(len(fds), CONTROL)
        for kind, pair in plan:
            resource.setrlimit(kind, pair)
        uid = process["uid"]
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except BaseException as error:
        line.send(marshal.dumps({"failed": f"{type(error).__name__}: {error}"}))
        os._exit(121)
    line.close()
    at_fork.hand_over()
    if process["role"] != "tester":  # which must never import what a program wrote
        sys.path.insert(0, "/tmp")
