"""Selection on a handful of samples: what `select` finds in a store, put into a database by hand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from selftrain_assets.core.selection import Selection
from selftrain_assets.core.types import Row, Sample
from selftrain_assets.store.database import Database
from selftrain_assets.store.selection import ROWS, Excluded, Prompted, select


class Drawn(NamedTuple):
    """A sample of a round with its verdict."""

    iteration: int
    sample: Sample
    outcome: str = "pass"
    reward: float = 1.0


class _Verified(NamedTuple):
    iteration: int
    sample_key: str
    problem_id: str
    outcome: str
    reward: float


def selected(
    rules: Selection,
    drawn: Iterable[Drawn],
    human: Sequence[Row] = (),
    seed: int = 0,
    excluded: Excluded = Excluded(),  # noqa: B008
    prompt: str = "prompt",
    groups: dict[str, str] | None = None,
) -> list[Row]:
    """The rows that `rules` select. Every problem has the same training prompt."""
    drawn = list(drawn)
    samples = list({d.sample.key: d.sample for d in drawn}.values())
    verified = [_Verified(d.iteration, d.sample.key, d.sample.problem_id, d.outcome, d.reward) for d in drawn]
    with Database(Path(tempfile.gettempdir())) as db:
        db.load("sample_pool", Sample, [[getattr(s, f.name) for s in samples] for f in fields(Sample)])
        db.load("verified", _Verified, list(zip(*verified, strict=True)) or [()] * len(_Verified._fields))
        ids = dict.fromkeys(s.problem_id for s in samples)
        select(db, rules, seed, [Prompted(id, prompt, (groups or {}).get(id, "")) for id in ids], human, excluded)
        return list(db.records(Row, ROWS))
