"""A workspace: relations as values, made, joined and read by the named queries in queries/.

A stage opens one, reads what it needs from the store, and passes the relations on as arguments and
results. So no code depends on a table name that other code must have used before:

    with store.workspace() as ws:
        requests = plan_requests(ws, plan)
        samples = ws.pool(store.samples(policy))
        missing = ws.missing(requests, samples)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Generic, TypeVar

from selftrain_assets.store.database import QUERIES, Database, FileFormat, read_files, text
from selftrain_assets.store.pool import Pool
from selftrain_assets.store.tables import schema_of

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Relation(Generic[R_co]):
    """Rows in a workspace: in memory, spilt to disk, or still in the files they are read from.

    Attributes:
        name: Its name in the workspace that made it; no other relation there has it.
        record: The class (dataclass or NamedTuple) whose fields are its columns.
    """

    name: str
    record: type[R_co]


class Workspace:
    """Relations in a database of bounded memory, which are all deleted when it is closed.

    Queries are named `file.query` for `-- name: query` in queries/file.sql. A relation stands in a
    query as `{name}` and a value as `$name`; both are given by keyword.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers = count(1)

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *exception: object) -> None:
        self._database.close()

    # -- relations from outside --------------------------------------------------------------------

    def read(self, record: type[R_co], files: Iterable[Path]) -> Relation[R_co]:
        """The records of Parquet files, read when they are used.

        Columns that older files lack are null. If the first field of the record is `position`, it
        gets the index of each row in its file.
        """
        return self._named(record, "CREATE VIEW {} AS " + read_files(record, files))

    def pool(self, pool: Pool[R_co]) -> Relation[R_co]:
        """All records of a pool.

        Raises:
            IntegrityError: A shard is not as it was committed.
        """
        return self.pools(pool.record, [pool])

    def pools(self, record: type[R_co], pools: Iterable[Pool[R_co]]) -> Relation[R_co]:
        """All records of several pools, of which there may be none.

        Raises:
            IntegrityError: A shard is not as it was committed.
        """
        pools = list(pools)
        for pool in pools:
            pool.check()
        return self.read(record, (file for pool in pools for file in pool.files()))

    def load(self, record: type[R_co], columns: Sequence[Sequence[Any]]) -> Relation[R_co]:
        """Values that are given column by column, in the order of the record's fields."""
        relation = self.empty(record)
        self._database.insert_columns(relation.name, record, columns)
        return relation

    def load_records(self, records: Iterable[R_co], record: type[R_co]) -> Relation[R_co]:
        """Records that are in memory, as a relation."""
        relation = self.empty(record)
        self.append(relation, records)
        return relation

    def append(self, relation: Relation[R_co], records: Iterable[R_co]) -> None:
        """Add records to a relation made by `load`, `load_records` or `empty`."""
        names, records = _fields(relation.record), list(records)
        columns = [[getattr(record, name) for record in records] for name in names]
        self._database.insert_columns(relation.name, relation.record, columns)

    def empty(self, record: type[R_co]) -> Relation[R_co]:
        """A relation to append to or insert into."""
        return self._named(record, "CREATE TABLE {} AS " + read_files(record, []))

    # -- relations from relations ------------------------------------------------------------------

    def table(self, record: type[R_co], query: str, **arguments: Any) -> Relation[R_co]:
        """The rows of a query, computed now.

        Raises:
            TypeError: The query gives other columns than the record has fields.
        """
        sql, values = _statement(query, arguments)
        relation = self._named(record, "CREATE TABLE {} AS " + sql, values)
        self._check_columns(relation, query)
        return relation

    def view(
        self, record: type[R_co], query: str, **arguments: Relation[Any] | str | int
    ) -> Relation[R_co]:
        """The rows of a query, computed when they are read.

        Raises:
            TypeError: The query gives other columns than the record has fields.
        """
        sql, values = _statement(query, arguments)  # a view takes no parameters
        literal = {
            name: text(value) if isinstance(value, str) else str(value)
            for name, value in values.items()
        }
        relation = self._named(
            record, "CREATE VIEW {} AS " + _VALUE.sub(lambda found: literal[found[1]], sql)
        )
        self._check_columns(relation, query)
        return relation

    def union(self, record: type[R_co], relations: Sequence[Relation[R_co]]) -> Relation[R_co]:
        """The rows of several relations of one type, of which there may be none."""
        if not relations:
            return self.empty(record)
        return self._named(
            record,
            "CREATE VIEW {} AS "
            + " UNION ALL ".join(f"FROM {relation.name}" for relation in relations),
        )

    def insert(self, into: Relation[Any], query: str, **arguments: Any) -> None:
        """Add the rows of a query to a relation made by `empty`."""
        sql, values = _statement(query, arguments)
        self._database.execute(f"INSERT INTO {into.name} BY NAME {sql}", values)

    def missing(self, wanted: Relation[R_co], held: Relation[Any]) -> Relation[R_co]:
        """The rows of `wanted` whose `key` no row of `held` has."""
        return self.table(wanted.record, "workspace.missing", wanted=wanted, held=held)

    def drop(self, relation: Relation[Any]) -> None:
        """Free the memory of a table before the workspace is closed."""
        self._database.execute(f"DROP TABLE {relation.name}")

    # -- answers -----------------------------------------------------------------------------------

    def rows(self, query: str, **arguments: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        sql, values = _statement(query, arguments)
        return self._database.execute(sql, values)

    def dicts(self, query: str, **arguments: Any) -> list[dict[str, Any]]:
        """All rows of a query, each as a dict by column."""
        sql, values = _statement(query, arguments)
        return self._database.dicts(sql, values)

    def row(self, query: str, **arguments: Any) -> tuple[Any, ...]:
        """The row of a query that has exactly one."""
        (row,) = self.rows(query, **arguments)
        return row

    def stream(
        self, query: str, *, fixed_join_order: bool = False, **arguments: Any
    ) -> Iterator[tuple[Any, ...]]:
        """Stream the rows of a query, few of them in memory; other queries can run meanwhile.

        Args:
            query: Its name.
            fixed_join_order: Keep the right side of each join in memory, as the query is written,
                whatever the optimizer estimates of sizes; wide texts belong on the left.
            **arguments: Its relations and values.
        """
        sql, values = _statement(query, arguments)
        return self._database.stream(sql, values, fixed_join_order=fixed_join_order)

    def records(self, relation: Relation[R_co]) -> Iterator[R_co]:
        """Stream the rows of a relation as records, few of them in memory.

        They come in the relation's order, if it has one.
        """
        names = ", ".join(f'"{name}"' for name in _fields(relation.record))
        rows = self._database.stream(f"SELECT {names} FROM {relation.name}")
        return (relation.record(*row) for row in rows)

    def count(self, relation: Relation[Any]) -> int:
        """How many rows a relation has."""
        return self._database.count(relation.name)

    def count_missing(self, wanted: Relation[Any], held: Relation[Any]) -> int:
        """How many of `wanted` have a `key` that no row of `held` has."""
        return int(self.row("workspace.count_missing", wanted=wanted, held=held)[0])

    def column_types(self, relation: Relation[Any]) -> dict[str, str]:
        """DuckDB's name for the type of each column."""
        return {
            name: kind for name, kind, *_ in self._database.execute(f"DESCRIBE {relation.name}")
        }

    def write(self, relation: Relation[Any], path: Path, format: FileFormat = "parquet") -> None:
        """Write the rows of a relation to a file, in order."""
        self._database.write(f"SELECT * FROM {relation.name}", path, format)

    # ------------------------------------------------------------------------------------------------------------------  # noqa: E501

    def _named(
        self, record: type[R_co], create: str, values: dict[str, Any] | None = None
    ) -> Relation[R_co]:
        relation = Relation(f"{record.__name__.strip('_')}_{next(self._numbers)}", record)
        self._database.execute(create.replace("{}", relation.name, 1), values or {})
        return relation

    def _check_columns(self, relation: Relation[Any], query: str) -> None:
        columns, fields = list(self.column_types(relation)), _fields(relation.record)
        if columns != fields:
            raise TypeError(
                f"query {query} gives {columns}, and {relation.record.__name__} has {fields}"
            )


def _fields(record: type) -> list[str]:
    return list(schema_of(record).names)


# -- named queries ---------------------------------------------------------------------------------

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_RELATION = re.compile(r"\{(\w+)\}")
_VALUE = re.compile(r"\$(\w+)")


@cache
def queries(file: str) -> dict[str, str]:
    """The queries of queries/<file>.sql, by name."""
    _, *parts = _NAME.split((QUERIES / f"{file}.sql").read_text())
    return {
        name: sql.strip().removesuffix(";")
        for name, sql in zip(parts[::2], parts[1::2], strict=True)
    }


def _statement(query: str, arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The SQL of a named query with its relations filled in, and its values.

    Raises:
        TypeError: The arguments are not those that the query takes.
    """
    file, _, name = query.partition(".")
    sql = queries(file)[name]
    relations = {key: value.name for key, value in arguments.items() if isinstance(value, Relation)}
    values = {key: value for key, value in arguments.items() if key not in relations}
    if set(_RELATION.findall(sql)) != relations.keys() or set(_VALUE.findall(sql)) != values.keys():
        takes = sorted({*_RELATION.findall(sql), *_VALUE.findall(sql)})
        raise TypeError(f"query {query} takes {takes}, and is given {sorted(arguments)}")
    return _RELATION.sub(lambda found: relations[found[1]], sql), values
