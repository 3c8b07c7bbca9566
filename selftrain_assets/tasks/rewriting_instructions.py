"""Instructions of the task string_rewriting.

They are ordered rules: how they are drawn, and how a question states them.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Container, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations
from math import perm
from typing import Literal, NamedTuple

from selftrain_assets.tasks.rewriting import Inputs, Rule
from selftrain_assets.tasks.string_families import Family, Strings

# draws in a row that bring no new rule, of which the last ones of a small alphabet are hard to hit
TRIES = 30_000
# the same for several ordered rules, of which there are more, and which are run on some inputs
ORDERED_TRIES = 500

Unseen = Literal["rules", "search", "replacement", "both"]
"""What of an unseen rule is in no seen one: the pair, its search string, its replacement, or
both of these."""


class Instruction(NamedTuple):
    """Ordered rules, and the family that their strings are of."""

    rules: tuple[Rule, ...]
    family: Family

    def __str__(self) -> str:
        return ",".join(map(str, self.rules))

    def under(self, cipher: Mapping[int, int]) -> Instruction:
        """The same on letters that have passed the cipher."""
        return Instruction(
            tuple(Rule(*(part.translate(cipher) for part in rule)) for rule in self.rules),
            self.family,
        )


@dataclass(frozen=True)
class Source:
    """Where instructions of one family come from."""

    searches: Strings
    replacements: Strings
    ordered_rules: int
    inputs: Inputs

    def count(self) -> int:
        """How many instructions there are.

        Of several ordered rules it is an upper bound, since not all of them come to an end.
        """
        searches, replacements = self.searches.count(), self.replacements.count()
        if self.ordered_rules == 1:
            return searches * replacements - self.searches.common(self.replacements)
        return perm(searches, self.ordered_rules) * int(replacements**self.ordered_rules)

    def draw(
        self,
        rng: random.Random,
        barred: Set[Rule],
        unseen: Unseen,
        drawn: Container[tuple[Rule, ...]],
    ) -> tuple[Rule, ...] | None:
        """Ordered rules that are not `drawn` yet and have no part that is barred.

        Every rule changes its search string, is the first match of some input, and comes to an end
        there where there are several. None where none is found.
        """
        for _ in range(TRIES if self.ordered_rules == 1 else ORDERED_TRIES):
            rules = tuple(
                Rule(self.searches.draw(rng), self.replacements.draw(rng))
                for _ in range(self.ordered_rules)
            )
            # A rule whose search string holds that of an earlier one would never be the first to
            # match.
            dead = any(one.search in other.search for one, other in combinations(rules, 2))
            if (
                dead
                or rules in drawn
                or any(rule.search == rule.replacement for rule in rules)
                or barred & parts(rules, unseen)
            ):
                continue
            if self.ordered_rules == 1 or self.inputs.ends(rng, rules):
                return rules
        return None


def parts(rules: Collection[Rule], unseen: Unseen) -> set[Rule]:
    """What `unseen` names of rules, with the other part of each left empty."""
    if unseen == "rules":
        return {*rules}
    searches = {Rule(rule.search, "") for rule in rules if unseen != "replacement"}
    return searches | {Rule("", rule.replacement) for rule in rules if unseen != "search"}


def in_english(rules: Sequence[Rule], text: str) -> str:
    """A question as a sentence.

    No more than twelve words in a row are the same under the same rules: longer runs are evidence
    of held-out text in what is learnt from (domain/contamination.py).
    """
    if len(rules) == 1:
        return (
            f"Replace the first {rules[0].search} in {text} by {rules[0].replacement}; if there is"
            " none, leave the string as it is."
        )
    listed = ", ".join(f"{rule.search} -> {rule.replacement}" for rule in rules)
    return (
        f"Rules: {listed}. Rewrite {text} by the first that occurs, at its leftmost place, until"
        " none does."
    )
