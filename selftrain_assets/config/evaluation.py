"""How policies are measured: settings of an evaluation, and of other tasks that it measures too."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from selftrain_assets.domain.prompts import PromptSettings
from selftrain_assets.domain.sampling import DrawSettings, Sampling
from selftrain_assets.domain.settings import Identity, with_types
from selftrain_assets.domain.statistics import TieRule
from selftrain_assets.tasks import Task
from selftrain_assets.tasks.defaults import with_task_defaults
from selftrain_assets.verifiers import NumericVerifier, Verifier

SectionName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]
"""Of a suite or a source, which begins the ids of its problems."""


class Suite(Identity):
    """Test problems of another task, on which every policy and the base are measured too.

    What is learnt should not cost what was known. `prompt`, `verifier` and `sampling` are those of
    the task where they are not set.
    """

    task: Task = Field(description="task whose test problems are used")
    prompt: PromptSettings = Field(PromptSettings(), description="asks for a solution")
    verifier: Verifier = Field(NumericVerifier(), description="decides what is right")
    sampling: DrawSettings = Field(
        DrawSettings(),
        description="length and stops; temperature and top_p are those of the evaluation",
    )
    problems: int = Field(0, ge=0, description="test problems used; 0 is all")
    samples_per_problem: int = Field(
        0, ge=0, description="completions drawn per problem for pass@k; 0: the greedy one alone"
    )
    pass_at: tuple[int, ...] = Field((), description="k of pass@k; none above samples_per_problem")
    method: str | None = Field(
        None,
        description="whose weights answer, where a recipe trains weights for each of its methods",
    )

    @model_validator(mode="before")
    @classmethod
    def _types(cls, data: Any) -> Any:
        return with_types(cls, with_task_defaults(data))

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if any(not 1 <= k <= self.samples_per_problem for k in self.pass_at):
            raise ValueError(
                f"pass_at {list(self.pass_at)} must lie between 1 and samples_per_problem"
                f" {self.samples_per_problem}"
            )
        if self.prompt.few_shot:
            raise ValueError(
                "prompt.few_shot: a suite has no human problems; name a file of worked examples,"
                " prompt.examples"
            )
        return self


class Evaluation(Identity):
    """How every policy is judged on held-out problems. Sampling defaults: ReST-EM section 5."""

    samples_per_problem: int = Field(
        8, ge=1, description="completions drawn per test problem for pass@k and maj@k"
    )
    temperature: float = Field(1.0, gt=0, description="of those completions")
    top_p: float = Field(0.95, gt=0, le=1, description="of those completions")
    pass_at: tuple[int, ...] = Field(
        (1, 2, 4, 8), description="k of pass@k; none above samples_per_problem"
    )
    majority_at: tuple[int, ...] = Field(
        (8,), description="k of maj@k; none above samples_per_problem"
    )
    ties: TieRule = Field(
        "share", description="maj@k where several answers lead: share the credit, or fail"
    )
    train_problems: int = Field(
        200,
        ge=0,
        description="problems that rounds learn on, decoded greedily, for the train/test gap",
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="of the intervals over problems")
    resamples: int = Field(
        2000,
        ge=100,
        description=(
            "bootstrap resamples, for what is neither 0 nor 1 of a problem: pass@k and maj@k"
        ),
    )
    suites: dict[SectionName, Suite] = Field(
        {}, description="other tasks that every policy is measured on too, by a name for each"
    )

    @model_validator(mode="after")
    def _k_within_n(self) -> Self:
        for name in ("pass_at", "majority_at"):
            if any(k > self.samples_per_problem or k < 1 for k in getattr(self, name)):
                raise ValueError(
                    f"{name} {list(getattr(self, name))} must lie between 1 and samples_per_problem"
                    f" {self.samples_per_problem}; draw more samples or ask for a smaller k"
                )
        return self

    def draws(self, sampling: DrawSettings, samples_per_problem: int | None = None) -> Sampling:
        """For pass@k and maj@k, with the length, stops and thoughts of `sampling`."""
        kept = sampling.model_dump(include={"max_tokens", "stop", "thinking"})
        return Sampling(
            **kept,
            temperature=self.temperature,
            top_p=self.top_p,
            samples_per_problem=samples_per_problem or self.samples_per_problem,
        )
