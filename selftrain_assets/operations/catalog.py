"""Parquet is the truth, DuckDB the way to ask: views over what manifests list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from selftrain_assets.domain.types import (
    Improvement,
    Problem,
    Row,
    Sample,
    SampleMembership,
    Score,
    Trajectory,
    Turn,
    VerdictMembership,
    Verification,
)
from selftrain_assets.store import Manifest, Store
from selftrain_assets.store.database import Database
from selftrain_assets.store.workspace import queries

# table in a manifest -> the relation that unites it over experiments and rounds (queries/views.sql
# builds on these)
TABLES: dict[str, tuple[str, type]] = {
    "problems": ("problems", Problem),
    "rows": ("rows", Row),
    "scores": ("scores", Score),
    "samples": ("drawings", SampleMembership),
    "hinted_samples": ("hinted_drawings", SampleMembership),
    "verifications": ("judgements", VerdictMembership),
    "rationalizations": ("hinted_judgements", VerdictMembership),
    "translated_samples": ("translated_drawings", SampleMembership),
    "translations": ("translated_judgements", VerdictMembership),
    "trajectories": ("trajectories", Trajectory),
    "turns": ("turns", Turn),
    "improvements": ("improvements", Improvement),
}


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
    for table, (name, record) in TABLES.items():
        having = [m for m in manifests if table in m.files]
        files = [(m.experiment, m.scope, _file(store, m, table)) for m in having]
        db.view_by_scope(name, record, files)
    db.script("views")
    columns = [[_cell(manifest, name) for manifest in manifests] for name in ManifestLine._fields]
    db.insert_columns("manifests", ManifestLine, columns)


def _cell(manifest: Manifest, name: str) -> Any:
    value = getattr(manifest, name)
    return json.dumps(value) if isinstance(value, dict) else value


def _file(store: Store, manifest: Manifest, table: str) -> Path:
    return store.scope(manifest.experiment, manifest.scope) / manifest.files[table][0]
