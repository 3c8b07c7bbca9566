"""Rewriting rules on strings, as in Markov algorithms.

What rules do, and inputs that they apply to or do not apply to.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

REPAIRS = 10  # letters drawn anew, by letter of the string, before another string is tried
TRIES = 1000  # draws in a row that bring no new input, before a rule counts as used up
PROBES = 20  # inputs that a rule among several is tried on


class Rule(NamedTuple):
    """Replaces the leftmost occurrence of `search`."""

    search: str
    replacement: str

    def __str__(self) -> str:
        return f"{self.search}>{self.replacement}"

    def apply(self, text: str) -> str:
        """The same text where the search string does not occur."""
        return text.replace(self.search, self.replacement, 1)


def rewrite(rules: Sequence[Rule], text: str, max_steps: int) -> str | None:
    """Run rules as a Markov algorithm.

    The first rule, in their order, that matches is applied at its leftmost match, until none
    matches. None where that takes more than `max_steps` replacements.
    """
    for _ in range(max_steps):
        rule = first_match(rules, text)
        if rule is None:
            return text
        text = rule.apply(text)
    return text if first_match(rules, text) is None else None


def first_match(rules: Sequence[Rule], text: str) -> Rule | None:
    """The rule that is applied next."""
    return next((rule for rule in rules if rule.search in text), None)


def occurrences(text: str, search: str) -> int:
    """Places at which `search` begins, overlapping ones included."""
    count, at = 0, text.find(search)
    while at >= 0:
        count, at = count + 1, text.find(search, at + 1)
    return count


def without(rng: random.Random, alphabet: str, length: int, searches: Sequence[str]) -> str | None:
    """A random string in which none of the search strings occurs.

    Letters inside of an occurrence are drawn anew. None where chance led to no such string.
    """
    text = "".join(rng.choices(alphabet, k=length))
    for _ in range(REPAIRS * length + 1):
        search = next((search for search in searches if search in text), None)
        if search is None:
            return text
        at = text.index(search) + rng.randrange(len(search))
        text = text[:at] + rng.choice(alphabet) + text[at + 1 :]
    return None


def holding(
    rng: random.Random, alphabet: str, length: int, rules: Sequence[Rule], first: int, times: int
) -> str | None:
    """A random string whose first match is `rules[first]`.

    The rule's search string occurs `times` times, counted as `occurrences` does; its copies do not
    overlap. None where chance led to no such string.
    """
    search, earlier = rules[first].search, [rule.search for rule in rules[:first]]
    space = length - times * len(search)
    cuts = [0, *sorted(rng.randint(0, space) for _ in range(times)), space]
    gaps = [
        without(rng, alphabet, end - start, [*earlier, search]) for start, end in pairwise(cuts)
    ]
    if None in gaps:
        return None
    text = search.join(gap for gap in gaps if gap is not None)
    return (
        text
        if occurrences(text, search) == times and not any(other in text for other in earlier)
        else None
    )


@dataclass(frozen=True)
class Inputs:
    """Generator of inputs over an alphabet, with lengths in this range, and of their outputs.

    One rule is applied once, several are run to their end.
    """

    alphabet: str
    length: tuple[int, int]
    max_steps: int

    def new(
        self,
        rng: random.Random,
        rules: Sequence[Rule],
        turn: tuple[int, int] | None,
        taken: set[str],
    ) -> tuple[str, str] | None:
        """An input that is not `taken`, with its output; the input is added to `taken`.

        It is a no-op, or one in whose `turn` a rule is the first match, with its number of
        occurrences. None where none is found.
        """
        for _ in range(TRIES):
            pair = self.no_op(rng, rules) if turn is None else self.has_op(rng, rules, *turn)
            if pair is not None and pair[0] not in taken:
                taken.add(pair[0])
                return pair
        return None

    def no_op(self, rng: random.Random, rules: Sequence[Rule]) -> tuple[str, str] | None:
        """An input that no rule applies to; None where chance led to none."""
        text = without(
            rng, self.alphabet, rng.randint(*self.length), [rule.search for rule in rules]
        )
        return None if text is None else (text, text)

    def has_op(
        self, rng: random.Random, rules: Sequence[Rule], first: int, times: int
    ) -> tuple[str, str] | None:
        """An input as `holding` draws it, with its output.

        None where chance led to none, or to a run that does not end.
        """
        text = holding(rng, self.alphabet, rng.randint(*self.length), rules, first, times)
        if text is None:
            return None
        output = rules[0].apply(text) if len(rules) == 1 else rewrite(rules, text, self.max_steps)
        return None if output is None else (text, output)

    def ends(self, rng: random.Random, rules: Sequence[Rule]) -> bool:
        """Whether each rule soon gets an input that it matches first and whose run ends."""
        return all(
            any(self.has_op(rng, rules, first, 1) for _ in range(PROBES))
            for first in range(len(rules))
        )
