"""ReST-EM and its relatives (ReST, STaR, RFT, expert iteration) as settings of one algorithm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, model_validator

from selftrain_assets.core.dedup import DedupRule
from selftrain_assets.core.sampling import Sampling
from selftrain_assets.core.selection import (
    CapChoice,
    Verified,
    WeightRule,
    cap_per_problem,
    drop_repeated,
    kept,
    make_row,
    merge,
    problem_subset,
    take_share,
    weight,
)
from selftrain_assets.core.settings import Identity
from selftrain_assets.core.types import Problem, Row, RowSource
from selftrain_assets.recipes.presets import expand
from selftrain_assets.recipes.protocol import InnerStop, Start


class RestEM(Identity):
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
    threshold: float = Field(1.0, ge=0, le=1, description="reward that a sample needs to be kept")
    weight: WeightRule = Field("binary", description="f: 1 for all kept, the reward itself, or its exponential")
    dedup: DedupRule = Field("text", description="solutions of a problem that count as one: same text, same equations, or none")
    cap: int = Field(10, ge=0, description="correct solutions kept per problem; 0 keeps all")
    choice: CapChoice = Field("random", description="which ones, above the cap")
    accumulate: Literal["none", "all"] | NonNegativeInt = Field(
        "none", description="earlier rounds whose samples count again: none, all, or the last n"
    )
    mix_human: float = Field(0.0, ge=0, le=1, description="share of the human rows added to each round's dataset")
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

    def select(self, verified: Sequence[tuple[int, str, Verified]], human: Sequence[Row], seed: int) -> list[Row]:
        """Training rows from (round, training prompt, verified sample) triples, newest round first."""
        origin = {v.sample.key: (iteration, prompt) for iteration, prompt, v in reversed(verified)}
        once = {v.sample.key: v for _, _, v in verified}  # rounds that share a policy have samples in common
        correct = kept(once.values(), self.threshold)
        chosen = cap_per_problem(drop_repeated(correct, self.dedup), self.cap, self.choice, seed)
        rows = []
        for v in chosen:
            iteration, prompt = origin[v.sample.key]
            source: RowSource = "self" if v.sample.prompt == prompt else "rationalized"
            reward = weight(v.verification.reward, self.weight)
            rows.append(make_row(prompt, v.sample.completion, reward, source, v.sample.problem_id, iteration, v.sample.key))
        return merge(rows, take_share(human, self.mix_human, seed))
