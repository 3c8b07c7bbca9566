"""The stored rows of a round, which every recipe returns to the stage `dataset`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.types import Row
from selftrain_assets.pipeline.diagnostics import concentration, leaks_in_rows
from selftrain_assets.pipeline.results import DatasetResult
from selftrain_assets.pipeline.run import Run, iteration_scope
from selftrain_assets.store import Table


@dataclass(frozen=True, slots=True)
class Rows:
    """A stored table of rows with its digest and the results that the stage records."""

    table: Table
    digest: str
    result: DatasetResult


def freeze(
    run: Run,
    iteration: int,
    rows: Sequence[Row],
    counts: Mapping[str, int],
    mixed: Mapping[str, Sequence[Row]] | None = None,
) -> Rows:
    """Write a list of rows as a table.

    Args:
        run: The run.
        iteration: The round whose rows they are.
        rows: All rows.
        counts: Counts for the DatasetResult, besides that of all rows.
        mixed: Those of the rows that are from other sources.
    """
    digest = fingerprint("rows", [row.key for row in rows])
    texts = ((row.sample_key, row.problem_id, row.completion) for row in rows)
    own = Counter(row.problem_id for row in rows if row.source != "human")
    return Rows(
        run.store.write_table(
            run.name, iteration_scope(iteration), "rows", digest, Row, list(rows)
        ),
        digest,
        DatasetResult(
            rows=len(rows),
            **counts,
            mixed=volumes_of(mixed or {}),
            concentration=concentration(own),
            **leaks_in_rows(run, texts, f"{len(rows)} rows"),
        ),
    )


def volumes_of(mixed: Mapping[str, Sequence[Row]]) -> dict[str, int] | None:
    """The number of rows of each other source, or None if there are none."""
    return {name: len(rows) for name, rows in mixed.items()} or None
