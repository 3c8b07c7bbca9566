"""Settings of recipe rest_em: ReST-EM, ReST, STaR, RFT and expert iteration as one algorithm."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from selftrain_assets.domain.mixing import Mixing
from selftrain_assets.domain.sampling import Sampling
from selftrain_assets.domain.selection import Selection
from selftrain_assets.recipes.base import Rounds
from selftrain_assets.recipes.rest_em.presets import PRESETS


class RestEM(Selection, Mixing, Rounds):
    """ReST-EM, Singh et al. 2023 (arXiv 2312.06585), algorithm 1.

    for i = 1 .. rounds:
        E-step   draw k solutions of each problem from the policy of round i-1;
                 reward r(x, y) by the verifier
        M-step   maximise  E[ f(r(x, y)) log p(y | x) ]  over the drawn solutions,
                 starting again from `start`;
                 stop while the reward on the validation split improves (`early_stopping`)
    """

    type: Literal["rest_em"] = "rest_em"
    implementation: ClassVar[str] = "selftrain_assets.recipes.rest_em.implementation"
    presets: ClassVar = PRESETS
    # There is one way to solve a problem: the experiment's prompt and verifier.
    methods: ClassVar[tuple[()]] = ()
    sampling: Sampling = Field(
        Sampling(samples_per_problem=32, temperature=0.7, top_k=40),
        description="E-step: how solutions are drawn",
    )
    sampler: Literal["previous", "base"] = Field(
        "previous", description="whose solutions: the last checkpoint's, or always the base's"
    )
    improve_steps: int = Field(
        1,
        ge=1,
        description=(
            "rounds that share one policy, and so its samples, before it is renewed (ReST's Improve"
            " steps)"
        ),
    )
    rationalize: bool = Field(
        False,
        description=(
            "STaR: problems without a correct sample are tried again with the answer as a hint"
        ),
    )

    @property
    def own_stages(self) -> tuple[str, ...]:
        return ("rationalizations",) if self.rationalize else ()

    def policy_round(self, iteration: int) -> int:
        return (
            0
            if self.sampler == "base"
            else (iteration - 1) // self.improve_steps * self.improve_steps
        )
