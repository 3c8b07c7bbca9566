"""Base of generated tasks with seen and unseen groups: sizes, balance, and no problem twice."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import Field, model_validator

from selftrain_assets.domain.attempts import Script
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.text import words
from selftrain_assets.domain.types import OwnSplit, Problem
from selftrain_assets.tasks.protocol import Card, Task

TRIES = 1000  # draws in a row that bring nothing new, before a group counts as used up


class Generated(Task):
    """Seen groups fill `train`, `human`, `validation` and `test`; unseen ones fill `transfer`.

    Within a split, groups differ in size by one at most.

    Held-out problems are drawn first, and every split has a generator of its own: more problems to
    learn from leave them as they are. Two problems whose questions differ in punctuation or
    operators alone count as the same: held out, such a one would say little.
    """

    type: str
    card: ClassVar[Card]
    defaults: ClassVar[Mapping[str, Any]]
    script: ClassVar[Script]
    wider: ClassVar[str]
    """What to change to have more different problems."""
    train: int = Field(500, ge=1, description="problems to learn from")
    human: int = Field(
        60, ge=0, description="problems whose reference solution stands in for human data"
    )
    validation: int = Field(
        100, ge=0, description="held-out problems that settings may be chosen on"
    )
    test: int = Field(300, ge=1, description="held-out problems that accuracy is reported on")
    transfer: int = Field(200, ge=0, description="held-out problems of the unseen groups")
    seed: int = Field(
        0, ge=0, description="seed of the generator; the splits are disjoint for every seed"
    )

    @model_validator(mode="after")
    def _transfer_has_groups(self) -> Generated:
        if self.transfer and not self.unseen_groups():
            raise ValueError(
                "transfer holds problems of unseen groups, and unseen names none: name some, or set"
                " transfer to 0"
            )
        return self

    def seen_groups(self) -> list[str]:
        raise NotImplementedError

    def unseen_groups(self) -> list[str]:
        raise NotImplementedError

    def draw(self, rng: random.Random, group: str) -> Problem | None:
        """A problem with its solution; None where chance led to none.

        Its id and split are not read.
        """
        raise NotImplementedError

    def key(self, problem: Problem) -> str:
        """Equal for problems that are to count as the same."""
        return " ".join(words(problem.question))

    def load(self) -> list[Problem]:
        """Generate every split; the same settings give the same problems on every machine.

        UserError where a group has too few.
        """
        used: set[str] = set()
        sizes: dict[OwnSplit, int] = {
            "validation": self.validation,
            "test": self.test,
            "transfer": self.transfer,
            "human": self.human,
            "train": self.train,
        }
        return [
            problem for split, size in sizes.items() for problem in self._split(split, size, used)
        ]

    def _split(self, split: OwnSplit, size: int, used: set[str]) -> list[Problem]:
        rng = random.Random(f"{self.type}:{self.seed}:{split}")
        groups = self.unseen_groups() if split == "transfer" else self.seen_groups()
        solved = split in ("train", "human")
        problems = []
        for i in range(size):
            problem = self._fresh(rng, groups[i % len(groups)], split, used)
            problems.append(
                replace(
                    problem,
                    id=f"{split}-{i:05d}",
                    split=split,
                    solution=problem.solution if solved else None,
                )
            )
        return problems

    def _fresh(self, rng: random.Random, group: str, split: OwnSplit, used: set[str]) -> Problem:
        for _ in range(TRIES):
            problem = self.draw(rng, group)
            if problem is not None and (key := self.key(problem)) not in used:
                used.add(key)
                return problem
        raise UserError(
            f'task {self.type}: the group "{group}" has too few different problems to fill the'
            f' split "{split}": lower task.{split}, or {self.wider}'
        )
