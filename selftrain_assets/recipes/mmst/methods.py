"""Settings of one way to solve a problem, for recipes with several."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from selftrain_assets.domain.prompts import PromptSettings
from selftrain_assets.domain.sampling import Sampling
from selftrain_assets.domain.settings import Identity, with_types
from selftrain_assets.verifiers import CodeVerifier, NumericVerifier, Verifier


class MethodSettings(Identity):
    """One way to solve a problem: its prompt, sampling settings and verifier."""

    name: str = Field(
        pattern="^[a-z][a-z0-9_]*$",
        description="its name in tables, reports and the matrix; human solutions go by it",
    )
    prompt: PromptSettings = Field(
        PromptSettings(), description="asks for a solution by this method"
    )
    sampling: Sampling = Field(Sampling(temperature=0.8), description="how its solutions are drawn")
    verifier: Verifier = Field(
        NumericVerifier(),
        description="decides whether its solutions are right; code is run in the sandbox",
    )
    translation: str = Field(
        "Q: {question}\nA solution: {solution}\nA solution by {method}:",
        description=(
            "prompt that asks for a solution by this method, given one by another; must contain"
            " {question} and {solution}; {method} is this method's name"
        ),
    )
    sampled: bool = Field(
        True,
        description=(
            "false: trained on human rows and measured, but never sampled (ST's other method)"
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _types(cls, data: Any) -> Any:
        return with_types(cls, data)

    @field_validator("translation")
    @classmethod
    def _has_both(cls, value: str) -> str:
        if missing := [name for name in ("{question}", "{solution}") if name not in value]:
            raise ValueError(f"must contain {missing[0]}")
        return value


SHORT = Sampling(samples_per_problem=4, temperature=0.8, max_tokens=40)
TEXT = MethodSettings(
    name="text",
    prompt=PromptSettings(template="Q: {question} A:"),
    sampling=SHORT,
    translation="Q: {question} Q: {solution} A:",
)
CODE = MethodSettings(
    name="code",
    prompt=PromptSettings(template="Q: {question} ="),
    sampling=SHORT,
    verifier=CodeVerifier(program="whole"),
    translation="Q: {question} A: {solution} =",
)
