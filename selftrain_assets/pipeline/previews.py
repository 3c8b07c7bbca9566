"""Previews of a stage as plain data: a few records, and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from selftrain_assets.domain.selection import DIFFICULTY_BINS, difficulty_bin
from selftrain_assets.domain.types import VerdictMembership
from selftrain_assets.pipeline.results import SamplesResult
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.samples import open_samples, open_verdicts
from selftrain_assets.pipeline.stage import Bars, Preview, Records
from selftrain_assets.store import Manifest
from selftrain_assets.store.workspace import Relation

SHOWN = 5  # records of a kind
NEVER = "none right"


def chosen(columns: Sequence[str], records: Sequence[dict[str, Any]]) -> Records:
    """Reduce records to these columns."""
    return Records(
        columns=columns, rows=[[record[column] for column in columns] for record in records]
    )


def first_records(
    run: Run, manifest: Manifest, table: str, record: type, columns: Sequence[str]
) -> Records:
    """The first records of a table of a finished stage."""
    with run.store.workspace() as ws:
        records: Relation[Any] = ws.read(record, [run.store.table(manifest, table)])
        return chosen(columns, ws.dicts("previews.first", records=records, most=SHOWN))


def samples_preview(run: Run, manifest: Manifest) -> Preview:
    """A few samples."""
    columns = ("prompt", *_parts(manifest), "seed", "finish_reason", "key")
    with run.store.workspace() as ws:
        samples = open_samples(run, ws, manifest)
        rows = ws.dicts("previews.samples", samples=samples, most=SHOWN)
    return {"preview": chosen(columns, rows)}


def verdicts_preview(run: Run, manifest: Manifest) -> Preview:
    """A few right and wrong samples with reasons, and how often problems are solved."""
    (source,) = manifest.parents  # a stage of verdicts is made from its samples alone
    drawn = run.need(manifest.scope, source)
    columns = ("prompt", *_parts(drawn), "verdict", "reason", "sample_key")
    rows = []
    with run.store.workspace() as ws:
        samples, verdicts = open_samples(run, ws, drawn), open_verdicts(run, ws, manifest)
        for right in (True, False):
            rows += ws.dicts(
                "previews.verdicts", samples=samples, verdicts=verdicts, right=right, most=SHOWN
            )
        membership = ws.read(VerdictMembership, [run.store.table(manifest, manifest.stage)])
        shares = ws.rows("previews.solved_shares", verdicts=membership)
    counts = dict.fromkeys((*(name for name, _ in DIFFICULTY_BINS), NEVER), 0.0)
    for (share,) in shares:
        counts[difficulty_bin(share) if share else NEVER] += 1
    solved = Bars(
        title="Problems by the share of their samples that is right",
        values=counts,
        axis="problems of this round",
    )
    return {"figure": solved, "preview": chosen(columns, rows)}


def _parts(drawn: Manifest) -> tuple[str, ...]:
    """The columns of a completion: thought and answer, or the completion alone."""
    return ("thought", "answer") if drawn.result(SamplesResult).thoughts else ("completion",)
