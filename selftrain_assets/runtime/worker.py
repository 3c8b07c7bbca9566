"""Child processes that receive requests and send replies, one JSON value per line.

`Worker` is the parent's side: it starts a process, talks to it, and ends it with all processes that
it has started. `open_replies` and `open_requests` are the child's side. A child reads requests from
standard input, which ends when the parent does, and writes replies to standard output. What it
writes to standard error is kept, so that a failure can be explained by the last error in it.
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from selftrain_assets.domain.errors import InfraError

Message = Any
"""What JSON can hold."""
Inbox = queue.SimpleQueue["tuple[Worker, Message | None]"]
"""Replies with the workers that sent them; None is the end of a worker."""

LOG_TAIL = 100_000  # bytes of a log that are kept
SECONDS_TO_END = 20.0  # until a process that has closed its output is killed
_ERROR = re.compile(r"[\w.]*(?:Error|Exception)(?:: .*|$)")


class WorkerError(InfraError):
    """The process has ended."""


class Worker:
    """A child process in a session of its own.

    Ctrl-C reaches the parent alone, which then decides how its workers end.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        inbox: Inbox | None = None,
        log: Path | None = None,
    ) -> None:
        """Start the process.

        Args:
            command: Program and arguments.
            environment: Variables beyond those of this process.
            inbox: Queue that several workers share.
            log: File for what the process writes to standard error; by default a temporary one.
        """
        self.inbox = inbox or queue.SimpleQueue()
        self._log = log.open("w+b") if log else tempfile.TemporaryFile()  # noqa: SIM115  closed in _kill
        self.log = ""  # what the process has written to standard error, once it has ended
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._requests = self._process.stdin
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def exit_code(self) -> int | None:
        """The exit code; None until the process is stopped or its end explained.

        It is -N if signal N ended the process.
        """
        return self._process.returncode

    @property
    def pid(self) -> int:
        """Id of the process, and of its process group."""
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as replies:
            for line in replies:
                with suppress(ValueError):  # half a line of a process that was killed
                    self.inbox.put((self, json.loads(line)))
        self.inbox.put((self, None))

    def send(self, message: Message) -> None:
        """Send a request.

        If the process has ended, nothing is sent; the inbox reports the end.
        """
        if self._requests.closed:
            return
        with suppress(BrokenPipeError):
            self._requests.write(json.dumps(message).encode() + b"\n")
            self._requests.flush()

    def receive(self) -> Message:
        """The next reply of a worker with an inbox of its own.

        Raises:
            WorkerError: The process has ended.
        """
        _, message = self.inbox.get()
        if message is None:
            self.inbox.put((self, None))  # for whoever asks again
            raise WorkerError(self.explain_end())
        return message

    def stop(self, grace: float = 0.0, interrupt: bool = False) -> int:
        """End the process as `stop_all` does, and return its exit code."""
        stop_all([self], grace, interrupt)
        return self._process.wait()

    def explain_end(self) -> str:
        """How the process ended and the last error that it wrote, as a predicate.

        The text continues a sentence whose subject is the process. A process that is still ending
        is waited for.
        """
        code = self.stop(SECONDS_TO_END)
        ending = (
            f"was ended by {signal.Signals(-code).name}"
            if code < 0
            else f"ended with exit code {code}"
        )
        error = last_error(self.log)
        return f"{ending}; it says: {error}" if error else ending

    def _end_input(self, interrupt: bool) -> None:
        if self._process.returncode is None:
            with suppress(OSError):
                self._requests.close()
            if interrupt:
                os.kill(self.pid, signal.SIGINT)

    def _kill(self) -> None:
        if self._log.closed:
            return
        with suppress(ProcessLookupError):  # the group may outlive its first process
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._log.seek(max(0, os.fstat(self._log.fileno()).st_size - LOG_TAIL))
        self.log = self._log.read().decode(errors="replace")
        self._log.close()


def stop_all(workers: Iterable[Worker], grace: float = 0.0, interrupt: bool = False) -> None:
    """End processes, and all that they have started.

    Args:
        workers: Those to end; one that has ended already is left as it is.
        grace: Seconds in which they may end by themselves, now that their requests have ended.
            Those that are left are killed.
        interrupt: Whether to send them SIGINT too.
    """
    workers = list(workers)
    try:
        for worker in workers:
            worker._end_input(interrupt)
        deadline = time.monotonic() + grace
        for worker in workers:
            with suppress(subprocess.TimeoutExpired):
                worker._process.wait(max(0.0, deadline - time.monotonic()))
    finally:  # whoever presses Ctrl-C twice waits no longer
        for worker in workers:
            worker._kill()


def last_error(log: str) -> str:
    """The last line with an error, from the error's name on.

    If there is no error, it is the last line; if there is no line, the empty text.
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [match[0] for line in lines if (match := _ERROR.search(line))]
    return [*lines[-1:], *errors[-1:]][-1] if lines else ""


# -- the child's side ------------------------------------------------------------------------------


def open_replies() -> Callable[[Message], None]:
    """Open the reply channel of a child, and return a function that sends a reply.

    Everything else that is printed from now on goes to standard error.
    """
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return lambda message: print(json.dumps(message), file=replies, flush=True)


def open_requests() -> queue.SimpleQueue[Message]:
    """Open the request channel of a child, and return a queue of the requests.

    When the requests end, this process ends at once: the parent wants no more of it, or is gone.
    Whatever else reads standard input from now on finds it empty.
    """
    requests: queue.SimpleQueue[Message] = queue.SimpleQueue()
    channel, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def read() -> None:
        for line in open(channel, "rb"):  # noqa: SIM115  open until the process ends
            requests.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return requests
