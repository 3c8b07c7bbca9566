"""A pool of worker processes that answer requests one at a time.

They are started when there is work, and replaced when a request takes too long.
"""

from __future__ import annotations

import queue
import signal
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

from selftrain_assets.domain.errors import InfraError
from selftrain_assets.runtime.worker import SECONDS_TO_END, Inbox, Message, Worker, stop_all

START_SECONDS = 300.0  # wall time until a worker is ready; what it imports may be large
READY, OUT_OF_MEMORY = "ready", "memory"
"""Replies that are no answers: a worker that has started, and a request that needs more memory."""


class Failure(NamedTuple):
    """A request that a worker did not answer.

    Attributes:
        kind: What it used up, or that the process ended.
        detail: For an end, how the process ended.
    """

    kind: Literal["cpu", "wall", "memory", "crash"]
    detail: str = ""


@dataclass(eq=False, slots=True)
class _Slot:
    """A worker, and the position of the request that it works on."""

    worker: Worker
    deadline: float
    ready: bool = False
    position: int | None = None


class WorkerPool:
    """Up to `workers` processes of one command.

    A process replies READY once it has started, and then one message to each request. It may limit
    its own CPU time by SIGPROF, and reply OUT_OF_MEMORY.
    """

    def __init__(
        self,
        command: Sequence[str],
        workers: int,
        wall_seconds: float,
        purpose: str,
        environment: Mapping[str, str] | None = None,
        setup: Message = None,
    ) -> None:
        """No process is started yet.

        Args:
            command: Program and arguments of a worker.
            workers: The most processes at a time.
            wall_seconds: Wall time of a request.
            purpose: What a worker does, for messages: "a worker that ... does not start".
            environment: Variables beyond those of this process.
            setup: What a worker is sent first, if anything.
        """
        self._command, self._environment, self._setup = command, environment, setup
        self._most, self._wall, self._purpose = workers, wall_seconds, purpose
        self._slots: dict[Worker, _Slot] = {}
        self._inbox: Inbox = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        stop_all(self._slots)
        self._slots.clear()

    def replies(self, requests: Sequence[Message]) -> Iterator[tuple[int, Message | Failure]]:
        """Position and reply of each request, as they are done.

        A request that a worker ended on, or ran out of memory, is tried again by a new worker: what
        came before may have filled the old one.

        Raises:
            InfraError: A worker cannot start.
        """
        waiting = deque(range(len(requests)))
        repeated: set[int] = set()
        try:
            while waiting or any(slot.position is not None for slot in self._slots.values()):
                self._start(len(waiting))
                for slot in self._slots.values():
                    if slot.ready and slot.position is None and waiting:
                        slot.position = waiting.popleft()
                        slot.deadline = time.monotonic() + self._wall
                        slot.worker.send(requests[slot.position])
                slot, message = self._next_message()
                position = slot.position
                reply = self._reply(slot, message)
                if position is None or reply is None:
                    continue
                is_failure = isinstance(reply, Failure) and reply.kind in ("memory", "crash")
                if is_failure and position not in repeated:
                    repeated.add(position)
                    waiting.appendleft(position)
                else:
                    yield position, reply
        finally:
            for slot in [slot for slot in self._slots.values() if slot.position is not None]:
                self._stop(slot)

    def _start(self, requests: int) -> None:
        idle = sum(slot.position is None for slot in self._slots.values())
        for _ in range(min(self._most - len(self._slots), requests - idle)):
            worker = Worker(self._command, self._environment, self._inbox)
            self._slots[worker] = _Slot(worker, time.monotonic() + START_SECONDS)
            if self._setup is not None:
                worker.send(self._setup)

    def _next_message(self) -> tuple[_Slot, Message | None]:
        """The next message of a worker; None in its place where the worker has ended or is late."""
        while True:
            slots = self._slots.values()
            awaited = [slot for slot in slots if slot.position is not None or not slot.ready]
            soonest = min(awaited, key=lambda slot: slot.deadline)
            try:
                seconds = max(0.0, soonest.deadline - time.monotonic())
                worker, message = self._inbox.get(timeout=seconds)
            except queue.Empty:
                return soonest, None
            if worker in self._slots:  # one that was stopped may have left its last message
                return self._slots[worker], message

    def _reply(self, slot: _Slot, message: Message | None) -> Message | Failure | None:
        """The reply to the slot's request; None where the worker has become ready."""
        late = slot.deadline <= time.monotonic()
        if message == READY:
            slot.ready = True
            return None
        if message is not None and message != OUT_OF_MEMORY:
            slot.position = None
            return message
        if not slot.ready:
            wait = f"is not ready within {START_SECONDS:g} s"
            reason = wait if late else slot.worker.explain_end()
            self._stop(slot)
            raise InfraError(f"a worker that {self._purpose} does not start: it {reason}")
        if message == OUT_OF_MEMORY:
            self._stop(slot)
            return Failure("memory")
        status = self._stop(slot, grace=0.0 if late else SECONDS_TO_END)
        if late:
            return Failure("wall")
        if status == -signal.SIGPROF:
            return Failure("cpu")
        return Failure("crash", slot.worker.explain_end())

    def _stop(self, slot: _Slot, grace: float = 0.0) -> int:
        del self._slots[slot.worker]
        return slot.worker.stop(grace)
