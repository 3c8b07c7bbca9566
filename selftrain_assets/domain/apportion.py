"""Whole numbers in given proportions: rows by kind, and rows by rule."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

# of weights that are rounded to whole numbers, so that their shares are the same on every machine
SCALE = 10**9


def apportion(total: int, weights: Sequence[int] | Sequence[Fraction]) -> list[int]:
    """Whole numbers in the proportion of the weights that sum to `total`, by largest remainder.

    Of equal remainders the first ones are rounded up.
    """
    whole = sum(weights)
    parts = [divmod(total * weight, whole) for weight in weights]
    counts = [int(count) for count, _ in parts]
    by_remainder = sorted(range(len(parts)), key=lambda i: -parts[i][1])
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


def power_law(total: int, count: int, alpha: float) -> list[int]:
    """Sizes of `count` groups, largest first, each at least 1, that sum to `total`.

    The sizes are quantiles of the density alpha * x^(alpha - 1) on (0, 1]: the i-th of n sizes,
    counted from the smallest, is proportional to (i / n)^(1 / alpha).

    A smaller alpha is more peaked, and a very large one is uniform. The effective number of n
    groups (the squared sum of their sizes over the sum of the squares) is n * alpha * (alpha + 2) /
    (alpha + 1)^2.
    """
    weights = [round(SCALE * (i / count) ** (1 / alpha)) for i in range(count, 0, -1)]
    return [1 + size for size in apportion(total - count, weights)]


def even_sizes(total: int, count: int) -> list[int]:
    """Sizes of `count` groups that differ by one at most and sum to `total`, larger ones first."""
    return apportion(total, [1] * count)


def spread(marked: int, total: int) -> list[bool]:
    """Mark `marked` of `total` positions as evenly as possible.

    Returns:
        One flag per position; any stretch has its share of marks, to within one.
    """
    return [(i + 1) * marked // total > i * marked // total for i in range(total)]
