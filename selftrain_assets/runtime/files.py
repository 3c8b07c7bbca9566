"""Files that are either completely there or not there at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selftrain_assets.domain.errors import InfraError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SAFETENSORS = re.compile(r"\(os error (\d+)\)")
_TORCH = re.compile(r"inline_container\.cc.*unexpected pos|PytorchStreamWriter failed writing")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file atomically and durably.

    It is written to a temporary file in the same folder, synced and renamed, and the folder is
    synced.
    """
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
    """Rename a finished, synced file or folder to its final name, durably."""
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_folder(folder: Path) -> None:
    """Remove a folder so that a kill in the middle leaves nothing that looks complete.

    The folder is renamed first.
    """
    gone = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


@contextmanager
def prepared_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, which durably replaces `path` once all is written.

    Until then the present content of `path` stays. If writing fails, the new folder is removed.
    """
    with needs_room(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        temporary.mkdir()
        try:
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    with file.open("rb") as written:
                        os.fsync(written.fileno())
            if path.is_dir():
                replaced = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
                path.rename(replaced)
                publish(temporary, path)
                shutil.rmtree(replaced, ignore_errors=True)
            else:
                publish(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def needs_room(path: Path, size: int = 0) -> Iterator[None]:
    """Convert errors of a full disk to InfraError: the same command continues once there is room.

    Args:
        path: What is written, for the message.
        size: About how many bytes are to be written; 0 if that is not known.

    Raises:
        InfraError: The disk or a quota is full, or the file is too large for the file system.
    """
    try:
        yield
    except Exception as error:
        if (why := _refusal(error)) is None:
            raise
        space = f"some space, about {max(1, round(size / 1e6))} MB," if size else "some space"
        raise InfraError(
            f"{path} cannot be written: {why}; what is committed is kept: free {space} and run"
            " again to continue"
        ) from error


def _refusal(error: Exception) -> str | None:
    """Why no more could be written; None if the error has another cause.

    Writers in other languages have errors of their own: that of safetensors contains the system's
    error number, that of torch only that fewer bytes were written than expected.
    """
    match = None if isinstance(error, OSError) else _SAFETENSORS.search(str(error))
    number = error.errno if isinstance(error, OSError) else int(match[1]) if match else None
    if number in NO_ROOM:
        return os.strerror(number).lower()
    return (
        "not all of it was taken, as by a full disk"
        if isinstance(error, RuntimeError) and _TORCH.search(str(error))
        else None
    )
