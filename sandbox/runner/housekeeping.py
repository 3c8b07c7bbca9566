"""What keeps one case from touching the next: ending every process, emptying every place that can be written to."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from typing import Any

from sandbox.runner.zygote import rlimits

WRITABLE = [place for place in ("/tmp", "/dev/mqueue", "/dev/shm") if os.path.isdir(place)]
KILL_SECONDS = 2.0
CLEAN_SECONDS = 1


def as_user(uid: int, action: Callable[[], Any]) -> None:
    """Do it in a forked process under another uid, and wait for that. Needs neither CAP_KILL nor CAP_DAC_OVERRIDE."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            action()
        finally:
            os._exit(0)
    with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored: the wait ends, and there is nothing to collect
        os.waitpid(pid, 0)


def others(zygote_pid: int) -> bool:
    """Whether anything but the runner's two processes is alive."""
    return any(name.isdigit() and int(name) not in (1, zygote_pid) for name in os.listdir("/proc"))


def kill_all(uids: list[int], zygote_pid: int) -> bool:
    """End every process of these uids; no session, stop or daemon escapes from it. False if one is still there."""
    deadline = time.monotonic() + KILL_SECONDS
    while others(zygote_pid):
        if time.monotonic() > deadline:
            return False
        for uid in uids:
            as_user(uid, lambda: os.kill(-1, signal.SIGKILL))
        if others(zygote_pid):
            time.sleep(0.0005)
    return True


def leftovers() -> list[str]:
    """Files in any place that a program can write to."""
    return [os.path.join(place, name) for place in WRITABLE for name in os.listdir(place)]


def clean(uids: list[int]) -> bool:
    """Remove what these uids left. False if that did not succeed; then this container must not be used again."""
    if not leftovers():
        return True
    for uid in uids:
        as_user(uid, remove_leftovers)
    return not leftovers()


def remove_leftovers() -> None:
    """As the owner: open up what was locked, then delete."""
    signal.alarm(CLEAN_SECONDS)  # a tree that takes longer costs its container
    for path in leftovers():
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
            for folder, below, _ in os.walk(path):
                for name in below:
                    if not os.path.islink(os.path.join(folder, name)):
                        os.chmod(os.path.join(folder, name), 0o700)
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.unlink(path)


def refused_rlimits(limits: dict[str, Any]) -> list[str]:
    """Which limits this kernel will not set, found out in a process of its own."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        for name, (kind, pair) in rlimits(limits).items():
            try:
                resource.setrlimit(kind, pair)
            except (OSError, ValueError):
                os.write(writer, f"{name} ".encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as file:
        found = file.read().split()
    os.waitpid(pid, 0)
    return found
