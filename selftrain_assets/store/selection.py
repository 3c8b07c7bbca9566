"""Apply the rules of domain/selection.py to relations of any size (queries/selection.sql)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from selftrain_assets.domain.selection import Selection
from selftrain_assets.domain.types import Row, Sample
from selftrain_assets.store.workspace import Relation, Workspace


class Prompted(NamedTuple):
    """The training prompt of a problem by a method, and the group within which rows are balanced.

    `answer_prompt` is the prompt of an answer without its thought, if that differs. `end` is the
    end that training adds where a sample's own end is none of the model's or is not known
    (Row.ended_by).
    """

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


class LearntEnds(NamedTuple):
    """The ends of samples that can be trained on.

    They are end tokens of the tokenizer with this digest, the model's own, and texts that stop
    sampling.
    """

    tokenizer: str | None
    stops: list[str]


@dataclass(frozen=True, slots=True)
class VerifiedSample:
    """A sample of a round with its verdict."""

    iteration: int
    source: str
    sample_key: str
    problem_id: str
    outcome: str
    reward: float
    method: str | None
    origin: str | None
    translates: str | None


@dataclass(frozen=True, slots=True)
class CorrectSample:
    """A sample that passes.

    `learnt_from` is the index of the character at which the part that is trained on begins, and
    `learnt_tokens` the length of that part; `solution` is equal for samples that are equal by the
    rule of `dedup`.
    """

    sample_key: str
    iteration: int
    problem_id: str
    reward: float
    source: str
    method: str | None
    origin: str | None
    translates: str | None
    index: int
    learnt_tokens: int
    learnt_from: int | None
    finish_reason: str
    stratum: str
    solution: int | None


@dataclass(frozen=True, slots=True)
class ChosenSample:
    """A sample that becomes a row, in the order of `rank` within its problem and method."""

    sample_key: str
    iteration: int
    problem_id: str
    source: str
    method: str | None
    origin: str | None
    translates: str | None
    learnt_from: int | None
    rank: int
    weight: float


@dataclass(frozen=True, slots=True)
class _RankedRow(Row):
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Excluded:
    """Retracted evidence, which must not be selected.

    It names samples by key, rounds by number, and sources by name.
    """

    samples: Sequence[str] = ()
    rounds: Sequence[int] = ()
    sources: Sequence[str] = ()


# Columns of the digest of rows; the key covers all that is trained on.
ROW_DIGEST = ["key", "problem_id", "sample_key", "iteration"]


def correct_samples(
    ws: Workspace,
    verified: Relation[VerifiedSample],
    samples: Relation[Sample],
    prompts: Relation[Prompted],
    rules: Selection,
    excluded: Excluded,
) -> Relation[CorrectSample]:
    """The samples that pass, each once, of the problems and methods that have a prompt."""
    return ws.table(
        CorrectSample,
        "selection.correct_samples",
        verified=verified,
        samples=samples,
        prompts=prompts,
        dedup=rules.dedup,
        threshold=rules.threshold,
        thoughts=rules.thoughts,
        retracted_rounds=list(excluded.rounds),
        retracted_samples=list(excluded.samples),
    )


def chosen_samples(
    ws: Workspace,
    correct: Relation[CorrectSample],
    rules: Selection,
    seed: int,
    excluded: Excluded,
    pairs: Sequence[PairWeight] = (),
    size_match: str = "off",
) -> Relation[ChosenSample]:
    """The correct samples that the rules select; `pairs` and `size_match` are rules of mmst."""
    return ws.table(
        ChosenSample,
        "selection.chosen_samples",
        correct=correct,
        pairs=ws.load_records(pairs, PairWeight),
        cut_off=rules.cut_off,
        dedup=rules.dedup,
        choice=rules.choice,
        cap=rules.cap,
        balance=rules.balance,
        weight=rules.weight,
        size_match=size_match,
        seed=seed,
        retracted_sources=list(excluded.sources),
    )


def training_rows(
    ws: Workspace,
    chosen: Relation[ChosenSample],
    samples: Relation[Sample],
    prompts: Relation[Prompted],
    ends: LearntEnds,
    other_rows: Relation[Row],
) -> Relation[Row]:
    """The rows of the chosen samples, followed by `other_rows`, each in its order."""
    sampled = ws.view(
        _RankedRow,
        "selection.rows_of_samples",
        chosen=chosen,
        samples=samples,
        prompts=prompts,
        ends=ws.load_records([ends], LearntEnds),
    )
    return ws.view(Row, "selection.training_rows", sampled_rows=sampled, other_rows=other_rows)
