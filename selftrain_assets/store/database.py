"""DuckDB over Parquet, in bounded memory. The only file that imports duckdb."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from selftrain_assets.domain.errors import InfraError, UserError
from selftrain_assets.store.tables import schema_of

MEMORY = "2GB"  # what DuckDB keeps before it spills to disk
WINDOW = 8192  # records that a stream holds at a time
SQL = Path(__file__).parent / "sql"
FileFormat = Literal["parquet", "jsonl"]
_TYPES = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "list<element: int32 not null>": "INTEGER[]",
}


class Database:
    """An in-memory database with the keys of sql/identity.sql; what does not fit into MEMORY is
    spilt below `folder`."""

    def __init__(self, folder: Path) -> None:
        import duckdb

        self._error, self._interrupted = duckdb.Error, duckdb.InterruptException
        # DuckDB makes this folder when it needs it; the number of the process tells gc whether it
        # is still in use
        self._spilt = folder / f".duckdb-{os.getpid()}.{uuid.uuid4().hex}.tmp"
        self.connection = duckdb.connect(
            config={"memory_limit": MEMORY, "temp_directory": str(self._spilt)}
        )
        self.script("identity")

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        shutil.rmtree(self._spilt, ignore_errors=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Memory, disk, or a file that went away; and Ctrl-C, for which DuckDB has a name of its
        own."""
        try:
            yield
        except self._interrupted as error:
            raise KeyboardInterrupt from error
        except RuntimeError as error:
            if "interrupted" in str(error).lower():
                raise KeyboardInterrupt from error
            raise
        except self._error as error:
            raise InfraError(
                f"store: {_first_line(error)}; what is committed is kept, run again to go on"
            ) from error

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
        """Columns and rows of a person's statement. UserError carries the first line of what
        DuckDB says."""
        try:
            with self._told():
                found = self.connection.execute(sql, values)
                if found is None:
                    raise UserError("sql: there is no statement")
                return [column[0] for column in found.description or ()], found.fetchall()
        except InfraError as error:
            raise UserError(f"sql: {_first_line(error.__cause__ or error)}") from error

    def count(self, relation: str) -> int:
        return self.execute(f"SELECT count(*) FROM {relation}")[0][0]

    def set(self, **variables: Any) -> None:
        """Variables for getvariable() in scripts and `execute`; the cursor of a stream has none."""
        for name, value in variables.items():
            self.execute(f"SET VARIABLE {name} = ?", value)

    def stream(self, sql: str, *values: Any, as_written: bool = False) -> Iterator[tuple[Any, ...]]:
        """Rows as they come, on a cursor of their own, WINDOW of them in memory. `as_written`:
        what a join holds in memory is its right side, whatever DuckDB thinks of its size; texts
        belong on the left."""
        with self._told():
            cursor = self.connection.cursor()
            if as_written:
                cursor.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
            cursor.execute(sql, values)
            if as_written:
                self.connection.execute("RESET disabled_optimizers")
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

    # -- relations ---------------------------------------------------------------------------------

    def load(self, name: str, record: type, columns: Sequence[Sequence[Any]]) -> None:
        """A table of records that are given by column."""
        import pyarrow as pa

        arrow = pa.table(list(columns), schema=schema_of(record))
        with self._told():
            self.connection.register("arrived", arrow)
            self.connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM arrived")
            self.connection.unregister("arrived")

    def view(self, name: str, record: type, files: Iterable[Path]) -> None:
        """Records in these files as one relation, with all columns of today: files of older
        versions have fewer."""
        self.execute(f"CREATE OR REPLACE VIEW {name} AS {relation(record, files)}")

    # -- tables ------------------------------------------------------------------------------------

    def write(self, sql: str, path: Path, format: FileFormat = "parquet") -> None:
        """The rows of a query as a file, in their order."""
        options = {"parquet": "FORMAT parquet, COMPRESSION zstd", "jsonl": "FORMAT json"}[format]
        self.execute(f"COPY ({sql}) TO {text(str(path))} ({options})")


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]


def parquet(files: Iterable[Path], *options: str) -> str:
    """SQL that reads just these files: no letter of a path is a pattern, and no folder called
    `name=value` a column."""
    listed = ", ".join(text(re.sub(r"[*?[]", r"[\g<0>]", str(file))) for file in files)
    return f"read_parquet({', '.join([f'[{listed}]', 'hive_partitioning = false', *options])})"


def relation(record: type, files: Iterable[Path], *, places: bool = False) -> str:
    """SQL that reads records of these files, of which there may be none, in the columns of
    today: files of older versions can have fewer. With `places`, the position of each in its
    file comes first, as `place`."""
    files = list(files)
    if places:
        return (
            "SELECT file_row_number AS place, * EXCLUDE (file_row_number) FROM"
            f" ({_united(record, files, 'file_row_number = true')})"
        )
    names = ", ".join(f'"{f.name}"' for f in schema_of(record))
    return f"SELECT {names} FROM ({_united(record, files)})"


def _united(record: type, files: list[Path], *options: str) -> str:
    nothing = (
        "SELECT "
        + ", ".join(f'NULL::{_TYPES[str(f.type)]} AS "{f.name}"' for f in schema_of(record))
        + " WHERE false"
    )
    return (
        f"{nothing} UNION ALL BY NAME SELECT * FROM"
        f" {parquet(files, 'union_by_name = true', *options)}"
        if files
        else nothing
    )


def text(value: str) -> str:
    """A text literal."""
    return "'" + value.replace("'", "''") + "'"
