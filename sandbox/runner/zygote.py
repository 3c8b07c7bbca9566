"""The process that forks every case. It is forked before any job is read and is only ever handed file descriptors, so
that no program finds a neighbour's source, inputs or results in the memory that it inherits."""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
import time
from typing import Any

from sandbox.runner import candidate, child, tester

PRELOADED = (
    "abc", "array", "ast", "bisect", "cmath", "collections", "collections.abc", "contextlib", "copy", "dataclasses",
    "datetime", "decimal", "enum", "fractions", "functools", "heapq", "inspect", "io", "itertools", "json", "linecache",
    "math", "numbers", "operator", "os", "random", "re", "statistics", "string", "sys", "textwrap", "threading", "time",
    "traceback", "types", "typing", "unicodedata",
)  # fmt: skip
HIGH = 100  # received descriptors are parked from here on while they are put in their places
ROLES = {"stdin": child.main_stdin, "run": child.main_run, "func": child.main_func, "tester": tester.main, "candidate": candidate.main}


def serve(control: socket.socket, refused: list[str]) -> None:
    """Fork what each message asks for, until the other end is closed."""
    for name in PRELOADED:
        importlib.import_module(name)
    sys.path = ["/tmp"] + [entry for entry in sys.path if entry not in ("", "/opt")]
    sys.argv = ["program.py"]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.collect()
    gc.freeze()
    while True:
        message, fds, _, _ = socket.recv_fds(control, 65536, 16)
        if not message:
            os._exit(0)
        _serve_one(control, json.loads(message), fds, refused)


def _serve_one(control: socket.socket, spec: dict[str, Any], fds: list[int], refused: list[str]) -> None:
    """Start the processes of one case. The first one's end is reported; the rest end when the supervisor kills them."""
    pids = []
    started = time.monotonic()
    try:
        for process in spec["processes"]:
            pid = os.fork()
            if pid == 0:
                _become(control, process, [fds[n] for n in process["fds"]], spec["limits"], refused)
            pids.append(pid)
    except OSError as error:
        control.send(json.dumps({"failed": str(error)}).encode())
    finally:
        for fd in fds:
            os.close(fd)
    for pid in pids:
        control.send(json.dumps(_ended(pid, started)).encode())


def _ended(pid: int, started: float) -> dict[str, Any]:
    """Wait for a process; what the kernel says about it."""
    _, status, usage = os.wait4(pid, 0)
    return {
        "exit": os.waitstatus_to_exitcode(status),
        "cpu": usage.ru_utime + usage.ru_stime,
        "wall": time.monotonic() - started,
        "memory": usage.ru_maxrss * 1024,
    }


def rlimits(limits: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """The kernel's limits for one process of a case, by name."""
    cpu = max(1, -int(-limits["cpu_seconds"] // 1))
    same = {
        "AS": limits["memory_bytes"],
        "FSIZE": limits["output_bytes"] + 1,  # one byte more than allowed tells full from too much
        "NPROC": limits["processes"],
        "NOFILE": limits["open_files"],
        "STACK": limits["stack_bytes"],
        "CORE": 0,
        "MEMLOCK": 0,
    }
    return {"CPU": (cpu, cpu + 1)} | {name: (int(value), int(value)) for name, value in same.items()}


def set_rlimits(limits: dict[str, Any], skip: list[str]) -> list[str]:
    """Set them, never above what is inherited; the names of those that the kernel refuses."""
    refused = []
    for name, (soft, hard) in rlimits(limits).items():
        if name in skip:
            continue
        try:
            kind = getattr(resource, f"RLIMIT_{name}")
            ceiling = resource.getrlimit(kind)[1]
            if ceiling != resource.RLIM_INFINITY:
                soft, hard = min(soft, ceiling), min(hard, ceiling)
            resource.setrlimit(kind, (soft, hard))
        except (OSError, ValueError):
            refused.append(name)
    try:
        resource.setrlimit(12, (0, 0))  # RLIMIT_MSGQUEUE, which the module does not name: no POSIX queue to leave data in
    except (OSError, ValueError):
        refused.append("MSGQUEUE")
    return refused


def _become(control: socket.socket, process: dict[str, Any], fds: list[int], limits: dict[str, Any], refused: list[str]) -> None:
    """In the forked process: give everything up, then play the role. Never returns.

    A failure to set up is told over the control socket, which is closed before anything untrusted runs: a status would
    be something that a program can end with as well.
    """
    try:
        os.setsid()
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(score, b"1000")  # the kernel shall pick the program, not the runner
        for place, fd in enumerate(fds):
            os.dup2(fd, HIGH + place, inheritable=False)
        os.dup2(control.fileno(), HIGH + len(fds), inheritable=False)
        for place in range(len(fds)):
            os.dup2(HIGH + place, place, inheritable=place < 3)
        os.closerange(len(fds), HIGH + len(fds))
        os.closerange(HIGH + len(fds) + 1, 256)
        control.detach()
        control = socket.socket(fileno=HIGH + len(fds))
        if [name for name in set_rlimits(limits, refused) if name not in refused]:
            raise OSError("a limit cannot be set")
        uid = process["uid"]
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        os.umask(0o077)
        os.chdir("/tmp")
    except BaseException as error:
        control.send(json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode())
        os._exit(121)
    control.close()
    try:
        ROLES[process["role"]](limits)
    finally:
        os._exit(122)  # an exception must not lead back into the zygote's loop
