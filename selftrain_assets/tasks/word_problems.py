"""Generated arithmetic word problems: the task of the embedded default."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from selftrain_assets.domain.attempts import Script
from selftrain_assets.domain.types import Problem, Split
from selftrain_assets.tasks.expressions import solve
from selftrain_assets.tasks.protocol import Card, Task
from selftrain_assets.tasks.word_problem_templates import (
    CONTAINERS,
    NAMES,
    TEMPLATES,
    THINGS,
    Template,
)


class WordProblems(Task):
    """Word problems of one to three steps over 14 templates.

    Four more templates appear only in `transfer`.

    >>> "Anna has 12 apples. Anna buys 15 more apples. How many apples does Anna have now?"
    ... # reference solution: "12 + 15 = 27 ; #### 27"

    No question text occurs twice, in any split. Not covered: units, fractions, negative results.
    """

    type: Literal["word_problems"] = "word_problems"
    card: ClassVar[Card] = Card(
        "generated arithmetic word problems of one to three steps; the task of the embedded model",
        "Apache-2.0, made by selftrain",
        splits={"train": 1000, "human": 120, "validation": 100, "test": 300, "transfer": 100},
        solutions=True,
    )
    defaults: ClassVar[Mapping[str, Any]] = {}
    script: ClassVar[Script | None] = None
    train: int = Field(1000, ge=1, description="training problems, with the answer alone")
    human: int = Field(
        120,
        ge=0,
        description="problems with a written-out reference solution, the stand-in for human data",
    )
    validation: int = Field(
        100, ge=0, description="held-out problems that settings may be chosen on"
    )
    test: int = Field(300, ge=1, description="held-out problems that accuracy is reported on")
    transfer: int = Field(
        100, ge=0, description="problems of templates that occur in no other split"
    )
    seed: int = Field(
        0, ge=0, description="seed of the generator; the five splits are disjoint for every seed"
    )

    def load(self) -> list[Problem]:
        """Generate every split; the same settings give the same problems on every machine."""
        rng = random.Random(f"word_problems:{self.seed}")
        used: set[str] = set()
        seen = [t for t in TEMPLATES if not t.unseen]
        unseen = [t for t in TEMPLATES if t.unseen]
        sizes: dict[Split, int] = {
            "train": self.train,
            "human": self.human,
            "validation": self.validation,
            "test": self.test,
            "transfer": self.transfer,
        }
        return [
            _fresh_problem(
                rng, unseen if split == "transfer" else seen, f"{split}-{i:05d}", split, used
            )
            for split, size in sizes.items()
            for i in range(size)
        ]


def _fresh_problem(
    rng: random.Random, templates: list[Template], id: str, split: Split, used: set[str]
) -> Problem:
    while True:
        problem = make_problem(rng, rng.choice(templates), id, split)
        if problem.question not in used:
            used.add(problem.question)
            return problem


def make_problem(rng: random.Random, template: Template, id: str, split: Split) -> Problem:
    """Fill one template with names, things and numbers whose result is a positive whole number."""
    names, things = rng.sample(NAMES, 2), rng.sample(THINGS, 2)
    words = {
        "A": names[0],
        "B": names[1],
        "o": things[0],
        "p": things[1],
        "c": rng.choice(CONTAINERS),
    }
    while True:
        numbers = {slot: rng.randint(low, high) for slot, (low, high) in template.numbers.items()}
        # draw the quotient, so that divisions come out even
        if template.expression.startswith("x / y"):
            numbers["x"] *= numbers["y"]
        expression = " ".join(
            str(numbers.get(token, token)) for token in template.expression.split()
        )
        try:
            solution, answer = solve(expression)
        except ValueError:
            continue
        if answer > 0:
            break
    return Problem(
        id=id,
        question=template.text.format(**words, **numbers),
        answer=str(answer),
        split=split,
        group=template.name,
        solution=solution if split == "human" else None,
        solutions={"text": solution, "code": expression} if split == "human" else None,
    )
