"""What a recipe answers. It holds settings and pure rules; stages/ does the work and store/ keeps the results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from pydantic import Field

from selftrain_assets.core.settings import Identity
from selftrain_assets.core.types import Problem

Start = Literal["base", "pretrained", "previous"]
StopRule = Literal["none", "first_drop", "best"]


class InnerStop(Identity):
    """When the M-step ends, judged by greedy accuracy on the validation split (ReST-EM section 3: while the reward
    on D_val improves). `first_drop` walks until the first fall, as the paper has it; `best` trains on and keeps the best."""

    rule: StopRule = Field("none", description="none, first_drop, or best")
    every: int = Field(50, ge=1, description="optimizer steps between two looks at the validation split")


class Recipe(Protocol):
    """The rules of one self-training algorithm. Which verified samples become training rows is said by the settings of
    `Selection`, which every recipe inherits, and carried out by store/selection.py."""

    type: str
    teacher: str | None
    start: Start
    inner_stop: InnerStop

    @property
    def own_stages(self) -> tuple[str, ...]:
        """Stages of this recipe between verifications and dataset (stages/loop.py knows them)."""
        ...

    def train_problems(self, problems: Sequence[Problem], seed: int) -> list[Problem]:
        """The problems that rounds sample on."""
        ...

    def policy_round(self, iteration: int) -> int:
        """The round whose checkpoint round `iteration` samples from; 0 is the base."""
        ...

    def sample_rounds(self, iteration: int) -> list[int]:
        """Rounds whose samples enter this round's dataset, newest first."""
        ...
