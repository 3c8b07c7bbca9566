"""DuckDB over Parquet, in bounded memory. The only file that imports duckdb."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from selftrain_assets.core.errors import InfraError, UserError
from selftrain_assets.store.tables import schema_of

MEMORY = "2GB"  # what DuckDB keeps before it spills to disk
WINDOW = 8192  # records that a stream holds at a time
SQL = Path(__file__).parent / "sql"
_TYPES = {"string": "VARCHAR", "int64": "BIGINT", "double": "DOUBLE"}


class Database:
    """An in-memory database with the keys of sql/identity.sql; what does not fit into MEMORY is spilt below `scratch`."""

    def __init__(self, scratch: Path) -> None:
        import duckdb

        self._error, self._not_ours = duckdb.Error, duckdb.OperationalError
        with suppress(OSError):  # a store that can only be read is asked in memory
            scratch.mkdir(parents=True, exist_ok=True)
        self._spilt = scratch / f".duckdb.{uuid.uuid4().hex}.tmp"
        self.connection = duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(self._spilt)})
        self.script("identity")

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        shutil.rmtree(self._spilt, ignore_errors=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Memory, disk, or a file that went away."""
        try:
            yield
        except self._not_ours as error:
            raise InfraError(f"store: {_first_line(error)}; what is committed is kept, run again to go on") from error

    def script(self, name: str) -> None:
        """Run sql/<name>.sql."""
        self.execute((SQL / f"{name}.sql").read_text())

    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a statement."""
        with self._told():
            return self.connection.execute(sql, values).fetchall()

    def dicts(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """All rows of a statement, each by its columns."""
        with self._told():
            found = self.connection.execute(sql, values)
            columns = [column[0] for column in found.description]
            return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]

    def ask(self, sql: str, *values: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Columns and rows of a person's statement. UserError carries the first line of what DuckDB says."""
        try:
            found = self.connection.execute(sql, values)
            if found is None:
                raise UserError("sql: there is no statement")
            return [column[0] for column in found.description or ()], found.fetchall()
        except self._error as error:
            raise UserError(f"sql: {_first_line(error)}") from error

    def count(self, relation: str) -> int:
        return self.execute(f"SELECT count(*) FROM {relation}")[0][0]

    def set(self, **variables: Any) -> None:
        """Variables for getvariable() in scripts and `execute`; the cursor of a stream has none."""
        for name, value in variables.items():
            self.execute(f"SET VARIABLE {name} = ?", value)

    def stream(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Rows as they come, on a cursor of their own, WINDOW of them in memory."""
        with self._told():
            cursor = self.connection.cursor().execute(sql, values)
        try:
            while True:
                with self._told():
                    rows = cursor.fetchmany(WINDOW)
                if not rows:
                    return
                yield from rows
        finally:
            cursor.close()

    def records(self, record: type, sql: str, *values: Any) -> Iterator[Any]:
        """Rows as records; `sql` gives the record's fields in their order."""
        return (record(*row) for row in self.stream(sql, *values))

    # -- relations -----------------------------------------------------------------------------------------------------

    def load(self, name: str, record: type, columns: Sequence[Sequence[Any]]) -> None:
        """A table of records that are given by column."""
        import pyarrow as pa

        arrow = pa.table(list(columns), schema=schema_of(record))
        with self._told():
            self.connection.register("arrived", arrow)
            self.connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM arrived")
            self.connection.unregister("arrived")

    def view(self, name: str, record: type, files: Iterable[Path]) -> None:
        """Records in these files as one relation, with all columns of today: files of older versions have fewer."""
        self.execute(f"CREATE OR REPLACE VIEW {name} AS {relation(record, files)}")

    # -- tables --------------------------------------------------------------------------------------------------------

    def write(self, sql: str, path: Path) -> None:
        """The rows of a query as a Parquet file, in their order."""
        self.execute(f"COPY ({sql}) TO {text(str(path))} (FORMAT parquet, COMPRESSION zstd)")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def relation(record: type, files: Iterable[Path]) -> str:
    """SQL that reads records of these files; none of them is needed."""
    listed = ", ".join(text(str(file)) for file in files)
    columns = ", ".join(f'NULL::{_TYPES[str(f.type)]} AS "{f.name}"' for f in schema_of(record))
    nothing = f"SELECT {columns} WHERE false"
    return f"{nothing} UNION ALL BY NAME SELECT * FROM read_parquet([{listed}], union_by_name = true)" if listed else nothing


def text(value: str) -> str:
    """A text literal."""
    return "'" + value.replace("'", "''") + "'"
