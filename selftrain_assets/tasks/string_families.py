"""Families of strings with an inner structure, from which rules are drawn.

They are those of semantic diversity, arXiv 2410.04717 section 2. A string of length n and
constraint k comes from a unit of n / k letters. Of the unit abc, with k = 3:

- `repeated`: every letter k times, aaabbbccc
- `periodic`: the unit k times, abcabcabc
- `mirrored`: the unit k times, every other time backwards, abccbaabc
- `none`: any string

The larger k, the fewer such strings: this reading agrees with the ranges of the paper, 3 to 4, 6,
12, 20, 30 or 60 at a length of 60, all of whose ends divide 60.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

Family = Literal["none", "repeated", "periodic", "mirrored"]


def shaped(family: Family, unit: str, k: int) -> str:
    """The string of a family that comes from `unit`."""
    if family == "repeated":
        return "".join(letter * k for letter in unit)
    if family == "mirrored":
        return "".join(unit[::-1] if i % 2 else unit for i in range(k))
    return unit * k


@dataclass(frozen=True)
class Strings:
    """The strings of a family over an alphabet, with length and k in these inclusive ranges."""

    family: Family
    alphabet: str
    lengths: tuple[int, int]
    k: tuple[int, int]

    @cached_property
    def shapes(self) -> dict[int, list[int]]:
        """Lengths by k; k divides them. A k without a length is left out."""
        lengths = range(self.lengths[0], self.lengths[1] + 1)
        if self.family == "none":
            return {1: [*lengths]}
        smallest, largest = self.k
        shapes = {k: [n for n in lengths if n % k == 0] for k in range(smallest, largest + 1)}
        return {k: multiples for k, multiples in shapes.items() if multiples}

    def draw(self, rng: random.Random) -> str:
        """Every k is as likely as any other, and of one k every length."""
        k = rng.choice([*self.shapes])
        length = rng.choice(self.shapes[k])
        return shaped(self.family, "".join(rng.choices(self.alphabet, k=length // k)), k)

    def count(self) -> int:
        """How many different strings there are."""
        by_length: dict[int, list[int]] = {}
        for k, lengths in self.shapes.items():
            for length in lengths:
                by_length.setdefault(length, []).append(k)
        return sum(self._of_length(length, ks) for length, ks in by_length.items())

    def common(self, other: Strings) -> int:
        """How many strings are in both, which differ in their lengths alone."""
        lengths = max(self.lengths[0], other.lengths[0]), min(self.lengths[1], other.lengths[1])
        return replace(self, lengths=lengths).count()

    def _of_length(self, length: int, ks: list[int]) -> int:
        """How many strings of this length there are for these constraints.

        A string that has two constraints has their least common multiple too, so that each string
        has one largest k, and has exactly those that divide it.
        """
        largest: dict[int, int] = {}
        for k in (k for k in range(length, 0, -1) if length % k == 0):
            largest[k] = len(self.alphabet) ** (length // k) - sum(
                count for other, count in largest.items() if other % k == 0
            )
        return sum(count for k, count in largest.items() if any(k % one == 0 for one in ks))
