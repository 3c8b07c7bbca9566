"""Decide when each run of a sweep is started.

As many run at a time as there are workers; a run that another process is working on is tried again
later.
"""

from __future__ import annotations

import os
import queue
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from selftrain_assets.operations.sweep.state import PointRun, point_lease
from selftrain_assets.runtime.worker import Inbox, Message, Worker, stop_all
from selftrain_assets.store import Store
from selftrain_assets.store.lease import is_held

LONGEST_PAUSE = 30.0  # seconds until what somebody else is working on is looked at again
GRACE = 30.0  # seconds in which an interrupted process commits what it has
TICK = 0.5
THREADS = "OMP_NUM_THREADS"


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Scheduler:
    """Works on the runs of a sweep in processes, several at a time."""

    def __init__(
        self,
        names: Sequence[str],
        store: Store,
        rounds: str | None,
        workers: int,
        changed: Callable[[PointRun], None],
        program: Sequence[str],
    ) -> None:
        """Prepare all runs.

        Args:
            names: Experiments of the points.
            store: Where each point has its lease.
            rounds: Rounds to do, in the syntax of `--rounds`; None is all.
            workers: Number of runs at a time.
            changed: Called with a run whenever its state changes.
            program: Command of a worker that does one run; name and rounds are appended.
        """
        self.runs, self._program = [PointRun(name) for name in names], program
        self._store, self._rounds, self._most, self._changed = store, rounds, workers, changed
        self._workers: dict[Worker, PointRun] = {}
        self._inbox: Inbox = queue.SimpleQueue()

    def work(self) -> None:
        """Work until every run is done or has failed.

        If interrupted, the processes are ended and commit what they have.
        """
        try:
            while any(run.state in ("waiting", "running") for run in self.runs):
                while len(self._workers) < self._most and (run := self._next()) is not None:
                    self._start(run)
                with suppress(queue.Empty):
                    worker, message = self._inbox.get(timeout=TICK)
                    self._hear(worker, self._workers[worker], message)
        finally:
            stop_all(self._workers, GRACE, interrupt=True)

    def _next(self) -> PointRun | None:
        for run in self.runs:
            if (
                run.state == "waiting"
                and run not in self._workers.values()
                and time.monotonic() >= run.not_before
            ):
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
        threads = os.environ.get(THREADS) or max(1, cores() // self._most)
        command = [*self._program, run.name, *([self._rounds] if self._rounds else [])]
        self._workers[Worker(command, {THREADS: str(threads)}, self._inbox)] = run
        run.state, run.sentence = "running", ""
        self._changed(run)

    def _hear(self, worker: Worker, run: PointRun, message: Message | None) -> None:
        match message:
            case None:
                del self._workers[worker]
                how = worker.explain_end()
                if run.state != "running":
                    return
                run.state, run.sentence = "failed", f"its process {how}"
                if worker.exit_code == -signal.SIGKILL:
                    run.sentence += ", as where memory is short: give fewer --workers"
            case {"stage": stage, "done": done, "total": total}:
                run.stage, run.done, run.total, run.sentence = stage, done, total, ""
            case {"waits": sentence}:
                run.sentence = sentence
            case {"busy": sentence}:
                self._put_off(run, sentence)
                return
            case {"failed": sentence}:
                run.state, run.sentence = "failed", sentence.removeprefix(f"{run.name}: ")
            case {"finished": summary}:
                run.state, run.summary, run.sentence = "done", summary, ""
                for other in self.runs:  # that may have waited for what is there now
                    other.not_before = 0.0
        self._changed(run)
