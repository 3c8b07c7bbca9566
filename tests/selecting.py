"""Selection on a handful of samples: what `select` finds in a store, put into a database by
hand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from selftrain_assets.domain.selection import Selection
from selftrain_assets.domain.types import Row, Sample
from selftrain_assets.store.database import Database
from selftrain_assets.store.selection import ROWS, Excluded, PairWeight, Prompted, select


class Drawn(NamedTuple):
    """A sample of a round with its verdict; a translation has an `origin`."""

    iteration: int
    sample: Sample
    outcome: str = "pass"
    reward: float = 1.0
    method: str | None = None
    origin: str | None = None
    translates: str | None = None


class _Verified(NamedTuple):
    iteration: int
    source: str
    sample_key: str
    problem_id: str
    outcome: str
    reward: float
    method: str | None
    origin: str | None
    translates: str | None


STOPS = ("\n\n",)


def selected(
    rules: Selection,
    drawn: Iterable[Drawn],
    human: Sequence[Row] = (),
    seed: int = 0,
    excluded: Excluded = Excluded(),  # noqa: B008
    prompt: str = "prompt",
    groups: dict[str, str] | None = None,
    pairs: Sequence[PairWeight] = (),
    size_match: str = "off",
) -> list[Row]:
    """The rows that `rules` select. Every problem has the same training prompt; a sample with
    another was given a hint."""

    def source(d: Drawn) -> str:
        return "translated" if d.origin else "self" if d.sample.prompt == prompt else "rationalized"

    drawn = list(drawn)
    samples = list({d.sample.key: d.sample for d in drawn}.values())
    verified = [
        _Verified(
            d.iteration,
            source(d),
            d.sample.key,
            d.sample.problem_id,
            d.outcome,
            d.reward,
            d.method,
            d.origin,
            d.translates,
        )
        for d in drawn
    ]
    with Database(Path(tempfile.gettempdir())) as db:
        db.load(
            "sample_pool", Sample, [[getattr(s, f.name) for s in samples] for f in fields(Sample)]
        )
        db.load(
            "verified",
            _Verified,
            list(zip(*verified, strict=True)) or [()] * len(_Verified._fields),
        )
        asked = dict.fromkeys((d.sample.problem_id, d.method) for d in drawn)
        strata = {id: (groups or {}).get(id, "") for id, _ in asked}
        prompts = [
            Prompted(
                id,
                prompt,
                (method or "") if rules.balance == "method" else strata[id],
                method,
                f"closed {prompt}",
                "<own>",
            )
            for id, method in asked
        ]
        select(db, rules, seed, prompts, human, excluded, pairs, size_match, "t", STOPS)
        return list(db.records(Row, ROWS))
