"""Generated rewriting rules on strings.

Does a model that learns from some rules follow new ones?
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import count, cycle, islice, product
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from selftrain_assets.domain.apportion import apportion, even_sizes, power_law, spread
from selftrain_assets.domain.attempts import Script
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.ranges import Positives, Span, listed
from selftrain_assets.domain.text import words
from selftrain_assets.domain.types import OwnSplit, Problem
from selftrain_assets.tasks.protocol import Card, Task
from selftrain_assets.tasks.rewriting import Inputs, Rule
from selftrain_assets.tasks.rewriting_instructions import (
    Instruction,
    Source,
    Unseen,
    in_english,
    parts,
)
from selftrain_assets.tasks.string_families import Family, Strings

Families = Annotated[
    tuple[Family, ...],
    Field(min_length=1),
    BeforeValidator(listed, json_schema_input_type=Family | tuple[Family, ...]),
]


class StringRewriting(Task):
    """String rewriting by Markov algorithms.

    arXiv 2405.19787, extended as Only-IF, arXiv 2410.04717 section 2.

    >>> "abc>xy:qqabcq"  # answer: "qqxyq"
    >>> "abc>xy:qqaabb"  # a no-op; answer: "qqaabb"
    >>> "ab>c,cc>d:abab"  # two ordered rules; answer: "d"

    One rule replaces the leftmost occurrence of its search string, once. Several are run as a
    Markov algorithm: always the first rule that matches, at its leftmost match, until none does;
    runs that do not end within `max_steps` are not drawn.

    The budget `train` is rules times rows for each. `validation` and `test` are new inputs under
    rules that are learnt from, `transfer` has rules that are not. The group of a row to learn from
    is its instruction, that of a held-out one `has-op` or `no-op`, after the family where there are
    several. Shares are exact in every split by largest remainder, and even over its rules.

    Unseen rules are drawn first, then seen ones, where more rules continue the list of fewer, and
    every split has a generator of its own. So `train`, `human` and `power_law` leave all held-out
    problems as they are, as `occurrences` does where `held_out_occurrences` is set, and `rules`
    leaves `transfer`. Validation and test stay as long as there are no fewer rules than rows in
    each, which has a row for each of the first rules then; with fewer rules its rows are shared
    among all that there are, and change.

    `encrypted` is our reading of the form for pretrained models, whose text is not public: a
    substitution cipher drawn from the seed maps the alphabet onto itself in rule, input and output,
    and an English sentence says what to do. Held-out sets of the plain and the encrypted form
    differ in nothing else. Its questions end in a full stop: `prompt.template` is to say what
    follows.

    No answer is empty, since every replacement has a letter. Not covered: rules that delete, and
    variables in rules.
    """

    type: Literal["string_rewriting"] = "string_rewriting"
    card: ClassVar[Card] = Card(
        "generated rules that replace a part of a string; rules that are not learnt from in"
        " transfer",
        "Apache-2.0, made by selftrain",
        splits={"train": 10_000, "validation": 100, "test": 300, "transfer": 300},
        solutions=True,
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "prompt": {"template": "{question}="},
        "verifier": {"type": "exact"},
        # a letter may be a token; models stop at the end of the string
        "sampling": {"max_tokens": 256},
    }
    script: ClassVar[Script | None] = None
    alphabet: str = Field("abcdefghijklmnopqrstuvwxyz", description="letters of rules and inputs")
    length: Span = Field(
        (12, 12), description="letters of an input: a number, or the smallest and the largest"
    )
    search: Span = Field(
        (3, 3), description="letters of a search string: a number, or the smallest and the largest"
    )
    replacement: Span = Field(
        (3, 3), description="letters of a replacement: a number, or the smallest and the largest"
    )
    ordered_rules: int = Field(
        1, ge=1, le=5, description="rules in an instruction; several are run as a Markov algorithm"
    )
    max_steps: int = Field(
        50,
        ge=1,
        description="the most replacements that several ordered rules may make",
    )
    families: Families = Field(
        ("none",),
        description=(
            "inner structure of search strings and replacements; rules take turns in several"
        ),
    )
    k: Span = Field(
        (2, 3),
        description=(
            "constraint of the families: how often a letter or unit is repeated; none has no use"
            " for it"
        ),
    )
    unseen_families: Families | None = Field(
        None, description="families of the unseen rules; not set: those of the others"
    )
    unseen_k: Span | None = Field(
        None,
        description="constraint of the families of the unseen rules; not set: that of the others",
    )
    rules: int = Field(
        1000,
        ge=1,
        description=(
            "different instructions to learn from; several ordered rules are one instruction"
        ),
    )
    unseen_rules: int = Field(300, ge=1, description="different instructions in `transfer`")
    unseen: Unseen = Field(
        "both",
        description=(
            "what of a rule in `transfer` is in no rule to learn from: the pair, its search string,"
            " its replacement, or both"
        ),
    )
    power_law: float | None = Field(
        None,
        gt=0,
        description=(
            "alpha of the power law of rows by rule, more peaked the smaller it is; not set: as"
            " many for every rule"
        ),
    )
    no_op: float = Field(
        0.2,
        ge=0,
        le=1,
        description="share of inputs that no rule applies to, so that the output is the input",
    )
    occurrences: Positives = Field(
        (1,),
        description=(
            "how often the search string occurs in the other inputs; they take turns in several"
        ),
    )
    held_out_occurrences: Positives | None = Field(
        None, description="the same in held-out inputs; not set: as in those to learn from"
    )
    encrypted: bool = Field(
        False,
        description=(
            "replace letters by a substitution cipher, and write the instruction as an English"
            " sentence"
        ),
    )
    train: int = Field(
        10_000, ge=1, description="rows to learn from, with their output as solution: the budget"
    )
    human: int = Field(
        0,
        ge=0,
        description="further rows with their output as solution, under the rules to learn from",
    )
    validation: int = Field(
        100,
        ge=0,
        description=(
            "held-out problems that settings may be chosen on, under the rules to learn from"
        ),
    )
    test: int = Field(
        300,
        ge=1,
        description="held-out problems that accuracy is reported on, under the rules to learn from",
    )
    transfer: int = Field(300, ge=0, description="held-out problems under unseen rules")
    seed: int = Field(
        0, ge=0, description="seed of the generator; the splits are disjoint for every seed"
    )

    @field_validator("alphabet")
    @classmethod
    def _has_letters(cls, alphabet: str) -> str:
        if len(alphabet) < 2:
            raise ValueError("needs two letters at least")
        known: set[str] = set()
        for letter in alphabet:
            # Held-out questions are looked for by their words, without regard to case
            # (domain/contamination.py).
            [folded] = words(letter) if letter.isalnum() else [""]
            if len(folded) != 1:
                raise ValueError(
                    f'"{letter}" is no letter or digit; others, such as > : , = and white space,'
                    " stand between strings"
                )
            if folded in known:
                raise ValueError(
                    f'"{letter}" occurs twice; upper and lower case count as one letter'
                )
            known.add(folded)
        return alphabet

    @model_validator(mode="after")
    def _budget_divides(self) -> StringRewriting:
        rows, over = divmod(self.train, self.rules)
        if over and self.power_law is None:
            nearest = " or ".join(f"{n * self.rules}" for n in (rows, rows + 1) if n)
            raise ValueError(
                f"train {self.train} cannot be divided evenly among {self.rules} rules: set train"
                f" to {nearest}"
            )
        if self.train < self.rules:
            raise ValueError(
                f"train {self.train} is too few for {self.rules} rules, of which each has a row:"
                " lower rules, or raise train"
            )
        return self

    @model_validator(mode="after")
    def _strings_fit(self) -> StringRewriting:
        if self.search[1] > self.length[0]:
            raise ValueError(
                f"a search string of {self.search[1]} letters is longer than an input of"
                f" {self.length[0]}: lower search"
            )
        times = max(*self.occurrences, *(self.held_out_occurrences or (1,)))
        if times * self.search[1] > self.length[0]:
            raise ValueError(
                f"{times} occurrences of a search string of {self.search[1]} letters do not fit"
                f" into an input of {self.length[0]}: lower occurrences or search, or raise length"
            )
        return self

    @model_validator(mode="after")
    def _rules_exist(self) -> StringRewriting:
        for setting, sources, number in (
            ("rules", self._sources(unseen=False), self.rules),
            ("unseen_rules", self._sources(unseen=True), self.unseen_rules if self.transfer else 0),
        ):
            for (family, source), share in zip(
                sources.items(), even_sizes(number, len(sources)), strict=True
            ):
                if not (source.searches.shapes and source.replacements.shapes):
                    raise ValueError(
                        f"a {family} string has a multiple of k letters, and search or replacement"
                        " has no such length: change k, or these"
                    )
                if share > (there_are := source.count()):
                    named = "" if family == "none" else f" of the family {family}"
                    raise ValueError(
                        f"{setting}: {share} different ones{named} are asked for, and alphabet,"
                        f" search and replacement allow {there_are:,}"
                    )
        return self

    def load(self) -> list[Problem]:
        """Generate every split; the same settings give the same problems on every machine.

        UserError where there are too few.
        """
        unseen = self._instructions("unseen", self.unseen_rules if self.transfer else 0)
        seen = self._instructions("seen", self.rules, unseen)
        used: dict[Instruction, set[str]] = defaultdict(set)
        held_out: dict[OwnSplit, int] = {
            "validation": self.validation,
            "test": self.test,
            "transfer": self.transfer,
        }
        problems: list[Problem] = []
        for split, size in (held_out | {"human": self.human}).items():
            instructions = (unseen if split == "transfer" else seen)[:size]
            problems += self._rows(split, instructions, even_sizes(size, len(instructions)), used)
        sizes = (
            even_sizes(self.train, self.rules)
            if self.power_law is None
            else power_law(self.train, self.rules, self.power_law)
        )
        return [*problems, *self._rows("train", seen, sizes, used)]

    def _sources(self, unseen: bool) -> dict[Family, Source]:
        families, k = (
            (unseen and self.unseen_families) or self.families,
            (unseen and self.unseen_k) or self.k,
        )
        strings = {
            family: [
                Strings(family, self.alphabet, lengths, k)
                for lengths in (self.search, self.replacement)
            ]
            for family in families
        }
        return {
            family: Source(searches, replacements, self.ordered_rules, self._inputs())
            for family, (searches, replacements) in strings.items()
        }

    def _instructions(
        self, kind: Literal["unseen", "seen"], number: int, others: Sequence[Instruction] = ()
    ) -> list[Instruction]:
        """Different instructions, from each family in turn.

        Unseen ones share no rule with `others`.
        """
        rng = random.Random(f"{self.type}:{self.seed}:{kind} rules")
        barred = {part for other in others for part in parts(other.rules, self.unseen)}
        drawn: dict[tuple[Rule, ...], Family] = {}
        for family, source in islice(cycle(self._sources(kind == "unseen").items()), number):
            rules = source.draw(rng, barred, self.unseen, drawn)
            if rules is None:
                ending = (
                    "" if self.ordered_rules == 1 else f" that ends within {self.max_steps} steps"
                )
                raise UserError(
                    f"task {self.type}: of {number} {kind} instructions {len(drawn)} are found, and"
                    f" no further one{ending}: lower task.rules or task.unseen_rules, or widen"
                    " task.alphabet, task.search or task.replacement"
                )
            drawn[rules] = family
        return [Instruction(*item) for item in drawn.items()]

    def _rows(
        self,
        split: OwnSplit,
        instructions: Sequence[Instruction],
        sizes: Sequence[int],
        used: dict[Instruction, set[str]],
    ) -> Iterator[Problem]:
        """Rows of a split, `sizes` of them for the instructions, which are shuffled.

        So neither size nor no-ops depend on the order of instructions.
        """
        rng = random.Random(f"{self.type}:{self.seed}:{split}")
        learnt, total = split in ("train", "human"), sum(sizes)
        inputs, cipher = self._inputs(), self._cipher()
        share = Fraction(str(self.no_op))
        no_ops = iter(spread(apportion(total, [1 - share, share])[1], total))
        times = self.occurrences if learnt else self.held_out_occurrences or self.occurrences
        turns = cycle(product(range(self.ordered_rules), times))
        numbers = count()
        for instruction, size in zip(
            rng.sample(instructions, len(instructions)), sizes, strict=True
        ):
            enciphered, taken = instruction.under(cipher), used[instruction]
            text = str(enciphered)
            for no_op in islice(no_ops, size):
                pair = inputs.new(rng, instruction.rules, None if no_op else next(turns), taken)
                if pair is None:
                    raise UserError(
                        f'task {self.type}: the split "{split}" needs more different inputs under'
                        f' the rule "{instruction}" than are found, '
                        + (
                            "that no rule applies to: "
                            if no_op
                            else (
                                f"with {' or '.join(map(str, times))} occurrences: lower these, or "
                            )
                        )
                        + f"lower task.{split}, or widen task.length or task.alphabet"
                    )
                start, output = (string.translate(cipher) for string in pair)
                yield Problem(
                    id=f"{split}-{next(numbers):05d}",
                    question=(
                        in_english(enciphered.rules, start) if self.encrypted else f"{text}:{start}"
                    ),
                    answer=output,
                    split=split,
                    group=text if learnt else self._group(instruction.family, no_op),
                    solution=output if learnt else None,
                )

    def _inputs(self) -> Inputs:
        return Inputs(self.alphabet, self.length, self.max_steps)

    def _group(self, family: Family, no_op: bool) -> str:
        several = len({*self.families, *(self.unseen_families or ())}) > 1
        return (f"{family}, " if several else "") + ("no-op" if no_op else "has-op")

    def _cipher(self) -> dict[int, int]:
        """Of letters to letters; of each to itself where nothing is encrypted."""
        letters = list(self.alphabet)
        if self.encrypted:
            random.Random(f"{self.type}:{self.seed}:cipher").shuffle(letters)
        return str.maketrans(self.alphabet, "".join(letters))
