"""A pool of worker containers. Tasks in, verdicts out, in the order in which they are done.

A task is done when its last line has come. A container that goes away before that costs one strike
and the task is given to a new one; after three it is in quarantine. An engine that goes away raises
EngineError: never a verdict.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sandbox.engine import EngineSettings, connect, free_slots, sweep
from sandbox.errors import SandboxError
from sandbox.image import build
from sandbox.protocol import Task, Verdict
from sandbox.self_check import require_languages, require_safe
from sandbox.worker import Worker


@dataclass(frozen=True)
class PoolSettings:
    """How many containers, and where."""

    workers: int | None = None
    """Containers per engine; None: one per core of this machine."""
    engines: tuple[EngineSettings, ...] = field(default_factory=lambda: (EngineSettings(),))
    """One or many; with many, give each as many workers as its machine has cores."""


class Pool:
    """Use it as a context manager; it may be called from one thread at a time.

    It opens only where every control has just been proved from inside a container, one per engine:
    else UnsafeError; and where the packages and languages that were asked for are there: else
    SandboxError.
    """

    def __init__(self, settings: PoolSettings = PoolSettings()) -> None:
        self.settings = settings
        self.workers: list[Worker] = []

    def __enter__(self) -> Pool:
        count = self.settings.workers or len(os.sched_getaffinity(0))
        try:
            for engine in self.settings.engines:
                client = connect(engine.host)
                sweep(client)
                image = build(client, engine)
                self.workers += [
                    Worker(connect(engine.host), image, engine, slot)
                    for slot in free_slots(client, count)
                ]
            _run_all([worker.start for worker in self.workers])
            first = self.workers[::count]
            _run_all([lambda worker=worker: require_safe(worker) for worker in first])
            _run_all([lambda worker=worker: require_languages(worker) for worker in first])
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Remove every container. A stream that is still open ends in an error."""
        for worker in self.workers:
            worker.interrupt()
        _run_all([worker.close for worker in self.workers])
        self.workers.clear()

    def judge(self, task: Task) -> Verdict:
        """One verdict."""
        return next(iter(self.stream([task])))[1]

    def judge_all(self, tasks: Iterable[Task]) -> list[Verdict]:
        """Verdicts in the order of the tasks."""
        return [verdict for _, verdict in sorted(self.stream(tasks), key=lambda pair: pair[0])]

    def stream(self, tasks: Iterable[Task]) -> Iterator[tuple[int, Verdict]]:
        """Position and verdict of each task as it is done.

        EngineError ends it; what came before stays valid.

        Closed early, or left by an exception, it ends the programs in flight at once. The pool can
        be used again.
        """
        if not self.workers:
            raise SandboxError("the pool is not open; use it in a `with` statement")
        todo: queue.Queue[tuple[int, Task] | None] = queue.Queue()
        done: queue.Queue[tuple[int, Verdict] | BaseException] = queue.Queue()
        source = enumerate(tasks)
        stop = threading.Event()
        failure: BaseException | None = None
        threads = [
            threading.Thread(target=_work, args=(worker, todo, done, stop), daemon=True)
            for worker in self.workers
        ]
        for thread in threads:
            thread.start()
        try:
            waiting = 0
            # tasks are drawn as they are needed: the input may be long
            for item in islice(source, 2 * len(threads)):
                todo.put(item)
                waiting += 1
            while waiting:
                result = done.get()
                if isinstance(result, BaseException):
                    failure = result
                    break
                waiting -= 1
                for item in islice(source, 1):
                    todo.put(item)
                    waiting += 1
                yield result
        finally:
            stop.set()
            for _ in threads:
                todo.put(None)
            cut_off = [worker for worker in self.workers if worker.interrupt()]
            for thread in threads:
                thread.join()
            _run_all([worker.close for worker in cut_off])
            for worker in self.workers:
                worker.cancelled.clear()
        if failure is not None:
            # done in the meantime: they count
            yield from (item for item in _drain(done) if not isinstance(item, BaseException))
            raise failure


def _work(
    worker: Worker, todo: queue.Queue[Any], done: queue.Queue[Any], stop: threading.Event
) -> None:
    """One worker's thread."""
    while (item := todo.get()) is not None and not stop.is_set():
        try:
            done.put((item[0], worker.judge(item[1])))
        except BaseException as error:
            done.put(error)
            return


def _drain(items: queue.Queue[Any]) -> Iterator[Any]:
    """What is in a queue that nobody fills any more."""
    while not items.empty():
        yield items.get()


def _run_all(actions: list[Any]) -> None:
    """Do all of them at once; raise the first that failed."""
    errors: list[BaseException] = []

    def attempt(action: Any) -> None:
        try:
            action()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=attempt, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
