"""Records as Parquet files, with atomic writes and checked reads.

The schema is derived from the record's dataclass.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.domain.identity import KEY_LENGTH
from selftrain_assets.runtime.files import needs_room


@cache
def schema_of(record: type) -> Any:
    """The Arrow schema of a dataclass, a NamedTuple or a TypedDict.

    Fields may be texts, numbers, truth values, TypedDicts (structs), lists, maps from texts, and
    their optional forms. Whole numbers in lists are token ids or positions, of 32 bits.
    """
    import pyarrow as pa

    scalars = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}

    def arrow_type(hint: Any) -> Any:
        if is_typeddict(hint):
            return pa.struct(schema_of(hint))
        kind, arguments = get_origin(hint), get_args(hint)
        if kind is list:
            element = pa.int32() if arguments[0] is int else arrow_type(arguments[0])
            return pa.list_(pa.field("element", element, nullable=False))
        if kind is dict:
            return pa.map_(pa.string(), pa.field("value", arrow_type(arguments[1]), nullable=False))
        return scalars[str if kind is Literal else hint]

    def field(name: str, hint: Any) -> Any:
        nullable = NoneType in get_args(hint)
        if nullable:
            hint = next(option for option in get_args(hint) if option is not NoneType)
        return pa.field(name, arrow_type(hint), nullable=nullable)

    return pa.schema([field(name, hint) for name, hint in get_type_hints(record).items()])


def json_columns(schema: Any, path: Path) -> list[str]:
    """The columns that are maps or lists of structs, but JSON in a file of an older version.

    Stores before format 3 have a map as an object, and a struct as the list of its values.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [f.name for f in schema if pa.types.is_map(f.type) or has_structs(f.type)]
    columns = pq.read_schema(path) if names else schema
    return [n for n in names if n in columns.names and pa.types.is_string(columns.field(n).type)]


def has_structs(kind: Any) -> bool:
    """Whether an Arrow type is a list of structs."""
    import pyarrow as pa

    return bool(pa.types.is_list(kind) and pa.types.is_struct(kind.value_type))


def _decoded(texts: Any, kind: Any) -> Any:
    """A column of JSON as an Arrow array of a nested type."""
    import pyarrow as pa

    values = [None if text is None else json.loads(text) for text in texts.to_pylist()]
    if has_structs(kind):
        values = [None if value is None else [*map(tuple, value)] for value in values]
    return pa.array(values, kind)


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
    hashed_state, digest = _checksums.get(path, (None, ""))
    if hashed_state == state:
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


def content_digest(path: Path, columns: list[str], schema: Any = None) -> str:
    """Digest of some columns of a Parquet file, row by row.

    It does not depend on how the bytes are laid out, nor, with a schema, on whether nested columns
    are JSON.
    """
    import pyarrow.parquet as pq

    older = json_columns(schema, path) if schema else []
    digest = hashlib.sha256(repr(columns).encode())
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=columns):
            for name in set(older) & set(columns):
                kind = schema.field(name).type
                batch = batch.set_column(
                    batch.schema.names.index(name), name, _decoded(batch[name], kind)
                )
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
        schema = newer.schema_arrow
    return content_digest(path, columns, schema) == content_digest(other, columns)


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
    for name in json_columns(schema, path):
        place, kind = table.column_names.index(name), schema.field(name).type
        table = table.set_column(place, name, _decoded(table[name], kind))
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
    return [record(**row) for row in table.to_pylist(maps_as_pydicts="strict")]


def same_table(path: Path, record: type, records: Sequence[Any]) -> str | None:
    """The checksum of a file if it has exactly these records, in whatever bytes; otherwise None."""
    actual = file_digest(path)
    try:
        return actual if read_table(path, record, actual) == list(records) else None
    except Exception:  # whatever the Parquet reader makes of damaged bytes
        return None
