"""Look up single records of committed files by the value of a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selftrain_assets.domain.errors import InfraError
from selftrain_assets.store.database import Database, parquet, read_files
from selftrain_assets.store.tables import require_intact

Files = Mapping[Path, str]
"""Committed files with their checksums."""


def lookup(
    files: Files, column: str, value: str, prefix: bool = False, once: bool = False
) -> list[dict[str, Any]]:
    """Find records by the value of a column.

    Reads that column of all files, and then all of the files that contain the value.

    Args:
        files: The files with their checksums.
        column: The column.
        value: Its value, or the beginning of it.
        prefix: Whether `value` is only the beginning.
        once: Whether there is at most one such record, so that the first ends the search.

    Raises:
        IntegrityError: A file that contains the value is damaged.
    """
    condition = f"WHERE starts_with({column}, ?)" if prefix else f"WHERE {column} = ?"
    limit = " LIMIT 1" if once else ""
    if not files:
        return []
    with _open(files) as db:
        holding = db.execute(
            "SELECT DISTINCT filename FROM (SELECT filename FROM"
            f" {parquet(files, 'filename = true')} {condition}{limit})",
            [value],
        )
        return [
            record
            for (file,) in sorted(holding)
            for record in _records(db, files, Path(file), f"{condition}{limit}", value)
        ]


def nth(record: type, file: Path, position: int) -> dict[str, Any]:
    """The record at a position of an intact file, counted from 0."""
    with Database(file.parent) as db:
        sql = f"FROM ({read_files(record, [file])}) LIMIT 1 OFFSET ?"
        return db.dicts(sql, [position])[0]


@contextmanager
def _open(files: Files) -> Iterator[Database]:
    """A database in which a read error of a damaged file becomes an IntegrityError."""
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
