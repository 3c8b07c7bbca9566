"""A task: sums of two numbers."""

from collections.abc import Iterator
from random import Random

from selftrain_assets.domain.types import Problem
from selftrain_assets.tasks.functions import task


@task(version="1")
def sums(*, problems: int = 40, largest: int = 99, seed: int = 0) -> Iterator[Problem]:
    """Different sums of two numbers from 1 to `largest`."""
    pairs = [(a, b) for a in range(1, largest + 1) for b in range(1, largest + 1)]
    for a, b in Random(seed).sample(pairs, problems):
        yield Problem(f"{a}+{b}", f"{a} + {b}", str(a + b))
