"""The rows of a round, frozen: what every way of making them hands to the stage `dataset`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.types import Row
from selftrain_assets.pipeline.diagnostics import concentration, leaks_in_rows
from selftrain_assets.pipeline.run import Run, iteration_scope
from selftrain_assets.store import Table


@dataclass(frozen=True, slots=True)
class Rows:
    """A table of rows under its digest, what is counted and measured of it, and what its checks
    stand on."""

    table: Table
    digest: str
    counts: dict[str, int]
    metrics: dict[str, Any]
    symptoms: dict[str, Any]


def freeze(
    run: Run,
    iteration: int,
    rows: Sequence[Row],
    counts: Mapping[str, int],
    metrics: Mapping[str, Any],
) -> Rows:
    """Write a list of rows."""
    digest = fingerprint("rows", [row.key for row in rows])
    texts = ((row.sample_key, row.problem_id, row.completion) for row in rows)
    own = Counter(row.problem_id for row in rows if row.source != "human")
    return Rows(
        run.store.write_table(
            run.name, iteration_scope(iteration), "rows", digest, Row, list(rows)
        ),
        digest,
        {"rows": len(rows), **counts},
        dict(metrics),
        {"concentration": concentration(own), **leaks_in_rows(run, texts, f"{len(rows)} rows")},
    )


def volumes_of(mixed: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """How many rows each other source gave, where any did."""
    return {"mixed": {name: len(rows) for name, rows in mixed.items()}} if mixed else {}
