"""Carries out the rules of domain/selection.py on tables of any size: sql/selection.sql, with
the rules as its variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from selftrain_assets.domain.selection import Selection
from selftrain_assets.domain.types import Row
from selftrain_assets.store.database import Database


class Prompted(NamedTuple):
    """The training prompt of a problem by a method, and the group within which rows are
    balanced. `answer_prompt` is the prompt of an answer without its thought, where that is
    another one. `end` is learnt where a sample's own end is none of the model's or is not known
    (Row.ended_by)."""

    problem_id: str
    prompt: str
    stratum: str
    method: str | None = None
    answer_prompt: str | None = None
    end: str | None = None


class PairWeight(NamedTuple):
    """The weight of rows of a method whose solution was found by another, its origin."""

    origin: str
    method: str
    weight: float


# the key stands for all that is trained on
ROW_DIGEST = ["key", "problem_id", "sample_key", "iteration"]
ROWS = "SELECT * FROM training_rows"


@dataclass(frozen=True, slots=True)
class Excluded:
    """What was retracted and must not be selected: samples by key, rounds by number, sources by
    name."""

    samples: Sequence[str] = ()
    rounds: Sequence[int] = ()
    sources: Sequence[str] = ()


def select(
    db: Database,
    rules: Selection,
    seed: int,
    prompts: Sequence[Prompted],
    human: Sequence[Row],
    excluded: Excluded,
    pairs: Sequence[PairWeight] = (),
    size_match: str = "off",
    tokenizer: str | None = None,
    stops: Sequence[str] = (),
) -> None:
    """Make the relation `training_rows` from the relations `verified` and `sample_pool`
    (sql/selection.sql says what they are).

    `human` are rows that are added as they are. `pairs` and `size_match` are rules of mmst.
    `tokenizer` is the digest of the model's own, whose end tokens can be learnt; `stops` are texts
    that ended samples, which any model can learn.
    """
    db.load("prompts", Prompted, list(zip(*prompts, strict=True)) or [()] * len(Prompted._fields))
    db.load("pairs", PairWeight, list(zip(*pairs, strict=True)) or [(), (), ()])
    db.load("human_rows", Row, by_column(human))
    db.set(
        threshold=rules.threshold,
        dedup=rules.dedup,
        cap=rules.cap,
        choice=rules.choice,
        balance=rules.balance,
        weight=rules.weight,
    )
    db.set(cut_off=rules.cut_off, thoughts=rules.thoughts, size_match=size_match)
    db.set(tokenizer=tokenizer, stops=stops)
    db.set(
        seed=seed,
        retracted_samples=excluded.samples,
        retracted_rounds=excluded.rounds,
        retracted_sources=excluded.sources,
    )
    db.script("selection_rules")
    db.script("selection")


def by_column(rows: Sequence[Row]) -> list[list[Any]]:
    """As `Database.load` takes them."""
    return [[getattr(row, field.name) for row in rows] for field in fields(Row)]
