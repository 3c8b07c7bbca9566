"""Accuracy, pass@k, maj@k and their intervals. Undefined is NaN, never a plausible number."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict, with_config

TieRule = Literal["share", "fail"]
INTERVALS = (
    "Wilson's for a share, Newcombe's for a paired difference, the Bayesian bootstrap's for pass@k"
    " and maj@k"
)
"""How intervals over problems are made, for whoever reads them."""
ROUNDING = 1e-12  # less than this is no difference between two shares


recorded = with_config(ConfigDict(extra="ignore", ser_json_inf_nan="constants"))
"""Reads a dataclass from a manifest, whatever else another version has put there."""


@recorded
@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over problems, or over seeds, with its interval."""

    mean: float
    low: float
    high: float
    problems: int


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Chance that k of `samples` draws, taken without replacement, contain a correct one.

    The unbiased estimator of Chen et al. 2021 (arXiv 2107.03374, equation 1). NaN where k >
    samples.
    """
    if not 0 <= correct <= samples or k < 1:
        raise ValueError(f"pass_at_k({samples=}, {correct=}, {k=})")
    if k > samples:
        return math.nan
    return 1.0 - math.comb(samples - correct, k) / math.comb(samples, k)


def maj_at_k(
    answers: Sequence[Hashable | None], correct: Hashable, k: int, ties: TieRule = "share"
) -> float:
    """Chance that the majority answer of k of the `answers`, without replacement, is `correct`.

    It is exact over all subsets of size k, so independent of the order of samples. Votes are on
    answers, not verdicts.

    Args:
        answers: One answer per sample; None (no parsable answer) takes a place and casts no vote.
        correct: The answer that is right.
        k: Number of votes. NaN is returned where k > len(answers).
        ties: "share" gives 1/m when m answers lead together, "fail" gives nothing.
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
        credit = sum(
            n / (tied + 1) if ties == "share" else n * (tied == 0) for tied, n in ways.items()
        )
        total += math.comb(votes_correct, lead) * credit
    return total / math.comb(len(answers), k)


def _ways_below(rivals: list[int], abstentions: int, lead: int, places: int) -> dict[int, int]:
    """Ways to fill `places` from rivals and abstentions with no rival above `lead`.

    Returns:
        The number of ways, by how many rivals reach `lead`.
    """
    ways: Counter[tuple[int, int]] = Counter(
        {(used, 0): math.comb(abstentions, used) for used in range(min(abstentions, places) + 1)}
    )
    for size in rivals:
        next_ways: Counter[tuple[int, int]] = Counter()
        for (used, tied), n in ways.items():
            for votes in range(min(size, lead, places - used) + 1):
                next_ways[used + votes, tied + (votes == lead)] += n * math.comb(size, votes)
        ways = next_ways
    return {
        tied: sum(
            n for (used, tied_count), n in ways.items() if used == places and tied_count == tied
        )
        for tied in {tied_count for _, tied_count in ways}
    }


def vote(answers: Sequence[Hashable | None]) -> Hashable | None:
    """The most frequent answer; of several the one that comes first. None casts no vote."""
    counts = Counter(a for a in answers if a is not None)
    return max(counts, key=lambda a: (counts[a], -answers.index(a))) if counts else None


def agreement(pairs: Sequence[tuple[bool, bool]]) -> dict[str, float]:
    """How often both of two methods, one alone, and neither is right, and their phi correlation.

    Over all pairs, and over those of which at least one is right (MMST, arXiv 2307.10633, table 4).
    NaN where phi is undefined, because one of them never changes.
    """
    counts = Counter(pairs)
    both, neither = counts[True, True], counts[False, False]
    first, second = counts[True, False], counts[False, True]
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


def estimate(
    values: Sequence[float], confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Estimate:
    """Mean of per-problem values in [0, 1] with an interval over problems.

    Wilson's interval where all values are 0 or 1, else the `bootstrap`. NaN in, NaN out.
    """
    if _undefined(values):
        return Estimate(math.nan, math.nan, math.nan, len(values))
    low, high = (
        wilson(round(math.fsum(values)), len(values), confidence)
        if _binary(values)
        else bootstrap(values, confidence, resamples, seed)
    )
    return Estimate(math.fsum(values) / len(values), low, high, len(values))


def paired_difference(
    before: Sequence[float],
    after: Sequence[float],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Mean of after - before over the same problems, in the same order, with its interval.

    Newcombe's interval where all values are 0 or 1, else the `bootstrap` of the differences.
    """
    if len(before) != len(after):
        raise ValueError(f"paired samples differ in length: {len(before)} and {len(after)}")
    if _undefined(before) or _undefined(after):
        return Estimate(math.nan, math.nan, math.nan, len(before))
    differences = [b - a for a, b in zip(before, after, strict=True)]
    if _binary(before) and _binary(after):
        pairs = Counter(zip(after, before, strict=True))
        low, high = newcombe(pairs[1, 1], pairs[1, 0], pairs[0, 1], pairs[0, 0], confidence)
    else:
        low, high = bootstrap(differences, confidence, resamples, seed, ends=(-1.0, 1.0))
    return Estimate(math.fsum(differences) / len(differences), low, high, len(differences))


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927).

    It has a width at 0 and at 1 too, and covers as often as it says.
    """
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def newcombe(
    both: int, only_first: int, only_second: int, neither: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the difference, first less second, of two proportions of the same problems.

    Wilson's limits of both, combined by their correlation, which is corrected for continuity
    (Newcombe 1998, Statistics in Medicine 17:2635, method 10).
    """
    total = both + only_first + only_second + neither
    first, second = both + only_first, both + only_second
    (low1, high1), (low2, high2) = (
        wilson(successes, total, confidence) for successes in (first, second)
    )
    p1, p2 = first / total, second / total
    scale = math.sqrt(first * (total - first) * second * (total - second))
    covariance: float = both * neither - only_first * only_second
    if covariance > 0:
        covariance = max(covariance - total / 2, 0)
    phi = covariance / scale if scale else 0.0

    def distance(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))

    return p1 - p2 - distance(p1 - low1, high2 - p2), p1 - p2 + distance(high1 - p1, p2 - low2)


def bootstrap(
    values: Sequence[float],
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    ends: tuple[float, float] = (0.0, 1.0),
) -> tuple[float, float]:
    """Interval of a mean by the Bayesian bootstrap (Rubin 1981).

    Each of the `ends` that a value can have counts as half a problem more: what was not seen is not
    ruled out, so that equal values too have an interval with a width. For values that are all at
    the ends it is Jeffreys' interval.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    array = np.asarray(values, dtype=float)
    means = []
    for rows in _chunks(resamples, len(array)):
        weights = rng.standard_exponential((rows, len(array)))
        low_end, high_end = rng.standard_gamma(0.5, rows), rng.standard_gamma(0.5, rows)
        sums = weights @ array + low_end * ends[0] + high_end * ends[1]
        means.append(sums / (weights.sum(axis=1) + low_end + high_end))
    low, high = np.quantile(np.concatenate(means), [(1 - confidence) / 2, (1 + confidence) / 2])
    return min(float(low), float(array.mean())), max(float(high), float(array.mean()))


def _chunks(resamples: int, values: int) -> Iterator[int]:
    """How many resamples are drawn at once, so that their weights stay below 32 MB."""
    most = max(1, 4_000_000 // values)
    return (min(most, resamples - done) for done in range(0, resamples, most))


def _undefined(values: Sequence[float]) -> bool:
    return not values or any(map(math.isnan, values))


def _binary(values: Sequence[float]) -> bool:
    return all(value in (0, 1) for value in values)


def over_seeds(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Mean of one value per seed with Student's interval; `problems` counts the seeds.

    It is NaN for fewer than two seeds, and where all agree: they show no spread to judge by, which
    is not the same as having none.
    """
    from scipy.stats import sem, t

    if _undefined(values):
        return Estimate(math.nan, math.nan, math.nan, len(values))
    mean = math.fsum(values) / len(values)
    if max(values) - min(values) < ROUNDING:
        return Estimate(mean, math.nan, math.nan, len(values))
    half = float(t.ppf((1 + confidence) / 2, len(values) - 1) * sem(values))
    return Estimate(mean, mean - half, mean + half, len(values))
