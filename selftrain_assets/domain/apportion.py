"""Whole numbers in given proportions: rows by kind, and rows by rule."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

# of weights that are rounded to whole numbers, so that their shares are the same on every machine
SCALE = 10**9


def apportion(total: int, weights: Sequence[int] | Sequence[Fraction]) -> list[int]:
    """Whole numbers that sum to `total`, in the proportion of the weights, by largest remainder;
    of equal remainders the first are rounded up."""
    whole = sum(weights)
    parts = [divmod(total * weight, whole) for weight in weights]
    counts = [int(count) for count, _ in parts]
    by_remainder = sorted(range(len(parts)), key=lambda i: -parts[i][1])
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


def power_law(total: int, count: int, alpha: float) -> list[int]:
    """Sizes of `count` groups, largest first, each 1 at least, that sum to `total`: the quantiles
    of the density alpha * x^(alpha - 1) on (0, 1], so that the i-th of n sizes from below is
    proportional to (i / n)^(1 / alpha).

    Smaller alpha is more peaked, and a very large one uniform. Of n groups as many as n * alpha *
    (alpha + 2) / (alpha + 1)^2 count (the squared sum of their sizes over the sum of the squares).
    """
    weights = [round(SCALE * (i / count) ** (1 / alpha)) for i in range(count, 0, -1)]
    return [1 + size for size in apportion(total - count, weights)]


def evenly(total: int, count: int) -> list[int]:
    """Sizes of `count` groups that differ by one at most and sum to `total`, larger ones first."""
    return apportion(total, [1] * count)


def spread(marked: int, total: int) -> list[bool]:
    """Which of `total` places in a row are marked, as evenly as possible: any stretch has its
    share, to within one."""
    return [(i + 1) * marked // total > i * marked // total for i in range(total)]
