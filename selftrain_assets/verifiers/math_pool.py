"""Worker processes that compare mathematical answers.

They are started when there is work, and replaced when a comparison takes too long.
"""

from __future__ import annotations

import queue
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from selftrain_assets.domain.errors import InfraError
from selftrain_assets.runtime.worker import SECONDS_TO_END, Inbox, Message, Worker, stop_all

WORKER = Path(__file__).with_name("math_worker.py")
START_SECONDS = 300.0  # wall time until a worker is ready; sympy takes about one second of CPU


class Finding(NamedTuple):
    """Result of a comparison: equal, unequal, unreadable, timeout or memory.

    For the last two `detail` says why.
    """

    outcome: str
    detail: str = ""


@dataclass(eq=False, slots=True)
class _Slot:
    """A worker, and the question that it works on."""

    worker: Worker
    deadline: float
    ready: bool = False
    question: int | None = None


class MathPool:
    """Up to `workers` processes.

    A comparison has `cpu_seconds` of CPU time, kept by the kernel, `wall_seconds` as a backstop,
    and `memory_mib` of memory beyond what a worker has from the start.
    """

    def __init__(
        self, workers: int, cpu_seconds: float, wall_seconds: float, memory_mib: int
    ) -> None:
        self._most = workers
        self._cpu, self._wall, self._memory = cpu_seconds, wall_seconds, memory_mib
        self._slots: dict[Worker, _Slot] = {}
        self._inbox: Inbox = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        stop_all(self._slots)
        self._slots.clear()

    def stream(self, questions: Sequence[tuple[str, str]]) -> Iterator[tuple[int, Finding]]:
        """Index and finding of each (reference, answer), as they are done.

        InfraError where a worker cannot start.
        """
        waiting = deque(range(len(questions)))
        tried_again: set[int] = set()
        try:
            while waiting or any(slot.question is not None for slot in self._slots.values()):
                self._start(len(waiting))
                for slot in self._slots.values():
                    if slot.ready and slot.question is None and waiting:
                        slot.question = waiting.popleft()
                        slot.deadline = time.monotonic() + self._wall
                        slot.worker.send(questions[slot.question])
                slot, reply = self._next_reply()
                question, finding = slot.question, self._finding(slot, reply)
                if question is None or finding is None:
                    continue
                # what came before it may have filled the worker
                if finding.outcome == "memory" and question not in tried_again:
                    tried_again.add(question)
                    waiting.appendleft(question)
                else:
                    yield question, finding
        finally:
            for slot in [slot for slot in self._slots.values() if slot.question is not None]:
                self._stop(slot)

    def _start(self, questions: int) -> None:
        idle = sum(slot.question is None for slot in self._slots.values())
        for _ in range(min(self._most - len(self._slots), questions - idle)):
            worker = Worker(
                [sys.executable, "-I", str(WORKER), str(self._cpu), str(self._memory)],
                inbox=self._inbox,
            )
            self._slots[worker] = _Slot(worker, time.monotonic() + START_SECONDS)

    def _next_reply(self) -> tuple[_Slot, Message | None]:
        """The next reply of a worker; None in its place where the worker has ended or is late."""
        while True:
            slots = self._slots.values()
            awaited = [slot for slot in slots if slot.question is not None or not slot.ready]
            soonest = min(awaited, key=lambda slot: slot.deadline)
            try:
                seconds = max(0.0, soonest.deadline - time.monotonic())
                worker, reply = self._inbox.get(timeout=seconds)
            except queue.Empty:
                return soonest, None
            if worker in self._slots:  # one that was stopped may have left its last reply
                return self._slots[worker], reply

    def _finding(self, slot: _Slot, reply: Message | None) -> Finding | None:
        """What a reply says of the slot's question; None where the worker has become ready."""
        late = slot.deadline <= time.monotonic()
        if reply == "ready":
            slot.ready = True
            return None
        if reply is not None and reply != "memory":
            slot.question = None
            return Finding(reply)
        if not slot.ready:
            wait = f"is not ready within {START_SECONDS:g} s"
            reason = wait if late else slot.worker.explain_end()
            self._stop(slot)
            raise InfraError(
                f"a worker that compares mathematical answers does not start: it {reason};"
                " is math-verify installed?"
            )
        if reply == "memory":
            self._stop(slot)
            return Finding("memory", f"took more than {self._memory} MiB of memory")
        status = self._stop(slot, grace=0.0 if late else SECONDS_TO_END)
        if late:
            return Finding("timeout", f"took more than {self._wall:g} s of wall time")
        if status == -signal.SIGPROF:
            return Finding("timeout", f"took more than {self._cpu:g} s of CPU time")
        return Finding("memory", f"ended its process (status {status})")

    def _stop(self, slot: _Slot, grace: float = 0.0) -> int:
        del self._slots[slot.worker]
        return slot.worker.stop(grace)
