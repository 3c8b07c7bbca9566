"""Which run of a sweep is begun when: as many at a time as there are workers, and later again what somebody else is working on."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, Any

from selftrain_assets.store import Store
from selftrain_assets.store.lease import is_held
from selftrain_assets.sweeping.state import PointRun, point_lease

LONGEST_PAUSE = 30.0  # seconds until what somebody else is working on is looked at again
GRACE = 30.0  # seconds in which an interrupted process commits what it has
TICK = 0.5
THREADS = "OMP_NUM_THREADS"
PROGRAM = (sys.executable, "-m", "selftrain_assets.sweeping.process")


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class _Child:
    process: subprocess.Popen[str]
    errors: IO[bytes]


class Scheduler:
    """`changed` is called with a run whenever there is something new to show of it."""

    def __init__(
        self,
        names: Sequence[str],
        store: Store,
        rounds: str | None,
        workers: int,
        changed: Callable[[PointRun], None] = lambda run: None,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self.runs, self._program = [PointRun(name) for name in names], program
        self._by_name = {run.name: run for run in self.runs}
        self._store, self._rounds, self._workers, self._changed = store, rounds, workers, changed
        self._children: dict[str, _Child] = {}
        self._said: queue.Queue[tuple[str, dict[str, Any] | None]] = queue.Queue()

    def work(self) -> None:
        """Until every run is done or has failed. Where this is interrupted the processes are ended, and commit what they have."""
        try:
            while any(run.state in ("waiting", "running") for run in self.runs):
                while len(self._children) < self._workers and (run := self._next()) is not None:
                    self._start(run)
                with suppress(queue.Empty):
                    self._hear(*self._said.get(timeout=TICK))
        finally:
            self._end()

    def _next(self) -> PointRun | None:
        for run in self.runs:
            if run.state == "waiting" and run.name not in self._children and time.monotonic() >= run.not_before:
                if not is_held(point_lease(self._store, run.name)):
                    return run
                self._put_off(run, "another process is working on it")
        return None

    def _put_off(self, run: PointRun, sentence: str) -> None:
        run.tries += 1
        run.not_before = time.monotonic() + min(LONGEST_PAUSE, 2.0**run.tries)
        run.state, run.stage, run.sentence = "waiting", "", sentence
        self._changed(run)

    def _start(self, run: PointRun) -> None:
        command = [*self._program, run.name, *([self._rounds] if self._rounds else [])]
        environment = {THREADS: str(max(1, cores() // self._workers)), **os.environ}
        errors = tempfile.TemporaryFile()  # noqa: SIM115  closed when the process has ended
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the others
        )
        self._children[run.name] = _Child(process, errors)
        run.state, run.sentence = "running", ""
        self._changed(run)
        threading.Thread(target=self._read, args=(run.name, process), daemon=True).start()

    def _read(self, name: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with suppress(ValueError):  # the last line of a process that was killed in the middle of it
                self._said.put((name, json.loads(line)))
        self._said.put((name, None))

    def _hear(self, name: str, said: dict[str, Any] | None) -> None:
        run = self._by_name[name]
        match said:
            case None:
                self._ended(run)
                return
            case {"stage": stage, "done": done, "total": total}:
                run.stage, run.done, run.total, run.sentence = stage, done, total, ""
            case {"waits": sentence}:
                run.sentence = sentence
            case {"busy": sentence}:
                self._put_off(run, sentence)
                return
            case {"failed": sentence}:
                run.state, run.sentence = "failed", sentence.removeprefix(f"{name}: ")
            case {"finished": summary}:
                run.state, run.summary, run.sentence = "done", summary, ""
                for other in self.runs:  # that may have waited for what is there now
                    other.not_before = 0.0
        self._changed(run)

    def _ended(self, run: PointRun) -> None:
        child = self._children.pop(run.name)
        code = child.process.wait()
        if run.state == "running":
            run.state, run.sentence = "failed", _why(code, _raised(child.errors))
            self._changed(run)
        child.errors.close()

    def _end(self) -> None:
        """Of the processes that are left: asked first, and then not."""
        left = [child.process for child in self._children.values()]
        try:
            for process in left:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGINT)
            deadline = time.monotonic() + GRACE
            for process in left:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            for process in left:
                if process.poll() is None:
                    process.kill()
                    process.wait()


def _raised(errors: IO[bytes]) -> str:
    """What stands behind a traceback, or else the last line."""
    errors.seek(0)
    lines = [line for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    behind = [line for before, line in pairwise(lines) if before.startswith("  ") and not line.startswith(" ")]
    return [*lines, *behind][-1].strip() if lines else ""


def _why(code: int, said: str) -> str:
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    advice = ", as where memory is short: give fewer --workers" if code == -signal.SIGKILL else ""
    return f"its process {how}{advice}{f' ({said})' if said and not advice else ''}"
