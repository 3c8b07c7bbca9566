"""Parquet is the truth, DuckDB the way to ask: views over what manifests list. The only file that imports duckdb."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from selftrain_assets.core.errors import UserError
from selftrain_assets.core.types import Drawing, Judgement, Problem, Row, Sample, Score, Verification
from selftrain_assets.store import Manifest, Store
from selftrain_assets.store.shards import MANIFEST
from selftrain_assets.store.tables import require_intact, schema_of

VIEWS_SQL = Path(__file__).parent / "sql" / "views.sql"
# table in a manifest -> the relation that unites it over experiments and rounds (sql/views.sql builds on these)
TABLES: dict[str, tuple[str, type]] = {
    "problems": ("problems", Problem),
    "rows": ("rows", Row),
    "scores": ("scores", Score),
    "samples": ("drawings", Drawing),
    "hinted_samples": ("hinted_drawings", Drawing),
    "verifications": ("judgements", Judgement),
    "rationalizations": ("hinted_judgements", Judgement),
}


def query(store: Store, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of one statement. UserError carries the first line of what DuckDB says."""
    import duckdb

    try:
        with connect(store) as connection:
            result = connection.execute(sql)
            if result is None:
                raise UserError("sql: there is no statement")
            return [column[0] for column in result.description or []], result.fetchall()
    except duckdb.Error as error:
        _check_files(store)
        raise UserError(f"sql: {str(error).strip().splitlines()[0]}") from error


def lookup(files: Sequence[Path], column: str, value: str, prefix: bool = False, once: bool = False) -> list[dict[str, Any]]:
    """Records of these files whose `column` is `value`, or begins with it; `once`: there is one at most, so stop at the first.
    Reads that column, and the rest of what is found."""
    found = f"starts_with({column}, ?)" if prefix else f"{column} = ?"
    return _dicts(files, f"WHERE {found}{' LIMIT 1' if once else ''}", value)


def nth(file: Path, position: int) -> dict[str, Any] | None:
    """The record at a position, from 0."""
    return next(iter(_dicts([file], "LIMIT 1 OFFSET ?", position)), None)


def _dicts(files: Sequence[Path], clause: str, value: Any) -> list[dict[str, Any]]:
    import duckdb

    if not files:
        return []
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT * FROM read_parquet(?) {clause}", [[str(f) for f in files], value])
        columns = [column[0] for column in found.description or []]
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def _check_files(store: Store) -> None:
    """IntegrityError at the first listed file that is damaged: what DuckDB says of one leads nobody to the cause."""
    for path in [*(store.root / "samples").glob(f"*/{MANIFEST}"), *(store.root / "verifications").glob(f"*/*/{MANIFEST}")]:
        for shard in json.loads(path.read_text())["shards"]:
            require_intact(path.parent / shard["file"], shard["sha256"])
    for path in (store.root / "experiments").glob("*/*/*.json"):
        for file, _, sha256 in Manifest.from_json(path.read_text()).files.values():
            require_intact(path.parent / file, sha256)


def connect(store: Store):
    """An in-memory connection with the views on it; reading locks no writer out."""
    import duckdb

    connection = duckdb.connect()
    _pool(connection, "sample_pool", Sample, (store.root / "samples").glob(f"*/{MANIFEST}"))
    _pool(connection, "verification_pool", Verification, (store.root / "verifications").glob(f"*/*/{MANIFEST}"))
    manifests = [Manifest.from_json(p.read_text()) for p in sorted((store.root / "experiments").glob("*/*/*.json"))]
    for table, (name, record) in TABLES.items():
        parts = [
            f"SELECT {_text(m.experiment)} AS experiment, {_text(m.scope)} AS scope, * FROM read_parquet({_text(_file(store, m, table))})"
            for m in manifests
            if table in m.files
        ]
        _view(connection, name, [_nothing(record, "'' AS experiment, '' AS scope, "), *parts])
    _manifests(connection, manifests)
    connection.execute(VIEWS_SQL.read_text())
    return connection


def _file(store: Store, manifest: Manifest, table: str) -> str:
    return str(store.scope(manifest.experiment, manifest.scope) / manifest.files[table][0])


def _pool(connection, name: str, record: type, manifests: Iterable[Path]) -> None:
    files = [str(m.parent / shard["file"]) for m in manifests for shard in json.loads(m.read_text())["shards"]]
    listed = ", ".join(map(_text, files))
    _view(connection, name, [_nothing(record), *([f"SELECT * FROM read_parquet([{listed}], union_by_name = true)"] if files else [])])


def _manifests(connection, manifests: list[Manifest]) -> None:
    connection.execute("""CREATE TABLE manifests (experiment VARCHAR, scope VARCHAR, stage VARCHAR, key VARCHAR, digest VARCHAR,
        seconds DOUBLE, work_seconds DOUBLE, tokens BIGINT, finished TIMESTAMPTZ,
        counts JSON, metrics JSON, parents JSON, settings JSON, versions JSON)""")
    if manifests:
        connection.executemany(
            f"INSERT INTO manifests VALUES ({', '.join('?' * 14)})",
            [
                [
                    m.experiment,
                    m.scope,
                    m.stage,
                    m.key,
                    m.digest,
                    m.seconds,
                    m.work_seconds,
                    m.tokens,
                    m.finished,
                    *(json.dumps(part) for part in (m.counts, m.metrics, m.parents, m.settings, m.versions)),
                ]
                for m in manifests
            ],
        )


def _view(connection, name: str, parts: list[str]) -> None:
    """By name, and with all columns of today: tables of older versions have fewer."""
    connection.execute(f"CREATE VIEW {name} AS {' UNION ALL BY NAME '.join(parts)}")


def _nothing(record: type, before: str = "") -> str:
    types = {"string": "VARCHAR", "int64": "BIGINT", "double": "DOUBLE"}
    columns = ", ".join(f'NULL::{types[str(f.type)]} AS "{f.name}"' for f in schema_of(record))
    return f"SELECT {before}{columns} WHERE false"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
