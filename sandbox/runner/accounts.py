"""What the container has used, as its control groups count it.

CPU time of children that a program never waits for, and memory that no process is charged for, are
in no other account.
"""

from __future__ import annotations

import os
import time

SLACK = 0.05
"""Seconds that the accounts of the group and of the processes may differ by without anyone's
doing."""
FRESH = 20.0
"""Seconds of CPU time that a container that has only just started cannot have used."""


class Accounts:
    """CPU seconds of all but the runner's two processes, and bytes of memory that no process owns.

    Where an account is not to be seen (gVisor, an engine without control groups, one that shows
    another group) it stays at zero. Then a program's time is that of its process and of the
    children it waited for, the wall limit bounds the rest, and the container's memory limit may hit
    the runner.
    """

    def __init__(self, zygote_pid: int) -> None:
        # the clock of another process's CPU time, as clock_getcpuclockid(3) makes it
        self._zygote_clock = ~zygote_pid << 3 | 2
        runners = {1, zygote_pid}
        self._unit, self._time = 1e6, _open(f"/sys/fs/cgroup/{_group()}/cpu.stat", runners)
        if self._time is None:
            self._unit = 1e9
            self._time = _open("/sys/fs/cgroup/cpuacct/cpuacct.usage", runners)
        self._usage, self._memory = (
            _open(f"/sys/fs/cgroup/{_group()}/memory.{name}", runners)
            for name in ("current", "stat")
        )
        if self._usage is None:
            self._usage, self._memory = (
                _open(f"/sys/fs/cgroup/memory/memory.{name}", runners)
                for name in ("usage_in_bytes", "stat")
            )
        if self._time is not None and not 0 < self.cpu() < FRESH:
            self._time = None  # the whole machine's

    def cpu(self) -> float:
        """Seconds so far."""
        if self._time is None:
            return 0.0
        runner = time.process_time() + time.clock_gettime(self._zygote_clock)
        return (
            int(os.pread(self._time, 100, 0).removeprefix(b"usage_usec ").split(maxsplit=1)[0])
            / self._unit
            - runner
        )

    def unwaited(self, before: float, known: float) -> float:
        """Seconds since `before` of nobody whose own account is `known`."""
        more = self.cpu() - before - known
        return more if more > SLACK else 0.0

    def unowned(self) -> int:
        """Bytes at this moment that no process owns.

        Memory files, shared mappings, scratch files, full pipes and sockets.
        """
        if self._usage is None or self._memory is None:
            return 0
        stat = {
            name: int(number)
            for name, number in map(bytes.split, os.pread(self._memory, 8192, 0).splitlines()[:-1])
        }
        owned = stat.get(b"anon", stat.get(b"rss", 0))
        # given back by the kernel when it needs memory
        files = stat.get(b"file", stat.get(b"cache", 0)) - stat.get(b"shmem", 0)
        return int(os.pread(self._usage, 100, 0)) - owned - files


def _group() -> str:
    """Our place in the tree of version 2, which is the root where groups have a namespace."""
    try:
        with open("/proc/self/cgroup") as file:
            return next(
                (line.strip()[3:].strip("/") for line in file if line.startswith("0::")), ""
            )
    except OSError:
        return ""


def _open(path: str, runners: set[int]) -> int | None:
    """The account at `path`, if it is there and counts these processes alone.

    An account of a group above, or of the whole machine, counts others too.
    """
    try:
        with open(os.path.join(os.path.dirname(path), "cgroup.procs")) as file:
            ours = {int(pid) for pid in file} == runners
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC) if ours else None
    except (OSError, ValueError):
        return None
