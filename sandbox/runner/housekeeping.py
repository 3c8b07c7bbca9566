"""Keeps one case from touching the next: ends every process, empties every writable place.

Process 1 does both itself, with the program's uid as its effective one and no other. By that it may
signal what the program left and remove its files, without CAP_KILL and CAP_DAC_OVERRIDE. The
program may do nothing to it: its real uid is one that no program has and its saved one is root's,
and a signal goes by the target's real and saved uid. Nothing is forked that a survivor could stop,
and there need not be room for another process.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from collections.abc import Iterator
from typing import Any

from sandbox.runner.zygote import rlimits

WRITABLE = [place for place in ("/tmp", "/dev/mqueue", "/dev/shm") if os.path.isdir(place)]
# nothing stops the signal; this long a kernel may take to give back the memory of all processes
KILL_SECONDS = 10.0
CLEAN_SECONDS = 2.0


@contextlib.contextmanager
def acting_as(uid: int, nobody: int) -> Iterator[None]:
    """What is done in this block is allowed or refused as it is to that user.

    `nobody`: a uid that no program ever has.
    """
    os.setresuid(nobody, uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def others(zygote_pid: int) -> bool:
    """Whether anything but the runner's two processes is alive."""
    return any(name.isdigit() and int(name) not in (1, zygote_pid) for name in os.listdir("/proc"))


def kill_all(uids: list[int], nobody: int, zygote_pid: int) -> bool:
    """End every process of these uids; no session, stop or daemon escapes from it.

    False if one is still there.
    """
    deadline = time.monotonic() + KILL_SECONDS
    while others(zygote_pid):
        if time.monotonic() > deadline:
            return False
        for uid in uids:
            with acting_as(uid, nobody), contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        if others(zygote_pid):
            time.sleep(0.0005)
    return True


def leftovers() -> list[str]:
    """Files in any place that a program can write to."""
    return [os.path.join(place, name) for place in WRITABLE for name in os.listdir(place)]


def touch() -> None:
    """Give the places new times.

    A program must not read off them when the one before it wrote its last file.
    """
    for place in WRITABLE:
        _attempt(os.utime, place)


def clean(uids: list[int], nobody: int) -> bool:
    """Remove what these uids left.

    False if that did not succeed; then this container must not be used again.
    """
    deadline = time.monotonic() + CLEAN_SECONDS
    for uid in 2 * uids:  # again: one user's folder may lie in another's, which was locked
        if not leftovers():
            return True
        with acting_as(uid, nobody):
            remove_leftovers(deadline)
    return not leftovers()


def remove_leftovers(deadline: float) -> None:
    """As the owner, empty a folder whatever the depth of its contents.

    Folders in it are lifted to the top, then deleted.
    """
    lifted = 0
    while time.monotonic() < deadline:
        before = lifted
        for path in leftovers():
            if not _is_folder(path):
                _attempt(os.unlink, path)
                continue
            _attempt(os.chmod, path, 0o777)
            for name in _attempt(os.listdir, path) or ():
                below = os.path.join(path, name)
                if not _is_folder(below):
                    _attempt(os.unlink, below)
                    continue
                _attempt(os.chmod, below, 0o777)  # to move a folder is to write to it
                lifted += 1
                _attempt(
                    os.rename,
                    below,
                    f"{os.path.dirname(path)}/lifted {lifted} {time.monotonic_ns()}",
                )
            _attempt(os.rmdir, path)
        if lifted == before:
            return


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _attempt(action: Any, *args: Any) -> Any:
    """What it returns; None where this user may not do it."""
    with contextlib.suppress(OSError):
        return action(*args)
    return None


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
        refused = file.read().split()
    os.waitpid(pid, 0)
    return refused
