"""Parquet is the truth, DuckDB the way to ask: views over what manifests list."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selftrain_assets.domain.errors import InfraError
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
from selftrain_assets.store.database import Database, parquet, read_files, text
from selftrain_assets.store.tables import require_intact

# table in a manifest -> the relation that unites it over experiments and rounds (sql/views.sql
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


def query(store: Store, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of one statement. UserError carries the first line of what DuckDB says."""
    _check_files(store)
    with store.database() as db:
        _views(db, store)
        return db.ask(sql)


Files = Mapping[Path, str]
"""Committed files with their checksums."""


def lookup(
    files: Files, column: str, value: str, prefix: bool = False, once: bool = False
) -> list[dict[str, Any]]:
    """Records of these files whose `column` is `value`, or begins with it; `once`: there is one
    at most, so stop at the first. Reads that column of all files, and all of the files that it
    is found in; IntegrityError if one of those is damaged."""
    found = f"WHERE starts_with({column}, ?)" if prefix else f"WHERE {column} = ?"
    limit = " LIMIT 1" if once else ""
    if not files:
        return []
    with _asking(files) as db:
        holding = db.execute(
            "SELECT DISTINCT filename FROM (SELECT filename FROM"
            f" {parquet(files, 'filename = true')} {found}{limit})",
            [value],
        )
        return [
            record
            for (file,) in sorted(holding)
            for record in _records(db, files, Path(file), f"{found}{limit}", value)
        ]


def nth(files: Files, position: int) -> dict[str, Any] | None:
    """The record at a position of a single file, from 0."""
    with _asking(files) as db:
        return next(
            iter(_records(db, files, next(iter(files)), "LIMIT 1 OFFSET ?", position)), None
        )


@contextmanager
def _asking(files: Files) -> Iterator[Database]:
    """A database; what it cannot read is told by the checksum that is wrong."""
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


def _check_files(store: Store) -> None:
    """IntegrityError at the first listed file that is damaged: DuckDB may read a flipped byte
    without a word."""
    for pool in (*store.all_samples(), *store.all_verifications()):
        pool.check()
    for manifest in store.manifests():
        for name in manifest.files:
            store.table(manifest, name)


def _views(db: Database, store: Store) -> None:
    """The relations that sql/views.sql builds on, and what it builds; reading locks no writer
    out."""
    db.view("sample_pool", Sample, [file for pool in store.all_samples() for file in pool.files()])
    db.view(
        "verification_pool",
        Verification,
        [file for pool in store.all_verifications() for file in pool.files()],
    )
    manifests = store.manifests()
    for table, (name, record) in TABLES.items():
        parts = [
            f"SELECT {text(m.experiment)} AS experiment, {text(m.scope)} AS scope, * FROM"
            f" {parquet([_file(store, m, table)])}"
            for m in manifests
            if table in m.files
        ]
        nothing = f"SELECT '' AS experiment, '' AS scope, * FROM ({read_files(record, [])})"
        db.execute(f"CREATE VIEW {name} AS {' UNION ALL BY NAME '.join([nothing, *parts])}")
    _manifests(db, manifests)
    db.script("views")


def _file(store: Store, manifest: Manifest, table: str) -> Path:
    return store.scope(manifest.experiment, manifest.scope) / manifest.files[table][0]


def _manifests(db: Database, manifests: list[Manifest]) -> None:
    db.execute(
        """CREATE TABLE manifests (experiment VARCHAR, scope VARCHAR, stage VARCHAR, key VARCHAR, digest VARCHAR,
        seconds DOUBLE, work_seconds DOUBLE, tokens BIGINT, finished TIMESTAMPTZ,
        counts JSON, metrics JSON, parents JSON, settings JSON, versions JSON)"""  # noqa: E501
    )
    for m in manifests:
        told = (
            json.dumps(part) for part in (m.counts, m.metrics, m.parents, m.settings, m.versions)
        )
        columns = (
            m.experiment,
            m.scope,
            m.stage,
            m.key,
            m.digest,
            m.seconds,
            m.work_seconds,
            m.tokens,
            m.finished,
            *told,
        )
        db.execute(f"INSERT INTO manifests VALUES ({', '.join('?' * len(columns))})", columns)
