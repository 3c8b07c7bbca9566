"""Which verified samples become training rows.

The rules are stated here; store/selection.py carries them out on whole tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from selftrain_assets.domain.identity import row_key
from selftrain_assets.domain.seeds import derive_seed
from selftrain_assets.domain.settings import Identity
from selftrain_assets.domain.types import Problem, Row

WeightRule = Literal["binary", "reward", "exp"]
CapChoice = Literal["random", "shortest", "first"]
DedupRule = Literal["none", "text", "equations"]
CutOffRule = Literal["drop", "keep"]
ThoughtRule = Literal["keep", "drop"]
BalanceRule = Literal["none", "group", "method"]


class Selection(Identity):
    """Threshold, endings, distinct solutions, cap, balance, weight: in this order.

    Part of the settings of every recipe.
    """

    added: ClassVar[tuple[str, ...]] = ("thoughts",)

    threshold: float = Field(
        1.0,
        ge=0,
        le=1,
        description=(
            "reward that a sample needs to be kept; below 1, passes of a smaller reward are, and"
            " answers that are wrong in part"
        ),
    )
    cut_off: CutOffRule = Field(
        "drop",
        description=(
            "correct samples that were cut off at max_tokens: drop them, or keep them without an"
            " end token"
        ),
    )
    thoughts: ThoughtRule = Field(
        "keep",
        description=(
            "what the rows of a thinking model hold: thought and answer, or the answer alone"
            " after an empty thought"
        ),
    )
    dedup: DedupRule = Field(
        "text",
        description=(
            "solutions of a problem, by one method, that count as one: same text, same equations,"
            " or none"
        ),
    )
    cap: int = Field(10, ge=0, description="correct solutions kept per problem; 0 keeps all")
    choice: CapChoice = Field(
        "random",
        description=(
            "which solutions are kept if there are more than the cap: random ones, the shortest,"
            " or the first drawn"
        ),
    )
    balance: BalanceRule = Field(
        "none",
        description=(
            "group, method: as many rows of every problem group, or method, as the smallest one has"
        ),
    )
    weight: WeightRule = Field(
        "binary",
        description=(
            "weight of a row (f in ReST-EM, section 3): 1 for all, the reward, or its exponential"
        ),
    )
    mix_human: float = Field(
        0.0, ge=0, le=1, description="share of the human rows added to each round's dataset"
    )


def make_row(
    prompt: str,
    completion: str,
    weight: float,
    source: str,
    problem_id: str,
    iteration: int,
    sample_key: str | None = None,
    method: str | None = None,
    origin: str | None = None,
    tokens: list[int] | None = None,
    tokenizer: str | None = None,
    ended_by: str | None = None,
    forced: list[int] | None = None,
) -> Row:
    """A training row under its content key."""
    key = row_key(prompt, completion, weight, source, sample_key, None, tokens, ended_by, forced)
    row = Row(
        key, problem_id, prompt, completion, weight, source, sample_key, iteration, method, origin
    )
    return replace(row, tokens=tokens, tokenizer=tokenizer, ended_by=ended_by, forced=forced)


def take_share(rows: Sequence[Row], share: float, seed: int) -> list[Row]:
    """A fixed random share of `rows`, in their order; share 1 is all of them."""
    return take_rows(rows, round(share * len(rows)), seed)


def take_rows(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    """`count` of `rows` in their order, or all if there are fewer.

    They are chosen by keyed hashes, so that a larger count includes the rows of a smaller one.
    """
    chosen = set(
        sorted((r.key for r in rows), key=lambda key: derive_seed(seed, "mix", key))[:count]
    )
    return [r for r in rows if r.key in chosen]


def problem_subset(problems: Sequence[Problem], count: int, seed: int) -> list[Problem]:
    """`count` problems (0: all) in file order, chosen by a keyed hash of their ids.

    A larger count keeps the problems of a smaller one.
    """
    if not count or count >= len(problems):
        return list(problems)
    chosen = set(
        sorted((p.id for p in problems), key=lambda id: derive_seed(seed, "subset", id))[:count]
    )
    return [p for p in problems if p.id in chosen]


DIFFICULTY_BINS: tuple[tuple[str, float], ...] = (
    ("very hard", 0.25),
    ("hard", 0.5),
    ("medium", 0.75),
    ("easy", math.inf),
)
DIFFICULTY = tuple(name for name, _ in reversed(DIFFICULTY_BINS))
"""Names of the bins, the easiest first."""


def difficulty_bin(success_rate: float) -> str:
    """ReST-EM section 5.3: by the base model's success rate on sampled solutions, in quarters."""
    return next(name for name, below in DIFFICULTY_BINS if success_rate < below)
