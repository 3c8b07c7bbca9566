"""Worker processes that compare mathematical answers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from selftrain_assets.runtime.worker_pool import Failure, WorkerPool

WORKER = Path(__file__).with_name("math_worker.py")


class Finding(NamedTuple):
    """Result of a comparison: equal, unequal, unreadable, timeout or memory.

    For the last two `detail` says why.
    """

    outcome: str
    detail: str = ""


class MathPool(WorkerPool):
    """Up to `workers` processes.

    A comparison has `cpu_seconds` of CPU time, kept by the kernel, `wall_seconds` as a backstop,
    and `memory_mib` of memory beyond what a worker has from the start.
    """

    def __init__(
        self, workers: int, cpu_seconds: float, wall_seconds: float, memory_mib: int
    ) -> None:
        command = [sys.executable, "-I", str(WORKER), str(cpu_seconds), str(memory_mib)]
        super().__init__(command, workers, wall_seconds, "compares mathematical answers")
        self._exhausted = {
            "cpu": Finding("timeout", f"took more than {cpu_seconds:g} s of CPU time"),
            "wall": Finding("timeout", f"took more than {wall_seconds:g} s of wall time"),
            "memory": Finding("memory", f"took more than {memory_mib} MiB of memory"),
        }

    def stream(self, questions: Sequence[tuple[str, str]]) -> Iterator[tuple[int, Finding]]:
        """Index and finding of each (reference, answer), as they are done.

        Raises:
            InfraError: A worker cannot start.
        """
        for position, reply in self.replies(questions):
            if not isinstance(reply, Failure):
                yield position, Finding(reply)
            elif reply.kind == "crash":
                yield position, Finding("memory", f"ended its process: it {reply.detail}")
            else:
                yield position, self._exhausted[reply.kind]
