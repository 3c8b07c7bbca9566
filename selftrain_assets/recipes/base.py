"""What recipes have in common: which stages, which problems, which policy, which start, which
rounds count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, NonNegativeInt, model_validator

from selftrain_assets.domain.sampling import Sampling
from selftrain_assets.domain.selection import problem_subset
from selftrain_assets.domain.settings import Identity
from selftrain_assets.domain.types import Problem
from selftrain_assets.recipes.presets import expand
from selftrain_assets.recipes.teachers import Teacher

Start = Literal["base", "pretrained", "previous"]
StopRule = Literal["none", "first_drop", "best"]


class InnerStop(Identity):
    """When the M-step ends, judged by greedy accuracy on the validation split (ReST-EM section
    3: while the reward on D_val improves). `first_drop` walks until the first fall, as the paper
    has it; `best` trains on and keeps the best."""

    rule: StopRule = Field("none", description="none, first_drop, or best")
    every: int = Field(
        50, ge=1, description="optimizer steps between two looks at the validation split"
    )


class Recipe(Identity):
    """What every recipe says: which stages its rounds have, what training starts from and when
    it ends. A recipe inherits these settings and rules and adds its own; it holds no more than
    that, stages/ does the work and store/ keeps the results."""

    if TYPE_CHECKING:  # of recipes with one way to solve a problem
        sampling: Sampling

    start: Start = Field(
        "base",
        description=(
            "what the M-step starts from: base, the pretrained model below it, or the previous"
            " checkpoint"
        ),
    )
    inner_stop: InnerStop = Field(
        InnerStop(), description="when the M-step ends before its last step"
    )

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, data: Any) -> Any:
        return expand(data, cls.model_fields["type"].default)

    @property
    def own_stages(self) -> tuple[str, ...]:
        """Stages of this recipe between verifications and dataset; pipeline/loop.py knows them."""
        return ()

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages of a round, in order."""
        return ("dataset", "checkpoint", "evaluation")

    @property
    def learns_from(self) -> tuple[str, ...]:
        """Stages whose results become rows."""
        return ()

    @property
    def teachers(self) -> dict[str, Teacher]:
        """Every model beside the policy that this recipe asks, by the setting that names it."""
        return {}

    @property
    def drawn(self) -> Sampling:
        """How solutions are drawn, where there is one way to solve a problem."""
        return self.sampling

    @property
    def trained(self) -> tuple[str | None, ...]:
        """What the M-step trains: None is one model for all rows, a method its own weights on
        its own rows."""
        return (None,)

    def train_problems(self, problems: Sequence[Problem], seed: int) -> list[Problem]:
        """The problems that rounds learn on."""
        return [p for p in problems if p.split == "train"]

    def sample_rounds(self, iteration: int) -> list[int]:
        """Rounds whose samples enter this round's dataset, newest first."""
        return []


class Rounds(Recipe):
    """Rounds that sample from the policy, verify, and train on what is right."""

    teacher: Teacher | None = Field(
        None,
        description=(
            "model that is sampled instead of the policy (distillation): a directory, a hub name,"
            " {experiment, iteration}, or one that a server has, {base_url, model}"
        ),
    )
    accumulate: Literal["none", "all"] | NonNegativeInt = Field(
        "none", description="earlier rounds whose samples count again: none, all, or the last n"
    )
    problems: int = Field(0, ge=0, description="training problems used; 0 is all")

    @property
    def stages(self) -> tuple[str, ...]:
        return ("policy", "samples", "verifications", *self.own_stages, *super().stages)

    @property
    def learns_from(self) -> tuple[str, ...]:
        return ("verifications", *self.own_stages)

    @property
    def teachers(self) -> dict[str, Teacher]:
        return {} if self.teacher is None else {"recipe.teacher": self.teacher}

    def train_problems(self, problems: Sequence[Problem], seed: int) -> list[Problem]:
        return problem_subset(super().train_problems(problems, seed), self.problems, seed)

    def policy_round(self, iteration: int) -> int:
        """The round whose checkpoint round `iteration` samples from; 0 is the base."""
        return iteration - 1

    def sample_rounds(self, iteration: int) -> list[int]:
        earlier = (
            self.accumulate
            if isinstance(self.accumulate, int)
            else {"none": 0, "all": iteration - 1}[self.accumulate]
        )
        return list(range(iteration, max(0, iteration - 1 - earlier), -1))
