"""Files that are either wholly there or not there at all."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selftrain_assets.core.errors import InfraError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Temporary file in the same folder, fsync, rename, fsync of the folder."""
    with needs_room(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            publish(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def publish(temporary: Path, path: Path) -> None:
    """Rename a finished, synced file or folder to its name, durably."""
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_folder(folder: Path) -> None:
    """Take a folder's name away first: a kill in the middle leaves nothing that could be taken for whole."""
    gone = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


@contextmanager
def needs_room(path: Path) -> Iterator[None]:
    """A full disk, told as such: InfraError, since the same command goes on once there is room."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        why = os.strerror(error.errno).lower()
        raise InfraError(f"{path} cannot be written: {why}; what is committed is kept: free some space and run again to go on") from error
