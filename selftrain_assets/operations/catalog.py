"""Query the store with SQL: DuckDB views over the Parquet files that manifests list."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from selftrain_assets.domain.types import (
    Sample,
    SampleMembership,
    VerdictMembership,
    Verification,
)
from selftrain_assets.pipeline.stage import TableSpec
from selftrain_assets.pipeline.stages import every_table
from selftrain_assets.store import Manifest, Store
from selftrain_assets.store.database import Database
from selftrain_assets.store.workspace import queries

if TYPE_CHECKING:
    import pyarrow as pa

View = Literal["samples", "verdicts", "rows", "problems"]


class ManifestLine(NamedTuple):
    """A row of the view `manifests` in `selftrain sql`; fields with structure are JSON."""

    experiment: str
    scope: str
    stage: str
    key: str
    digest: str
    seconds: float
    work_seconds: float
    tokens: int
    finished: str
    counts: str
    metrics: str
    parents: str
    settings: str
    versions: str


def query(store: Store, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one SQL statement over the store.

    Returns:
        The column names and the rows.

    Raises:
        UserError: DuckDB refuses the statement; has the first line of its message.
    """
    with _viewed(store) as db:
        return db.ask(sql)


def arrow_query(store: Store, sql: str) -> pa.Table:
    """Run one SQL statement over the store, as `query` does, with an Arrow table as its result."""
    with _viewed(store) as db:
        return db.ask_arrow(sql)


def arrow_table(store: Store, view: View, experiment: str, scope: str) -> pa.Table:
    """Return the part of a view that is of one round of an experiment, as an Arrow table."""
    with _viewed(store) as db:
        return db.arrow(queries("catalog")[view], {"experiment": experiment, "scope": scope})


def verdicts_of_round(
    store: Store, experiment: str, scope: str, outcome: str | None, most: int
) -> list[dict[str, Any]]:
    """Return up to `most` samples of a round with their verdicts.

    Args:
        store: The store.
        experiment: Name of the experiment.
        scope: The round, such as `iter-001`.
        outcome: Only verdicts with this outcome; None is all.
        most: Largest number of samples.
    """
    with _viewed(store) as db:
        values = {"experiment": experiment, "scope": scope, "outcome": outcome, "most": most}
        return db.dicts(queries("catalog")["verdicts_of_round"], values)


@contextmanager
def _viewed(store: Store) -> Iterator[Database]:
    """Open a database with the views of `selftrain sql` over the intact files of a store."""
    _check_files(store)
    with store.database() as db:
        _views(db, store)
        yield db


def _check_files(store: Store) -> None:
    """Raise IntegrityError at the first listed file that is damaged.

    DuckDB does not check: it may read a flipped byte without an error.
    """
    for pool in (*store.all_samples(), *store.all_verifications()):
        pool.check()
    for manifest in store.manifests():
        for name in manifest.files:
            store.table(manifest, name)


def _views(db: Database, store: Store) -> None:
    """Create the views of queries/views.sql and the relations that they read.

    Reading does not block writers.
    """
    db.view("sample_pool", Sample, [file for pool in store.all_samples() for file in pool.files()])
    db.view(
        "verification_pool",
        Verification,
        [file for pool in store.all_verifications() for file in pool.files()],
    )
    manifests = store.manifests()
    tables = {table.view: table for table in every_table()}
    for name, table in tables.items():
        db.view_by_scope(name, table.record, _files(store, manifests, [table]))
    for name, record in (("members", SampleMembership), ("judged", VerdictMembership)):
        alike = [table for table in tables.values() if table.record is record]
        files = _files(store, manifests, alike)
        db.view_by_scope(name, record, files, ("experiment", "scope", "stage"))
    db.script("views")
    columns = [[_cell(manifest, name) for manifest in manifests] for name in ManifestLine._fields]
    db.insert_columns("manifests", ManifestLine, columns)


def _cell(manifest: Manifest, name: str) -> Any:
    value = getattr(manifest, name)
    return json.dumps(value) if isinstance(value, dict) else value


def _files(
    store: Store, manifests: Sequence[Manifest], tables: Sequence[TableSpec]
) -> list[tuple[dict[str, str], Path]]:
    """Return the files of these tables, each with its experiment, scope and stage."""
    return [
        (
            {"experiment": m.experiment, "scope": m.scope, "stage": m.stage},
            store.scope(m.experiment, m.scope) / m.files[table.name][0],
        )
        for m in manifests
        for table in tables
        if table.name in m.files
    ]
