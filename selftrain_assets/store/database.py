"""Run DuckDB over Parquet files in bounded memory; the only module that imports duckdb."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from selftrain_assets.domain.errors import InfraError, UserError, by_likeness
from selftrain_assets.store.tables import has_structs, json_columns, schema_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEMORY = "2GB"  # what DuckDB keeps before it spills to disk
WRONG_NAME = re.compile(
    r"Table with name (?P<table>\S+) does not exist"
    r'|(?:Referenced column "(?P<column>[^"]+)" not found'
    r'|does not have a column named "(?P<of_table>[^"]+)")'
)
WINDOW = 8192  # records that a stream holds at a time
QUERIES = Path(__file__).parent / "queries"
FileFormat = Literal["parquet", "jsonl"]
Values = Sequence[Any] | Mapping[str, Any]
"""What stands for `?` or `$1`, in order, or for `$name`."""
_SCALARS = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "int32": "INTEGER",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
}


class _Instance:
    """DuckDB with the functions of queries/macros.sql.

    To make one takes 30 ms, of which a round would need a dozen. So one that is closed stays for
    the next database of the same folder.
    """

    _idle: ClassVar[list[_Instance]] = []
    _lock = threading.Lock()

    def __init__(self, folder: Path) -> None:
        import duckdb

        self.folder = folder
        # DuckDB makes this folder when it needs it; the number of the process tells gc whether it
        # is still in use.
        self._spilt = folder / f".duckdb-{os.getpid()}.{uuid.uuid4().hex}.tmp"
        self.connection = duckdb.connect(
            config={"memory_limit": MEMORY, "temp_directory": str(self._spilt)}
        )
        self.connection.execute((QUERIES / "macros.sql").read_text())

    @classmethod
    def take(cls, folder: Path) -> _Instance:
        """The idle one of this folder, or a new one."""
        with cls._lock:
            idle = cls._idle.pop() if cls._idle else None
        if idle is None or idle.folder == folder:
            return idle or cls(folder)
        idle.close()
        return cls(folder)

    def give_back(self) -> None:
        """Keep it for the next database, in place of another one; not what has spilt to disk."""
        if self._spilt.exists():
            self.close()
            return
        with self._lock:
            others, self._idle[:] = list(self._idle), [self]
        for other in others:
            other.close()

    def close(self) -> None:
        self.connection.close()
        shutil.rmtree(self._spilt, ignore_errors=True)

    @classmethod
    def close_idle(cls) -> None:
        """At the end of the process, and before a fork: DuckDB's threads do not survive one."""
        with cls._lock:
            idle, cls._idle[:] = list(cls._idle), []
        for instance in idle:
            instance.close()


atexit.register(_Instance.close_idle)
os.register_at_fork(before=_Instance.close_idle)


class Database:
    """An empty in-memory database with the functions of queries/macros.sql.

    Data beyond MEMORY is spilt to disk below `folder`.
    """

    def __init__(self, folder: Path) -> None:
        import duckdb

        self._error, self._interrupted = duckdb.Error, duckdb.InterruptException
        self._instance = _Instance.take(folder)
        self._usable_again = True
        self._schema = f"database_{uuid.uuid4().hex}"
        self.connection = self._cursor(create=True)

    def _cursor(self, create: bool = False) -> duckdb.DuckDBPyConnection:
        cursor = self._instance.connection.cursor()
        if create:
            cursor.execute(f"CREATE SCHEMA {self._schema}")
        cursor.execute(f"SET search_path = '{self._schema},main'")
        return cursor

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete all data, on disk too."""
        self.connection.close()
        if self._usable_again:
            try:
                self._instance.connection.execute(f"DROP SCHEMA {self._schema} CASCADE")
            except self._error:
                self._usable_again = False
        if self._usable_again:
            self._instance.give_back()
        else:
            self._instance.close()

    @contextmanager
    def _as_own_errors(self) -> Iterator[None]:
        """Convert DuckDB's errors.

        Lack of memory or disk and missing files become InfraError; its own interrupt error becomes
        KeyboardInterrupt.
        """
        usable, self._usable_again = self._usable_again, False
        try:
            yield
            self._usable_again = usable
        except self._interrupted as error:
            raise KeyboardInterrupt from error
        except RuntimeError as error:
            if "interrupted" in str(error).lower():
                raise KeyboardInterrupt from error
            raise
        except self._error as error:
            raise InfraError(
                f"store: {_first_line(error)}; what is committed is kept, run again to continue"
            ) from error

    def script(self, name: str) -> None:
        """Run queries/<name>.sql."""
        self.execute((QUERIES / f"{name}.sql").read_text())

    def execute(self, sql: str, values: Values = ()) -> list[tuple[Any, ...]]:
        """All rows of a statement."""
        with self._as_own_errors():
            rows: list[tuple[Any, ...]] = self.connection.execute(sql, values).fetchall()
            return rows

    def dicts(self, sql: str, values: Values = ()) -> list[dict[str, Any]]:
        """All rows of a statement, each as a dict by column."""
        with self._as_own_errors():
            result = self.connection.execute(sql, values)
            columns = [column[0] for column in result.description]
            return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]

    def ask(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run a statement that a user wrote.

        Returns:
            Its columns and its rows.

        Raises:
            UserError: The statement failed; the message is the first line of DuckDB's, and of a
                wrong table or column, those that exist.
        """
        with self._written_by_a_user(sql):
            result = self.connection.execute(sql)
            if result is None:
                raise UserError("sql: there is no statement")
            return [column[0] for column in result.description or ()], result.fetchall()

    def ask_arrow(self, sql: str) -> pa.Table:
        """The same, as an Arrow table; one without columns where the statement has no result."""
        import pyarrow as pa

        with self._written_by_a_user(sql):
            relation = self.connection.sql(sql)
            return pa.table({}) if relation is None else relation.to_arrow_table()

    @contextmanager
    def _written_by_a_user(self, sql: str) -> Iterator[None]:
        self._usable_again = False  # whatever the statement leaves behind
        try:
            with self._as_own_errors():
                yield
        except InfraError as error:
            cause = error.__cause__ or error
            raise UserError(f"sql: {_first_line(cause)}{self._instead(sql, str(cause))}") from error

    def _instead(self, sql: str, message: str) -> str:
        """Of a message about a wrong table or column: those that exist, the likest first."""
        found = WRONG_NAME.search(message)
        if found is None:
            return ""
        columns: dict[str, list[str]] = {}
        for table, column in (
            self._cursor()
            .execute(
                "SELECT table_name, column_name FROM information_schema.columns"
                f" WHERE table_schema = '{self._schema}' ORDER BY ordinal_position"
            )
            .fetchall()
        ):
            columns.setdefault(table, []).append(column)
        if found["table"]:
            return f" There are: {', '.join(by_likeness(found['table'], columns))}"
        column = found["column"] or found["of_table"]
        named = [t for t in columns if re.search(rf"\b{re.escape(t)}\b", sql, re.IGNORECASE)]
        return "".join(
            f" {table} has: {', '.join(by_likeness(column, columns[table]))};" for table in named
        ).removesuffix(";")

    def arrow(self, sql: str, values: Values = ()) -> pa.Table:
        """All rows of a query as an Arrow table."""
        with self._as_own_errors():
            return self.connection.sql(sql, params=values or None).to_arrow_table()

    def count(self, relation: str) -> int:
        return int(self.execute(f"SELECT count(*) FROM {relation}")[0][0])

    def stream(
        self, sql: str, values: Values = (), *, fixed_join_order: bool = False
    ) -> Iterator[tuple[Any, ...]]:
        """Stream the rows of a query on a cursor of its own, with WINDOW rows in memory.

        Args:
            sql: The query.
            values: Values of its parameters.
            fixed_join_order: Keep the right side of each join in memory, whatever DuckDB estimates
                of its size; texts belong on the left.
        """
        with self._as_own_errors():
            cursor = self._cursor()
            if fixed_join_order:
                cursor.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
            cursor.execute(sql, values)
            if fixed_join_order:
                self.connection.execute("RESET disabled_optimizers")
        try:
            while True:
                with self._as_own_errors():
                    rows = cursor.fetchmany(WINDOW)
                if not rows:
                    return
                yield from rows
        finally:
            cursor.close()

    def insert_columns(self, table: str, record: type, columns: Sequence[Sequence[Any]]) -> None:
        """Insert records that are given column by column, in the order of the record's fields."""
        import pyarrow as pa

        arrow = pa.table(list(columns), schema=schema_of(record))
        with self._as_own_errors():
            self.connection.register("arrived", arrow)
            self.connection.execute(f"INSERT INTO {table} SELECT * FROM arrived")
            self.connection.unregister("arrived")

    def view(self, name: str, record: type, files: Iterable[Path]) -> None:
        """Create a view of the records in these files, with all columns of the record.

        Files of older versions may lack some of the columns.
        """
        self.execute(f"CREATE OR REPLACE VIEW {name} AS {read_files(record, files)}")

    def view_by_scope(
        self,
        name: str,
        record: type,
        files: Iterable[tuple[dict[str, str], Path]],
        columns: Iterable[str] = ("experiment", "scope"),
    ) -> None:
        """Create a view of the records in files, with added columns that say where each is from."""
        nowhere = dict.fromkeys(columns, "")
        parts = [f"SELECT {_constants(nowhere)}, * FROM ({read_files(record, [])}) WHERE false"]
        for place, file in files:
            constants = {column: place[column] for column in nowhere}
            parts.append(f"SELECT {_constants(constants)}, {_read(schema_of(record), [file])}")
        self.execute(f"CREATE VIEW {name} AS {' UNION ALL BY NAME '.join(parts)}")

    def write(self, sql: str, path: Path, format: FileFormat = "parquet") -> None:
        """Write the rows of a query to a file, in order."""
        options = {"parquet": "FORMAT parquet, COMPRESSION zstd", "jsonl": "FORMAT json"}[format]
        self.execute(f"COPY ({sql}) TO {text(str(path))} ({options})")


def _constants(values: dict[str, str]) -> str:
    return ", ".join(f"{text(value)} AS {name}" for name, value in values.items())


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0]


def parquet(files: Iterable[Path], *options: str) -> str:
    """SQL that reads exactly these files.

    No character of a path is a pattern, and no folder called `name=value` becomes a column.
    """
    listed = ", ".join(text(re.sub(r"[*?[]", r"[\g<0>]", str(file))) for file in files)
    return f"read_parquet({', '.join([f'[{listed}]', 'hive_partitioning = false', *options])})"


def read_files(record: type, files: Iterable[Path]) -> str:
    """SQL that reads records from these files, of which there may be none.

    The columns are those of the record; files of older versions may lack some. A field `position`
    is not a column of the files, but the index of a row in its file.
    """
    schema = schema_of(record)
    names = ", ".join(f'"{column.name}"' for column in schema)
    nulls = ", ".join(f'NULL::{_sql_type(column.type)} AS "{column.name}"' for column in schema)
    sources = [f"SELECT {nulls} WHERE false"]
    by_json: dict[tuple[str, ...], list[Path]] = {}
    for file in files:
        by_json.setdefault(tuple(json_columns(schema, file)), []).append(file)
    for alike in by_json.values():
        if "position" in schema.names:
            read = _read(schema, alike, "union_by_name = true", "file_row_number = true")
            sources.append(f"SELECT file_row_number AS position, {read}")
        else:
            sources.append(f"SELECT {_read(schema, alike, 'union_by_name = true')}")
    return f"SELECT {names} FROM ({' UNION ALL BY NAME '.join(sources)})"


def _read(schema: Any, files: Sequence[Path], *options: str) -> str:
    """SQL of the columns of files that have the same columns as JSON, which are decoded."""
    decoded = ", ".join(
        f'{_from_json(name, schema.field(name).type)} AS "{name}"'
        for name in json_columns(schema, files[0])
    )
    return f"*{decoded and f' REPLACE ({decoded})'} FROM {parquet(files, *options)}"


def _from_json(column: str, kind: Any) -> str:
    """SQL that decodes a column of JSON, in which a struct is a list of its values."""
    if has_structs(kind):
        fields = ", ".join(
            f'"{field.name}" := (struct->{place})::{_sql_type(field.type)}'
            for place, field in enumerate(kind.value_type)
        )
        return f'list_transform("{column}"::JSON::JSON[], lambda struct: struct_pack({fields}))'
    return f'"{column}"::JSON::{_sql_type(kind)}'


def _sql_type(kind: Any) -> str:
    """DuckDB's name of an Arrow type."""
    import pyarrow as pa

    if pa.types.is_list(kind):
        return f"{_sql_type(kind.value_type)}[]"
    if pa.types.is_map(kind):
        return f"MAP({_sql_type(kind.key_type)}, {_sql_type(kind.item_type)})"
    if pa.types.is_struct(kind):
        fields = ", ".join(f'"{field.name}" {_sql_type(field.type)}' for field in kind)
        return f"STRUCT({fields})"
    return _SCALARS[str(kind)]


def text(value: str) -> str:
    """Quote a text as a SQL literal."""
    return "'" + value.replace("'", "''") + "'"
