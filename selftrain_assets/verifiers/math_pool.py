"""Worker processes that compare mathematical answers: started when there is work, ended and replaced when one goes too far."""

from __future__ import annotations

import contextlib
import json
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from selftrain_assets.core.errors import InfraError

WORKER = Path(__file__).with_name("math_worker.py")
START_SECONDS = 300.0  # wall time until a worker is ready; sympy takes about one second of CPU


class Finding(NamedTuple):
    """What became of a comparison: equal, unequal, unreadable, timeout or memory; for the last two `detail` says why."""

    outcome: str
    detail: str = ""


class _Worker:
    """One process, and the question that it works on."""

    def __init__(self, cpu_seconds: float, memory_mib: int) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed with its process)
        command = [sys.executable, "-I", str(WORKER), str(cpu_seconds), str(memory_mib)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, bufsize=0)
        self.place: int | None = None
        self.ready = False
        self.deadline = time.monotonic() + START_SECONDS

    def ask(self, place: int, question: tuple[str, str], seconds: float) -> None:
        self.place, self.deadline = place, time.monotonic() + seconds
        with contextlib.suppress(BrokenPipeError):  # it has died, and its output says so
            self.process.stdin.write(json.dumps(question).encode() + b"\n")  # type: ignore[union-attr]

    def answer(self) -> str | None:
        """The line that is there; None where the process has ended."""
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        return json.loads(line) if line.endswith(b"\n") else None

    def end(self) -> int:
        """Kill it, if it lives; how it ended."""
        self.process.kill()
        status = self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.errors):
            file.close()  # type: ignore[union-attr]
        return status

    def last_words(self) -> str:
        """The last line that it wrote about an error."""
        self.errors.seek(0)
        return (self.errors.read().decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]


class MathPool:
    """Up to `workers` processes. A comparison has `cpu_seconds` of CPU time, kept by the kernel, `wall_seconds` as a backstop, and
    `memory_mib` of memory beyond what a worker has from the start."""

    def __init__(self, workers: int, cpu_seconds: float, wall_seconds: float, memory_mib: int) -> None:
        self._most, self._cpu, self._wall, self._memory = workers, cpu_seconds, wall_seconds, memory_mib
        self._workers: set[_Worker] = set()
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in [*self._workers]:
            self._remove(worker)
        self._selector.close()

    def stream(self, questions: Sequence[tuple[str, str]]) -> Iterator[tuple[int, Finding]]:
        """Place and finding of each (reference, answer), as they are done. InfraError where a worker cannot start."""
        waiting = deque(range(len(questions)))
        tried_again: set[int] = set()
        try:
            while waiting or any(worker.place is not None for worker in self._workers):
                self._start(len(waiting))
                for worker in self._workers:
                    if worker.ready and worker.place is None and waiting:
                        first = waiting.popleft()
                        worker.ask(first, questions[first], self._wall)
                for worker in self._changed():
                    place = worker.place
                    finding = self._found(worker)
                    if place is None or finding is None:
                        continue
                    if finding.outcome == "memory" and place not in tried_again:  # what came before it may have filled the worker
                        tried_again.add(place)
                        waiting.appendleft(place)
                    else:
                        yield place, finding
        finally:
            for worker in [worker for worker in self._workers if worker.place is not None]:
                self._remove(worker)

    def _start(self, wanted: int) -> None:
        idle = sum(worker.place is None for worker in self._workers)
        for _ in range(min(self._most - len(self._workers), wanted - idle)):
            worker = _Worker(self._cpu, self._memory)
            self._workers.add(worker)
            self._selector.register(worker.process.stdout, selectors.EVENT_READ, worker)  # type: ignore[arg-type]

    def _changed(self) -> list[_Worker]:
        """Workers with a line to read, or that have died, or are late."""
        awaited = [worker for worker in self._workers if worker.place is not None or not worker.ready]
        soonest = min(worker.deadline for worker in awaited)
        found = [key.data for key, _ in self._selector.select(max(0.0, soonest - time.monotonic()))]
        return found or [worker for worker in awaited if worker.deadline <= time.monotonic()]

    def _found(self, worker: _Worker) -> Finding | None:
        """What a changed worker has to say; None where it is ready now."""
        late = worker.deadline <= time.monotonic()
        readable = any(key.data is worker for key, _ in self._selector.select(0))
        said = worker.answer() if readable else None
        if not worker.ready:
            if said != "ready":
                reason = f"it was not ready within {START_SECONDS:g} s" if late else worker.last_words()
                self._remove(worker)
                raise InfraError(f"a worker that compares mathematical answers does not start ({reason}); is math-verify installed?")
            worker.ready = True
            return None
        if said is not None and said != "memory":
            worker.place = None
            return Finding(said)
        status = self._remove(worker)
        if said is None and late:
            return Finding("timeout", f"took more than {self._wall:g} s of wall time")
        if status == -signal.SIGPROF:
            return Finding("timeout", f"took more than {self._cpu:g} s of CPU time")
        return Finding("memory", f"took more than {self._memory} MiB of memory" if said else f"ended its process (status {status})")

    def _remove(self, worker: _Worker) -> int:
        self._workers.discard(worker)
        self._selector.unregister(worker.process.stdout)  # type: ignore[arg-type]
        return worker.end()
