"""Parquet is the truth, DuckDB the way to ask: views over what manifests list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

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


class ManifestLine(NamedTuple):
    """A manifest as `selftrain sql` shows it; what has parts is JSON."""

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
    """Columns and rows of one statement. UserError carries the first line of what DuckDB says."""
    _check_files(store)
    with store.database() as db:
        _views(db, store)
        return db.ask(sql)


def verdicts_of_round(
    store: Store, experiment: str, scope: str, outcome: str | None, most: int
) -> list[dict[str, Any]]:
    """Some samples of a round with their verdicts, of all outcomes or of one."""
    _check_files(store)
    with store.database() as db:
        _views(db, store)
        values = {"experiment": experiment, "scope": scope, "outcome": outcome, "most": most}
        return db.dicts(queries("catalog")["verdicts_of_round"], values)


def _check_files(store: Store) -> None:
    """IntegrityError at the first listed file that is damaged: DuckDB may read a flipped byte
    without a word."""
    for pool in (*store.all_samples(), *store.all_verifications()):
        pool.check()
    for manifest in store.manifests():
        for name in manifest.files:
            store.table(manifest, name)


def _views(db: Database, store: Store) -> None:
    """The relations that queries/views.sql builds on, and what it builds; reading locks no writer
    out."""
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
    """Files of these tables, with what says of each record where it is from."""
    return [
        (
            {"experiment": m.experiment, "scope": m.scope, "stage": m.stage},
            store.scope(m.experiment, m.scope) / m.files[table.name][0],
        )
        for m in manifests
        for table in tables
        if table.name in m.files
    ]
