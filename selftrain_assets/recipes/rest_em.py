"""ReST-EM and its relatives (ReST, STaR, RFT, expert iteration) as settings of one algorithm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, model_validator

from selftrain_assets.core.sampling import Sampling
from selftrain_assets.core.selection import Selection, problem_subset
from selftrain_assets.core.types import Problem
from selftrain_assets.recipes.presets import expand
from selftrain_assets.recipes.protocol import InnerStop, Start


class RestEM(Selection):
    """ReST-EM, Singh et al. 2023 (arXiv 2312.06585), algorithm 1.

    for i = 1 .. rounds:
        E-step   draw k solutions of each problem from the policy of round i-1; reward r(x, y) by the verifier
        M-step   maximise  E[ f(r(x, y)) log p(y | x) ]  over the drawn solutions, starting again from `start`;
                 stop while the reward on the validation split improves (`inner_stop`)
    """

    type: Literal["rest_em"] = "rest_em"
    sampling: Sampling = Field(Sampling(samples_per_problem=32, temperature=0.7, top_k=40), description="E-step: how solutions are drawn")
    sampler: Literal["previous", "base"] = Field("previous", description="whose solutions: the last checkpoint's, or always the base's")
    teacher: str | None = Field(None, description="model that is sampled instead of the policy (distillation)")
    improve_steps: int = Field(
        1, ge=1, description="rounds that share one policy, and so its samples, before it is renewed (ReST's Improve steps)"
    )
    start: Start = Field("base", description="what the M-step starts from: base, the pretrained model below it, or the previous checkpoint")
    accumulate: Literal["none", "all"] | NonNegativeInt = Field(
        "none", description="earlier rounds whose samples count again: none, all, or the last n"
    )
    problems: int = Field(0, ge=0, description="training problems used; 0 is all")
    rationalize: bool = Field(False, description="STaR: problems without a correct sample are tried again with the answer as a hint")
    inner_stop: InnerStop = Field(InnerStop(), description="when the M-step ends before its last step")

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, data: Any) -> Any:
        return expand(data)

    def train_problems(self, problems: Sequence[Problem], seed: int) -> list[Problem]:
        return problem_subset([p for p in problems if p.split == "train"], self.problems, seed)

    def policy_round(self, iteration: int) -> int:
        """The round whose checkpoint round `iteration` samples from; 0 is the base."""
        return 0 if self.sampler == "base" else (iteration - 1) // self.improve_steps * self.improve_steps

    def sample_rounds(self, iteration: int) -> list[int]:
        """Rounds whose samples enter this round's dataset, newest first."""
        earlier = self.accumulate if isinstance(self.accumulate, int) else {"none": 0, "all": iteration - 1}[self.accumulate]
        return list(range(iteration, max(0, iteration - 1 - earlier), -1))
