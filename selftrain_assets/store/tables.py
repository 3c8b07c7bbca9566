"""Records as Parquet files, with atomic writes and checked reads.

The schema is derived from the record's dataclass.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.domain.identity import KEY_LENGTH
from selftrain_assets.runtime.files import needs_room


@cache
def schema_of(record: type) -> Any:
    """The Arrow schema of a dataclass.

    Fields may be texts, numbers, truth values, lists of token ids or of texts, and their optional
    forms.
    """
    import pyarrow as pa

    types = {
        str: pa.string(),
        int: pa.int64(),
        float: pa.float64(),
        bool: pa.bool_(),
        list[int]: pa.list_(pa.field("element", pa.int32(), nullable=False)),
        list[str]: pa.list_(pa.field("element", pa.string(), nullable=False)),
    }

    def field(name: str, hint: Any) -> Any:
        options = (
            [a for a in get_args(hint) if a is not NoneType]
            if NoneType in get_args(hint)
            else [hint]
        )
        kind = str if get_origin(options[0]) is Literal else options[0]
        return pa.field(name, types[kind], nullable=NoneType in get_args(hint))

    return pa.schema([field(name, hint) for name, hint in get_type_hints(record).items()])


AGAIN = (
    "run the experiment again, which puts it aside and makes what is lost again, or restore it from"
    " a copy"
)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


RACY = 0.1
"""Seconds. A file that changed less than this before it was hashed could change again without its
times showing it, because file systems keep times by the tick of a clock."""


def checksum(path: Path) -> str:
    """SHA-256 of a committed file, computed once per process and again if the file has changed.

    A change to a file changes its size, its inode or its times. Damage that does not, such as a
    disk that loses a bit, is noticed by the next process, and by `file_digest`, which audits use.
    """
    stat = path.stat()
    state = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    known, digest = _checksums.get(path, (None, ""))
    if known == state:
        return digest
    digest = file_digest(path)
    if time.time() - max(stat.st_mtime, stat.st_ctime) > RACY:
        _checksums[path] = (state, digest)
    return digest


_checksums: dict[Path, tuple[tuple[int, ...], str]] = {}


def count_rows(path: Path) -> int:
    """How many rows a Parquet file has."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def content_digest(path: Path, columns: list[str] | None = None) -> str:
    """Digest of the rows of a Parquet file in order, or of some of their columns.

    It does not depend on how the bytes are laid out.
    """
    import pyarrow.parquet as pq

    digest = hashlib.sha256()
    with pq.ParquetFile(path) as file:
        digest.update(repr(columns or file.schema_arrow.names).encode())
        for batch in file.iter_batches(columns=columns):
            rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            digest.update("".join(f"{row!r}\n" for row in rows).encode())
    return digest.hexdigest()[:KEY_LENGTH]


def same_content(path: Path, other: Path) -> bool:
    """Whether two Parquet files have the same rows, in whatever bytes.

    Columns that `path` lacks, as a file of an older version may, have to be null in `other`.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file, pq.ParquetFile(other) as newer:
        columns = file.schema_arrow.names
        added = [name for name in newer.schema_arrow.names if name not in columns]
        if not set(columns) <= set(newer.schema_arrow.names):
            return False
        for batch in newer.iter_batches(columns=added) if added else ():
            if any(column.null_count < len(column) for column in batch.columns):
                return False
    return content_digest(path, columns) == content_digest(other, columns)


@contextmanager
def prepared_file(
    folder: Path, name: str, write: Callable[[Path], None]
) -> Iterator[tuple[Path, str]]:
    """Write a durable file under a temporary name, to be published in the `with` statement.

    Yields:
        Its path and its SHA-256.
    """
    temporary = folder / f".{name}.{uuid.uuid4().hex}.tmp"
    try:
        with needs_room(folder / name):
            folder.mkdir(parents=True, exist_ok=True)
            write(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        yield temporary, file_digest(temporary)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def prepared_table(
    folder: Path, name: str, record: type, records: Sequence[Any]
) -> Iterator[tuple[Path, str]]:
    """Write records as such a file (`prepared_file`)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write(path: Path) -> None:
        # By columns: from_pylist would look up every field of every record by its name.
        schema = schema_of(record)
        columns = [
            pa.array([getattr(r, field.name) for r in records], field.type) for field in schema
        ]
        pq.write_table(pa.Table.from_arrays(columns, schema=schema), path, compression="zstd")

    with prepared_file(folder, name, write) as prepared:
        yield prepared


def damage(path: Path, sha256: str, reread: bool = False) -> str | None:
    """Describe what is wrong with a committed file; None if its bytes are as they were committed.

    Args:
        path: The file.
        sha256: The checksum that was recorded when it was committed.
        reread: Whether to read every byte, even if this process has hashed the file before.
    """
    try:
        actual = file_digest(path) if reread else checksum(path)
    except FileNotFoundError:
        return "missing"
    return (
        None
        if actual == sha256
        else f"not as it was committed (checksum {actual[:12]}, recorded {sha256[:12]})"
    )


def require_intact(path: Path, sha256: str) -> None:
    """Check that a committed file is not damaged.

    Raises:
        IntegrityError: It is; the message says how, and what to do.
    """
    if wrong := damage(path, sha256):
        raise IntegrityError(f"{path} is {wrong}; {AGAIN}")


def read_table(path: Path, record: type, sha256: str) -> list[Any]:
    """Read the records of a file.

    Raises:
        IntegrityError: The bytes of the file are not as they were committed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    require_intact(path, sha256)
    # pq.read_table would import pandas.
    table, schema = pq.ParquetFile(path).read(), schema_of(record)
    if missing := [
        name
        for name in schema.names
        if name not in table.column_names and schema.field(name).nullable
    ]:
        for name in missing:  # added since; what older versions wrote has none of it
            table = table.append_column(
                schema.field(name), pa.nulls(len(table), schema.field(name).type)
            )
        table = table.select([name for name in schema.names if name in table.column_names])
    if table.column_names != schema.names:
        raise IntegrityError(
            f"{path} was written by another version of selftrain, which kept other columns"
            f" ({', '.join(table.column_names)}); use that version, or another store (--store)"
        )
    return [record(**row) for row in table.to_pylist()]


def same_table(path: Path, record: type, records: Sequence[Any]) -> str | None:
    """The checksum of a file if it has exactly these records, in whatever bytes; otherwise None."""
    actual = file_digest(path)
    try:
        return actual if read_table(path, record, actual) == list(records) else None
    except Exception:  # whatever the Parquet reader makes of damaged bytes
        return None
