"""From a problem to the text that the policy completes. The same text is the training input (ReST-EM section 5)."""

from __future__ import annotations

import random
from dataclasses import dataclass

from pydantic import Field, field_validator

from selftrain_assets.core.settings import Identity
from selftrain_assets.core.types import Problem


class PromptSettings(Identity):
    """Template and few-shot examples."""

    template: str = Field("Q: {question} A:", description="text around a question; must contain {question}")
    hint_template: str = Field(
        "Q: {question} The answer is {answer}. A:",
        description="prompt that gives the answer away, for rationalisation; stripped again before training",
    )
    chat: bool = Field(False, description="ask as a person in a chat, by the chat template of the model")
    system: str = Field("", description="system message of that chat; empty: what the template itself puts there")
    few_shot: int = Field(0, ge=0, description="solved human problems placed before the question")
    separator: str = Field("\n\n", description="text between few-shot examples")
    seed: int = Field(0, ge=0, description="seed of the choice of few-shot examples")

    @field_validator("template", "hint_template")
    @classmethod
    def _has_question(cls, value: str) -> str:
        if "{question}" not in value:
            raise ValueError("must contain {question}")
        return value


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template with its few-shot examples chosen and rendered, and what a chat has `before` and `after` a message."""

    template: str
    prefix: str = ""
    before: str = ""
    after: str = ""

    def render(self, problem: Problem) -> str:
        """The prompt of one problem. Only {question} and {answer} are replaced; other braces stay as they are."""
        return self.framed(self.prefix + fill(self.template, problem))

    def framed(self, message: str) -> str:
        """`message` as this model is asked."""
        return self.before + message + self.after


def fill(template: str, problem: Problem) -> str:
    """`template` with the problem's fields in place."""
    return template.replace("{answer}", problem.answer).replace("{question}", problem.question)


def build_prompt(settings: PromptSettings, problems: list[Problem], hint: bool = False, frame: tuple[str, str] = ("", "")) -> Prompt:
    """Choose the few-shot examples among problems with a human solution. `frame` is the chat around a message."""
    solved = [p for p in problems if p.split == "human" and p.solution]
    shots = random.Random(f"few_shot:{settings.seed}").sample(solved, min(settings.few_shot, len(solved)))
    prefix = "".join(f"{fill(settings.template, p)} {p.solution}{settings.separator}" for p in shots)
    return Prompt(settings.hint_template if hint else settings.template, prefix, *frame)
