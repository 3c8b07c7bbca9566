"""Files that are either wholly there or not there at all."""

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
    """Take a folder's name away first: a kill in the middle leaves nothing that could be taken
    for whole."""
    gone = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


@contextmanager
def prepared_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside `path`, which takes its place, durably, once all is written; until
    then what is there stays. Where that fails nothing of it is left."""
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
    """A full disk, told as such: InfraError, since the same command goes on once there is room.
    `size` is about how many bytes are to be written, where that is known."""
    try:
        yield
    except Exception as error:
        if (why := _refusal(error)) is None:
            raise
        space = f"some space, about {max(1, round(size / 1e6))} MB," if size else "some space"
        raise InfraError(
            f"{path} cannot be written: {why}; what is committed is kept: free {space} and run"
            " again to go on"
        ) from error


def _refusal(error: Exception) -> str | None:
    """Why no more could be written, None where it was something else. Writers in other languages
    have errors of their own: that of safetensors holds the system's number, that of torch
    nothing but that less was written than was to be."""
    found = None if isinstance(error, OSError) else _SAFETENSORS.search(str(error))
    number = error.errno if isinstance(error, OSError) else int(found[1]) if found else None
    if number in NO_ROOM:
        return os.strerror(number).lower()
    return (
        "not all of it was taken, as by a full disk"
        if isinstance(error, RuntimeError) and _TORCH.search(str(error))
        else None
    )
