"""What a person can set."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from selftrain_assets.domain.sampling import Sampling
from selftrain_assets.domain.selection import Selection
from selftrain_assets.recipes.base import Rounds


class SecondLook(Selection, Rounds):
    """For i = 1 .. rounds:

    draw k solutions of each problem, and verify them
    ask again, by another prompt, where a solution is wrong; verify those too
    tally the tries of each problem
    fine-tune on what is right
    """

    implementation: ClassVar[str] = "sample_plugins.second_look.implementation"
    methods: ClassVar[tuple[()]] = ()
    sampling: Sampling = Field(Sampling(samples_per_problem=4), description="how they are drawn")
    again: str = Field("Think again. ", description="what stands before a question asked again")

    @property
    def own_stages(self) -> tuple[str, ...]:
        return ("revisions", "tallies")

    @property
    def learns_from(self) -> tuple[str, ...]:
        return ("verifications", "revisions")
