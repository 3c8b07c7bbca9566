"""Check the location of a store and the version of its format.

A store needs a folder on a file system that renames atomically and locks files.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import uuid
from contextlib import suppress
from pathlib import Path
from typing import IO

from selftrain_assets.domain.errors import IntegrityError, UserError
from selftrain_assets.runtime.files import write_atomically

# The address of a bucket, in which Path has already made one slash of two.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+", re.IGNORECASE)
ELSEWHERE = "set SELFTRAIN_STORE or --store to a folder on a local disk"


FORMAT = 3
"""Of what this version writes; older ones are read as they are. Format 1 has references to weights
without their kind (domain/weights.py); formats 1 and 2 have maps and structs as JSON (tables.py).
"""
FORMAT_FILE = "store.json"


def check_format(root: Path) -> None:
    """Check that this version can read the format of a store.

    Raises:
        UserError: The store has a newer format.
        IntegrityError: The file with the version cannot be read.
    """
    version = _format(root)
    if version is not None and version > FORMAT:
        raise UserError(
            f"store: {root} has format {version}, and this version of selftrain reads formats up "
            f"to {FORMAT}; install a newer selftrain, or use another store (--store)"
        )


def mark_format(root: Path) -> None:
    """Record that this version has written to a store, which older ones then refuse."""
    if _format(root) != FORMAT:
        write_atomically(root / FORMAT_FILE, json.dumps({"format": FORMAT}))


def _format(root: Path) -> int | None:
    """The format that is recorded; None if there is nothing yet, or a store of format 1."""
    path = root / FORMAT_FILE
    if not path.exists():
        return None
    try:
        version = json.loads(path.read_text())["format"]
    except (ValueError, KeyError, TypeError):
        version = None
    if type(version) is not int or version < 1:
        raise IntegrityError(
            f"{path} does not say the format of the store, which is a whole number from 1; write"
            f' {{"format": {FORMAT}}} into it'
        )
    return version


def folder(place: str | Path) -> Path:
    """The folder that `place` names.

    Raises:
        UserError: It is the address of a bucket, which cannot guarantee what a store needs.
    """
    if scheme := _ADDRESS.match(str(place)):
        raise UserError(
            f"store: {place} is an address ({scheme[1]}), but a store must be a folder: a bucket"
            " can neither rename a finished folder into place nor hold a lock that ends with its"
            f" process; {ELSEWHERE}, and copy it to the bucket between runs (docs/evidence.md)"
        )
    return Path(place).absolute()


def check(root: Path) -> None:
    """Check, before any work begins, that results can be stored safely.

    Raises:
        UserError: They cannot.
    """
    probe, renamed = (root / f".probe-{uuid.uuid4().hex}" for _ in range(2))
    try:
        root.mkdir(parents=True, exist_ok=True)
        with probe.open("w") as one, probe.open("w") as other:
            fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
            safe = _is_locked_for(other)
        os.replace(probe, renamed)
    except OSError as error:
        raise UserError(
            f"store: {root} cannot be written ({error.strerror}); {ELSEWHERE}"
        ) from error
    finally:
        for left in (probe, renamed):
            with suppress(OSError):
                left.unlink()
    if not safe:
        raise UserError(
            f"store: the file system of {root} does not lock files, so two runs could write the"
            f" same shard; {ELSEWHERE}"
        )


def _is_locked_for(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
