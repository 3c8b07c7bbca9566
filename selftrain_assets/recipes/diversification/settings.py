"""Settings of recipe diversification: how many instructions a budget of examples should hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from selftrain_assets.domain.mixing import Mixing, sizes, split_budget
from selftrain_assets.domain.sampling import Sampling
from selftrain_assets.domain.types import Problem
from selftrain_assets.recipes.base import Recipe
from selftrain_assets.recipes.diversification.presets import PRESETS


class Diversification(Mixing, Recipe):
    """From Symbolic Tasks to Code Generation (arXiv 2405.19787) and Only-IF (arXiv 2410.04717).

    Only-IF extends the former paper: section 2 is about string rewriting, section 4 about mixes.

    take I instructions with S examples each, S x I = budget, or a long tail of them
    mix in rows of other sources, beside them or in place of some
    fine-tune on the reference solutions, or train from scratch
    evaluate on instructions that training has not seen

    One round: nothing is sampled, so that what differs between two experiments is the data alone.
    Which number of instructions, or which mix, is best, is asked by a sweep over these settings or
    over those of the task.
    """

    type: Literal["diversification"] = "diversification"
    implementation: ClassVar[str] = "selftrain_assets.recipes.diversification.implementation"
    report: ClassVar[str | None] = "selftrain_assets.recipes.diversification.report"
    presets: ClassVar = PRESETS
    most_rounds: ClassVar[int | None] = 1  # nothing is sampled: a second round repeats the first
    learns_solutions: ClassVar[bool] = True
    methods: ClassVar[tuple[()]] = ()
    budget: int | None = Field(
        None,
        ge=0,
        description=(
            "number of rows from the task's own training problems; none: all of them; 0: only"
            " other sources"
        ),
    )
    instructions: int = Field(
        0,
        ge=0,
        description=(
            "number of different instructions (groups of problems) among these rows; 0: no limit"
        ),
    )
    power_law: float | None = Field(
        None,
        gt=0,
        description=(
            "alpha of the power law of rows by instruction, more peaked the smaller it is; none: as"
            " many rows for each"
        ),
    )
    sampling: Sampling = Field(
        Sampling(samples_per_problem=1),
        description="how held-out problems are answered: length and stops",
    )

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.budget == 0 and (not any(self.mix.values()) or self.mix_by == "replace"):
            raise ValueError(
                "budget: 0 leaves nothing but rows of other sources; name some in mix, with"
                " mix_by: add"
            )
        if self.budget and self.instructions:
            try:
                sizes(self.budget, self.instructions, self.power_law)
            except ValueError as error:
                raise ValueError(f"budget: {error}") from error
        return self

    @property
    def needed_splits(self) -> tuple[str, ...]:
        return ("test",) if self.budget == 0 else ("train", "test")

    def train_problems(self, problems: Sequence[Problem], seed: int) -> list[Problem]:
        own = super().train_problems(problems, seed)
        return (
            []
            if self.budget == 0
            else split_budget(own, self.budget or 0, self.instructions, self.power_law, seed)
        )
