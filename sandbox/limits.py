"""What one program and one container may use. Every default is here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Limits of one case: one process and whatever it starts.

    They are part of what a verdict means.
    """

    cpu_seconds: float = 5.0
    """CPU time, user and system, of the process and its children, where the container's account
    can be seen also of those that it never waits for. This decides; the same on a busy machine."""
    wall_seconds: float = 20.0
    """Backstop for programs that wait. A program stopped by it with little CPU used is run once
    more; the second verdict counts."""
    memory_bytes: int = 512 * MIB
    """Memory of each process. Its address space (RLIMIT_AS) may be larger by `STACK_ROOM`, for
    stacks that are hardly used."""
    output_bytes: int = 1 * MIB
    """What is compared: standard output of a script, encoded results of a function. Where twice
    the expected one is more, that much (`fitted` in protocol.py). Standard error, and what a
    function prints, may be any length: they only cost time."""
    file_bytes: int = 32 * MIB
    """Any file that the program writes (RLIMIT_FSIZE); together they fit into the scratch folder
    or not."""
    processes: int = 24
    """Processes and threads of the program, itself included (RLIMIT_NPROC)."""
    open_files: int = 128
    """File descriptors of each process (RLIMIT_NOFILE)."""
    stack_bytes: int = 64 * MIB
    """Main thread's stack (RLIMIT_STACK). A program may ask for more: what it then uses counts
    as memory."""

    def wire(self) -> dict[str, float | int]:
        """What the runner is told."""
        return vars(self) | {"address_bytes": self.memory_bytes + STACK_ROOM}


COMPILER = Limits(cpu_seconds=30, wall_seconds=60, memory_bytes=640 * MIB, output_bytes=16 * MIB)
"""Limits of compiling a program of another language than Python: always the same ones, and no
part of what its cases may use."""


@dataclass(frozen=True)
class ContainerLimits:
    """Limits of one container: the runner and the one program that it runs at a time."""

    memory_bytes: int = 768 * MIB
    """Memory, and memory plus swap; outputs and scratch files count. Above it the kernel kills
    the program first."""
    processes: int = 64
    """The program's and the runner's; has to be well above Limits.processes, so that the runner
    can always start its killer."""
    cpus: float = 1.0
    """CPU quota."""
    scratch_bytes: int = 32 * MIB
    """Size of /tmp, the only place that a program can write to."""
    scratch_files: int = 2000
    """Inodes of /tmp."""
    open_files: int = 256
    """File descriptors of each process in the container."""

    @property
    def unowned_bytes(self) -> int:
        """Limit of memory that no process owns, in bytes: a third of the container's memory.

        It counts memory files, shared mappings, scratch files, and what waits in pipes and sockets,
        together. They are in the container's account and in no process's, so that the kernel, short
        of memory, might take the runner for the largest process: at this limit the case is ended
        before.
        """
        return max(self.memory_bytes // 3, self.scratch_bytes + 64 * MIB)


STACK_ROOM = 160 * MIB
"""Address space beyond the memory: enough for `threading.stack_size(512 * 2**20)`, less than
would let a program take the container's."""
LARGEST_EXPECTED = 16 * MIB
"""Of an expected output; a task with a larger one is unscorable."""
EXCERPT_CHARACTERS = 2000
"""Of a program's output that a verdict keeps."""
REQUEST_BYTES = 32 * MIB
"""Of one job line; a larger task is unscorable."""
START_SECONDS = 60.0
"""From a container's start until its runner says hello, which it does when it has imported all
packages."""
GRACE_SECONDS = 15.0
"""That a runner may take over the sum of its cases' wall limits before the container counts as
hung."""
WAITS = 3
"""Wall limits that all cases of one script may wait through together, beside what they compute."""
STRIKES = 3
"""Containers that a program may take down before it is put in quarantine."""
SECOND_LINE = {
    "AS": "the container's memory limit",
    "NPROC": "the container's process limit",
    "NOFILE": "the container's limit on open files",
    "STACK": "the address space and memory limits",
    "CORE": "the container's core limit and its read-only files",
    "MEMLOCK": "the system call filter, which has no mlock",
    "MSGQUEUE": "the runner's clean-up of /dev/mqueue",
}
"""What holds where a kernel or runtime refuses one of these limits of a process. The others, CPU
and FSIZE, are essential."""
