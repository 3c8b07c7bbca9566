"""Selection on a handful of samples: what selection finds in a store, put into a database by
hand."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from selftrain_assets.domain.selection import Selection
from selftrain_assets.domain.types import Row, Sample
from selftrain_assets.store.database import Database
from selftrain_assets.store.selection import (
    Excluded,
    LearntEnds,
    PairWeight,
    Prompted,
    VerifiedSample,
    chosen_samples,
    correct_samples,
    training_rows,
)
from selftrain_assets.store.workspace import Workspace


class Drawn(NamedTuple):
    """A sample of a round with its verdict; a translation has an `origin`."""

    iteration: int
    sample: Sample
    outcome: str = "pass"
    reward: float = 1.0
    method: str | None = None
    origin: str | None = None
    translates: str | None = None


STOPS = ("\n\n",)


@cache
def workspace() -> Workspace:
    """One for all selections of a process: to open a database takes longer than to select."""
    opened = Workspace(Database(Path(tempfile.gettempdir())))
    atexit.register(opened.__exit__)
    return opened


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
        VerifiedSample(
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
    asked = dict.fromkeys((d.sample.problem_id, d.method) for d in drawn)
    strata = {id: (groups or {}).get(id, "") for id, _ in asked}
    prompted = [
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
    ws = workspace()
    pool, prompts = ws.load_records(samples, Sample), ws.load_records(prompted, Prompted)
    correct = correct_samples(
        ws, ws.load_records(verified, VerifiedSample), pool, prompts, rules, excluded
    )
    chosen = chosen_samples(ws, correct, rules, seed, excluded, pairs, size_match)
    rows = training_rows(
        ws, chosen, pool, prompts, LearntEnds("t", list(STOPS)), ws.load_records(human, Row)
    )
    return list(ws.records(rows))
