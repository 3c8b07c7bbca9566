"""From verified samples to training rows: threshold, weight, distinct, cap. Pure functions over lists."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from selftrain_assets.core.dedup import DedupRule, solution_key
from selftrain_assets.core.identity import fingerprint
from selftrain_assets.core.seeds import derive_seed
from selftrain_assets.core.types import Outcome, Problem, Row, RowSource, Sample, Verification

WeightRule = Literal["binary", "reward", "exp"]
CapChoice = Literal["random", "shortest", "first"]


@dataclass(frozen=True, slots=True)
class Verified:
    """A sample with its verdict."""

    sample: Sample
    verification: Verification


def kept(verified: Iterable[Verified], threshold: float) -> list[Verified]:
    """Those whose reward reaches the threshold. Only PASS earns reward, so an infra_error can never be kept."""
    return [v for v in verified if v.verification.outcome == Outcome.PASS and v.verification.reward >= threshold]


def weight(reward: float, rule: WeightRule, temperature: float = 1.0) -> float:
    """Weight of a row in the M-step, ReST-EM section 3: f(r), non-negative and non-decreasing."""
    return {"binary": 1.0, "reward": reward, "exp": math.exp(reward / temperature)}[rule]


def drop_repeated(verified: Iterable[Verified], rule: DedupRule) -> list[Verified]:
    """The first of each group of same solutions of one problem; `none` keeps all."""
    if rule == "none":
        return list(verified)
    seen: set[tuple[str, str]] = set()
    fresh = []
    for item in verified:
        key = (item.sample.problem_id, solution_key(item.sample.completion, rule))
        if key not in seen:
            seen.add(key)
            fresh.append(item)
    return fresh


def cap_per_problem(verified: Iterable[Verified], cap: int, choice: CapChoice, seed: int) -> list[Verified]:
    """At most `cap` solutions of each problem (0: no cap). The choice does not depend on the order of arrival:
    `random` ranks by a keyed hash of the sample key, `first` by draw index, `shortest` by completion tokens."""
    rank = {
        "random": lambda v: (derive_seed(seed, "cap", v.sample.key), v.sample.key),
        "first": lambda v: (v.sample.index, v.sample.key),
        "shortest": lambda v: (v.sample.completion_tokens, v.sample.key),
    }[choice]
    chosen: list[Verified] = []
    ordered = sorted(verified, key=lambda v: v.sample.problem_id)
    for _, group in groupby(ordered, key=lambda v: v.sample.problem_id):
        best = sorted(group, key=rank)
        chosen += best[:cap] if cap else best
    return chosen


def make_row(
    prompt: str, completion: str, weight: float, source: RowSource, problem_id: str, iteration: int, sample_key: str | None = None
) -> Row:
    """A training row under its content key: the same text with the same weight is the same row in every round."""
    key = fingerprint("row", prompt, completion, float(weight), source)
    return Row(key, problem_id, prompt, completion, weight, source, sample_key, iteration)


def human_rows(problems: Iterable[Problem], render, iteration: int) -> list[Row]:
    """Rows of the problems that carry a human-written solution."""
    return [make_row(render(p), p.solution, 1.0, "human", p.id, iteration) for p in problems if p.split == "human" and p.solution]


def take_share(rows: Sequence[Row], share: float, seed: int) -> list[Row]:
    """A fixed random share of `rows`, in their order; share 1 is all of them."""
    count = round(share * len(rows))
    chosen = set(sorted((r.key for r in rows), key=lambda key: derive_seed(seed, "mix", key))[:count])
    return [r for r in rows if r.key in chosen]


def merge(new: Iterable[Row], earlier: Iterable[Row]) -> list[Row]:
    """New rows followed by earlier ones that are not among them; each key once."""
    rows: dict[str, Row] = {}
    for row in (*new, *earlier):
        rows.setdefault(row.key, row)
    return list(rows.values())


def problem_subset(problems: Sequence[Problem], count: int, seed: int) -> list[Problem]:
    """`count` problems by a keyed hash of their ids (0: all), in file order; growing it keeps the earlier ones."""
    if not count or count >= len(problems):
        return list(problems)
    chosen = set(sorted((p.id for p in problems), key=lambda id: derive_seed(seed, "subset", id))[:count])
    return [p for p in problems if p.id in chosen]


DIFFICULTY_BINS: tuple[tuple[str, float], ...] = (("very hard", 0.25), ("hard", 0.5), ("medium", 0.75), ("easy", math.inf))


def difficulty_bin(success_rate: float) -> str:
    """ReST-EM section 5.3: by the base model's success rate on sampled solutions, in quarters."""
    return next(name for name, below in DIFFICULTY_BINS if success_rate < below)
