"""Run one point of a sweep: python -m selftrain_assets.cli.sweep_process NAME [ROUNDS].

This is a worker (runtime/worker.py) that does what is owed of an experiment. Its replies are
`stage` with `done` of `total`, `waits`, and at last one of `finished` with the summary, `busy` if
another process does the same work, and `failed`.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from selftrain_assets.api.working import work
from selftrain_assets.cli.common import open_run
from selftrain_assets.domain.errors import BusyError, SelftrainError
from selftrain_assets.operations.sweep.state import point_lease
from selftrain_assets.pipeline.run import Run
from selftrain_assets.reports import summarize
from selftrain_assets.runtime.worker import open_replies
from selftrain_assets.store.lease import lease

# Seconds to wait for work that another run is doing; after that this process ends as `busy`.
PATIENCE = 30.0
PAUSE, OFTEN = 0.5, 0.2  # seconds between two tries, and at least between two lines on one stage
INTERRUPTED = 130

Send = Callable[[dict[str, Any]], None]


def main(name: str, rounds: str | None = None) -> int:
    """Do what is owed of an experiment and send replies; returns the exit code.

    Args:
        name: Name of the experiment.
        rounds: Rounds as in `1-3`; None is all.
    """
    # a shell's background jobs have it ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _reply(name, rounds, open_replies())
    except (KeyboardInterrupt, BrokenPipeError):  # nobody reads on: whoever started this is gone
        return INTERRUPTED
    return 0


def _reply(name: str, rounds: str | None, send: Send) -> None:
    try:
        send({"finished": _run_point(name, rounds, send)})
    except BusyError as error:
        send({"busy": str(error)})
    except SelftrainError as error:
        send({"failed": str(error)})


def _run_point(name: str, rounds: str | None, send: Send) -> dict[str, Any]:
    sent_at = 0.0

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal sent_at
        if done == total or time.monotonic() - sent_at > OFTEN:
            sent_at = time.monotonic()
            send({"stage": stage, "done": done, "total": total})

    run = open_run(name, progress)
    run.store.check_writable()
    with lease(point_lease(run.store, name), run.owner):
        _work_or_wait(run, rounds, send)
    return summarize(run).to_json()


def _work_or_wait(run: Run, rounds: str | None, send: Send) -> None:
    """Do the work, and wait while another run is doing a part that both share.

    Points share base, samples and verdicts of the first round: the first run makes them, and the
    others wait and use them.
    """
    blocker, waiting_since = "", 0.0
    while True:
        try:
            for _ in work(run, rounds):
                pass
            return
        except BusyError as error:
            if str(error) != blocker:
                blocker, waiting_since = str(error), time.monotonic()
                send({"waits": blocker})
            if time.monotonic() - waiting_since > PATIENCE:
                raise
            time.sleep(PAUSE)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
