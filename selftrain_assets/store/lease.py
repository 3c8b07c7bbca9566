"""Leases: one writer at a time for each stage and each pool."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from selftrain_assets.domain.errors import BusyError


@contextmanager
def lease(directory: Path, owner: str) -> Iterator[None]:
    """Hold the lease of `directory` for this process.

    The lock is the kernel's (flock), so it ends with its process however that dies; the file only
    says who has it.

    Raises:
        BusyError: Another live process has it; the message names its owner.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lease").open("a+") as file:
        try:
            _lock(file)
        except BlockingIOError as error:
            file.seek(0)
            raise BusyError(
                f"{directory} is being written by {file.read().strip() or 'another run'}; wait for"
                " it to end, or stop it and run again"
            ) from error
        file.seek(0)
        file.truncate()
        file.write(
            json.dumps({"owner": owner, "process": os.getpid(), "host": socket.gethostname()})
        )
        file.flush()
        yield


def _lock(file: IO[str]) -> None:
    """Try to lock for a fifth of a second, since `is_held` also locks the file for a moment."""
    for _ in range(10):
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
    return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(directory: Path) -> bool:
    """Whether a live process has the lease."""
    path = directory / ".lease"
    if not path.exists():
        return False
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
