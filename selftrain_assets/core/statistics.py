"""Accuracy, pass@k, maj@k and their intervals. Undefined is NaN, never a plausible number."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

TieRule = Literal["share", "fail"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over problems, or over seeds, with its interval."""

    mean: float
    low: float
    high: float
    problems: int


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Chance that k of `samples` draws, taken without replacement, hold a correct one: the unbiased estimator of
    Chen et al. 2021, arXiv 2107.03374, equation 1. NaN where k > samples."""
    if not 0 <= correct <= samples or k < 1:
        raise ValueError(f"pass_at_k({samples=}, {correct=}, {k=})")
    if k > samples:
        return math.nan
    return 1.0 - math.comb(samples - correct, k) / math.comb(samples, k)


def maj_at_k(answers: Sequence[Hashable | None], correct: Hashable, k: int, ties: TieRule = "share") -> float:
    """Chance that the most frequent answer among k of the `answers`, taken without replacement, is `correct`.

    Exact over all subsets of size k, so independent of the order of samples. Votes are on answers, not verdicts.
    None (no parsable answer) takes a place and casts no vote. `ties`: "share" gives 1/m when m answers lead
    together, "fail" gives nothing. NaN where k > len(answers).
    """
    if k < 1:
        raise ValueError(f"maj_at_k: {k=}")
    if k > len(answers):
        return math.nan
    counts = Counter(answers)
    abstentions, votes_correct = counts.pop(None, 0), counts.pop(correct, 0)
    total = 0.0
    for lead in range(1, min(votes_correct, k) + 1):
        ways = _ways_below(list(counts.values()), abstentions, lead, k - lead)
        credit = sum(n / (tied + 1) if ties == "share" else n * (tied == 0) for tied, n in ways.items())
        total += math.comb(votes_correct, lead) * credit
    return total / math.comb(len(answers), k)


def _ways_below(rivals: list[int], abstentions: int, lead: int, places: int) -> dict[int, int]:
    """Ways to fill `places` from rivals and abstentions with no rival above `lead`, by how many rivals equal it."""
    ways: Counter[tuple[int, int]] = Counter({(used, 0): math.comb(abstentions, used) for used in range(min(abstentions, places) + 1)})
    for size in rivals:
        following: Counter[tuple[int, int]] = Counter()
        for (used, tied), n in ways.items():
            for taken in range(min(size, lead, places - used) + 1):
                following[used + taken, tied + (taken == lead)] += n * math.comb(size, taken)
        ways = following
    return {tied: sum(n for (used, t), n in ways.items() if used == places and t == tied) for tied in {t for _, t in ways}}


def vote(answers: Sequence[Hashable | None]) -> Hashable | None:
    """The most frequent answer; of several the one that comes first. None casts no vote."""
    counts = Counter(a for a in answers if a is not None)
    return max(counts, key=lambda a: (counts[a], -answers.index(a))) if counts else None


def agreement(pairs: Sequence[tuple[bool, bool]]) -> dict[str, float]:
    """How often both of two, one alone, and neither is right, and their phi correlation: over all pairs, and over those of which
    one at least is right (MMST, arXiv 2307.10633, table 4). NaN where phi is undefined, because one of them never changes."""
    counts = Counter(pairs)
    both, first, second, neither = (counts[pair] for pair in ((True, True), (True, False), (False, True), (False, False)))
    return {
        "both": both,
        "only_first": first,
        "only_second": second,
        "neither": neither,
        "phi": _phi(both, first, second, neither),
        "phi_of_solved": _phi(both, first, second, 0),
    }


def _phi(both: int, first: int, second: int, neither: int) -> float:
    squared = (both + first) * (second + neither) * (both + second) * (first + neither)
    return (both * neither - first * second) / math.sqrt(squared) if squared else math.nan


def bootstrap(values: Sequence[float], confidence: float = 0.95, resamples: int = 2000, seed: int = 0) -> Estimate:
    """Mean of per-problem values with a percentile bootstrap interval over problems. NaN in, NaN out."""
    import numpy as np

    if len(values) == 0 or any(math.isnan(v) for v in values):
        return Estimate(math.nan, math.nan, math.nan, len(values))
    array = np.asarray(values, dtype=float)
    means = _resampled_means(array, resamples, seed)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Estimate(float(array.mean()), float(low), float(high), len(values))


def paired_bootstrap(
    before: Sequence[float], after: Sequence[float], confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """Mean of after - before over the same problems, in the same order, with its interval."""
    if len(before) != len(after):
        raise ValueError(f"paired samples differ in length: {len(before)} and {len(after)}")
    return bootstrap([b - a for a, b in zip(before, after, strict=True)], confidence, resamples, seed)


def over_seeds(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Mean of one value per seed with Student's interval; `problems` counts the seeds. The interval of fewer than two is NaN."""
    from scipy.stats import sem, t

    if not values or any(math.isnan(v) for v in values):
        return Estimate(math.nan, math.nan, math.nan, len(values))
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return Estimate(mean, math.nan, math.nan, len(values))
    half = float(t.ppf((1 + confidence) / 2, len(values) - 1) * sem(values))
    return Estimate(mean, mean - half, mean + half, len(values))


def _resampled_means(array, resamples: int, seed: int):
    import numpy as np

    rng = np.random.default_rng(seed)
    chunk = max(1, 4_000_000 // len(array))  # rows of indices held at once
    parts = [array[rng.integers(0, len(array), (min(chunk, resamples - i), len(array)))].mean(axis=1) for i in range(0, resamples, chunk)]
    return np.concatenate(parts)
