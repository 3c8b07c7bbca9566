"""Generated lists of words to be sorted, many of which begin alike."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from selftrain_assets.domain.attempts import Script, Wording
from selftrain_assets.domain.types import Problem
from selftrain_assets.tasks.generated import Generated
from selftrain_assets.tasks.mathematics import questions_and_answers
from selftrain_assets.tasks.protocol import Card
from selftrain_assets.tasks.sorting_script import LIST, SortingScript

LONGEST = 60
Lengths = Annotated[str, Field(pattern=r"^([1-9]\d?-[1-9]\d?|[1-9]\d?\+)$")]


class WordSorting(Generated):
    """Word sorting as in BIG-Bench Hard (arXiv 2210.09261), over 816 common English words.

    >>> "Sort the following words alphabetically: List: oven costume counterpart"
    ... # answer: "costume counterpart oven"

    Words are drawn from families that share their first letters, about half as many families as
    words. No list occurs twice, in no order of its words. Solutions are in steps
    (tasks/sorting_script.py), as `Wording` (domain/attempts.py) writes them by default.
    """

    type: Literal["word_sorting"] = "word_sorting"
    card: ClassVar[Card] = Card(
        "generated lists of words to be sorted; longer ones in transfer",
        "Apache-2.0, made by selftrain",
        splits={"train": 500, "human": 60, "validation": 100, "test": 300, "transfer": 200},
        solutions=True,
    )
    defaults: ClassVar[Mapping[str, Any]] = questions_and_answers("word_sorting", 512, "text")
    script: ClassVar[Script] = SortingScript()
    wider: ClassVar[str] = "name other lengths in task.seen and task.unseen"
    seen: tuple[Lengths, ...] = Field(
        ("2-3", "4-7"),
        min_length=1,
        description='numbers of words to learn from, as "2-3" or "16+"',
    )
    unseen: tuple[Lengths, ...] = Field(
        ("8-10", "11-15", "16+"), description="numbers of words that occur in `transfer` alone"
    )
    longest: int = Field(
        20, ge=2, le=LONGEST, description='most words in a list; the end of a group such as "16+"'
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> WordSorting:
        named: dict[int, str] = {}
        for group in (*self.seen, *self.unseen):
            lengths = self._lengths(group)
            if not lengths or lengths[0] < 2 or lengths[-1] > self.longest:
                raise ValueError(
                    f'"{group}" is no range of numbers of words between 2 and longest, which is'
                    f" {self.longest}"
                )
            if twice := [length for length in lengths if length in named]:
                raise ValueError(
                    f'"{named[twice[0]]}" and "{group}" both hold lists of {twice[0]} words: each'
                    " length is in one group"
                )
            named |= dict.fromkeys(lengths, group)
        return self

    def _lengths(self, group: str) -> range:
        shortest, *end = [int(number) for number in re.findall(r"\d+", group)]
        return range(shortest, (end[0] if end else self.longest) + 1)

    def seen_groups(self) -> list[str]:
        return [*self.seen]

    def unseen_groups(self) -> list[str]:
        return [*self.unseen]

    def draw(self, rng: random.Random, group: str) -> Problem:
        length = rng.choice(self._lengths(group))
        pool = [word for family in rng.sample(families(), (length + 1) // 2) for word in family]
        words = rng.sample(pool, length)
        problem = Problem(
            "",
            f"Sort the following words alphabetically: {LIST} {' '.join(words)}",
            " ".join(sorted(words)),
            group=group,
        )
        return replace(problem, solution=Wording().write(self.script.improve(problem, ())))

    def key(self, problem: Problem) -> str:
        return problem.answer


@cache
def families() -> list[list[str]]:
    """Words that share their first letters, six to a family; no word is in two."""
    text = Path(__file__).with_name("word_families.txt").read_text(encoding="utf-8")
    return [line.split() for line in text.splitlines()]
