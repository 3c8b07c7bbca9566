"""Single records of committed files, found by a value of a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selftrain_assets.domain.errors import InfraError
from selftrain_assets.store.database import Database, parquet
from selftrain_assets.store.tables import require_intact

Files = Mapping[Path, str]
"""Committed files with their checksums."""


def lookup(
    files: Files, column: str, value: str, prefix: bool = False, once: bool = False
) -> list[dict[str, Any]]:
    """Records of these files whose `column` is `value`, or begins with it; `once`: there is one
    at most, so stop at the first. Reads that column of all files, and all of the files that it
    is found in; IntegrityError if one of those is damaged."""
    found = f"WHERE starts_with({column}, ?)" if prefix else f"WHERE {column} = ?"
    limit = " LIMIT 1" if once else ""
    if not files:
        return []
    with _asking(files) as db:
        holding = db.execute(
            "SELECT DISTINCT filename FROM (SELECT filename FROM"
            f" {parquet(files, 'filename = true')} {found}{limit})",
            [value],
        )
        return [
            record
            for (file,) in sorted(holding)
            for record in _records(db, files, Path(file), f"{found}{limit}", value)
        ]


def nth(files: Files, position: int) -> dict[str, Any] | None:
    """The record at a position of a single file, from 0."""
    with _asking(files) as db:
        return next(
            iter(_records(db, files, next(iter(files)), "LIMIT 1 OFFSET ?", position)), None
        )


@contextmanager
def _asking(files: Files) -> Iterator[Database]:
    """A database; what it cannot read is told by the checksum that is wrong."""
    with Database(next(iter(files), Path()).parent) as db:
        try:
            yield db
        except InfraError:
            for file, sha256 in files.items():
                require_intact(file, sha256)
            raise


def _records(
    db: Database, files: Files, file: Path, clause: str, value: Any
) -> list[dict[str, Any]]:
    require_intact(file, files[file])
    return db.dicts(f"SELECT * FROM {parquet([file])} {clause}", [value])
