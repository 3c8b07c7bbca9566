"""When a training ends before its last step."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from selftrain_assets.domain.settings import Identity

StopRule = Literal["none", "first_drop", "best"]


class EarlyStopping(Identity):
    """When the M-step ends, judged by greedy accuracy on the validation split.

    ReST-EM section 3: while the reward on D_val improves. `first_drop` stops at the first fall, as
    the paper has it; `best` trains to the end and keeps the best weights.
    """

    rule: StopRule = Field("none", description="none, first_drop, or best")
    every: int = Field(
        50, ge=1, description="optimizer steps between two measurements on the validation split"
    )
