"""From a problem to the text that the policy completes. The same text is the training input (ReST-EM section 5)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, field_validator

from selftrain_assets.core.errors import UserError, nearest
from selftrain_assets.core.settings import Identity
from selftrain_assets.core.types import Problem

SHIPPED = Path(__file__).parents[1] / "tasks" / "prompts"


class PromptSettings(Identity):
    """Template and few-shot examples."""

    template: str = Field("Q: {question} A:", description="text around a question; must contain {question}")
    hint_template: str = Field(
        "Q: {question} The answer is {answer}. A:",
        description="prompt that gives the answer away, for rationalisation; stripped again before training",
    )
    chat: bool = Field(False, description="ask as a person in a chat, by the chat template of the model")
    system: str = Field("", description="system message of that chat; empty: what the template itself puts there")
    examples: str | None = Field(
        None, description="worked examples that stand before the question: the path of a text file, or the name of one that is shipped"
    )
    few_shot: int = Field(0, ge=0, description="solved human problems placed before the question")
    separator: str = Field("\n\n", description="text between few-shot examples")
    seed: int = Field(0, ge=0, description="seed of the choice of few-shot examples")

    @field_validator("template", "hint_template")
    @classmethod
    def _has_question(cls, value: str) -> str:
        if "{question}" not in value:
            raise ValueError("must contain {question}")
        return value

    @field_validator("examples")
    @classmethod
    def _is_known(cls, value: str | None) -> str | None:
        if value is not None and Path(value).suffix != ".txt" and value not in (known := shipped_examples()):
            raise ValueError(f"no such examples are shipped, and a file of your own is a path that ends in .txt{nearest(value, known)}")
        return value

    def worked_examples(self) -> str:
        """The text of `examples`, without the white space at its end. UserError for a file that cannot be read."""
        if self.examples is None:
            return ""
        own = Path(self.examples).suffix == ".txt"
        path = Path(self.examples).expanduser() if own else SHIPPED / f"{self.examples}.txt"
        try:
            return path.read_text(encoding="utf-8").rstrip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"prompt.examples: {path} is no readable text file ({error})") from error


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


def shipped_examples() -> list[str]:
    """Names of the worked examples that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.txt"))


def build_prompt(settings: PromptSettings, problems: list[Problem], hint: bool = False, frame: tuple[str, str] = ("", "")) -> Prompt:
    """Choose the few-shot examples among problems with a human solution; worked examples from a file stand before them. `frame` is
    the chat around a message."""
    solved = [p for p in problems if p.split == "human" and p.solution]
    shots = random.Random(f"few_shot:{settings.seed}").sample(solved, min(settings.few_shot, len(solved)))
    examples = [*filter(None, [settings.worked_examples()]), *(f"{fill(settings.template, p)} {p.solution}" for p in shots)]
    prefix = "".join(example + settings.separator for example in examples)
    return Prompt(settings.hint_template if hint else settings.template, prefix, *frame)
