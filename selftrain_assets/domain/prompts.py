"""From a problem to the text that the policy completes.

The same text is the training input (ReST-EM section 5).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, JsonValue, field_validator, model_validator

from selftrain_assets.domain.errors import UserError, nearest
from selftrain_assets.domain.settings import Identity
from selftrain_assets.domain.types import Problem

SHIPPED = Path(__file__).parents[1] / "tasks" / "prompts"


class PromptSettings(Identity):
    """Template and few-shot examples."""

    added: ClassVar[tuple[str, ...]] = ("template_arguments",)

    template: str = Field(
        "Q: {question} A:",
        description=(
            "text around a question; must contain {question}. A mapping here is template_arguments,"
            " and the text is the default"
        ),
    )
    hint_template: str = Field(
        "Q: {question} The answer is {answer}. A:",
        description=(
            "prompt that gives the answer away, for rationalisation; stripped again before training"
        ),
    )
    chat: bool = Field(False, description="put the prompt into the model's chat template")
    system: str = Field(
        "", description="system message of that chat; empty: what the template itself puts there"
    )
    template_arguments: dict[str, JsonValue] = Field(
        {},
        description=(
            "arguments of the chat template, such as enable_thinking: true or reasoning_effort:"
            " low; the template must read each"
        ),
    )
    examples: str | None = Field(
        None,
        description=(
            "worked examples that stand before the question: the path of a text file, or the name"
            " of one that is shipped"
        ),
    )
    few_shot: int = Field(
        0,
        ge=0,
        description=(
            "solved human problems placed before the question; in a chat each is a turn of its own"
        ),
    )
    separator: str = Field(
        "\n\n", description="text between few-shot examples, and behind worked ones"
    )
    seed: int = Field(0, ge=0, description="seed of the choice of few-shot examples")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        return with_arguments_named(data)

    @model_validator(mode="after")
    def _arguments_have_a_chat(self) -> PromptSettings:
        if self.template_arguments and not self.chat:
            raise ValueError(
                "template_arguments are for the model's chat template; set chat: true, or leave"
                " them out"
            )
        return self

    @field_validator("template", "hint_template")
    @classmethod
    def _has_question(cls, value: str) -> str:
        if "{question}" not in value:
            raise ValueError("must contain {question}")
        return value

    @field_validator("examples")
    @classmethod
    def _is_known(cls, value: str | None) -> str | None:
        if (
            value is not None
            and Path(value).suffix != ".txt"
            and value not in (known := shipped_examples())
        ):
            raise ValueError(
                "no such examples are shipped, and a file of your own is a path that ends in"
                f" .txt{nearest(value, known)}"
            )
        return value

    def __hash__(self) -> int:
        return hash(self.model_dump_json())  # a mapping has none of its own

    def worked_examples(self) -> str:
        """The text of `examples`, without the white space at its end.

        UserError for a file that cannot be read.
        """
        if self.examples is None:
            return ""
        own = Path(self.examples).suffix == ".txt"
        path = Path(self.examples).expanduser() if own else SHIPPED / f"{self.examples}.txt"
        try:
            return path.read_text(encoding="utf-8").rstrip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"prompt.examples: {path} is no readable text file ({error})"
            ) from error


def with_arguments_named(prompt: Any) -> Any:
    """Prompt settings whose `template`, if it is a mapping, is renamed to `template_arguments`."""
    if not isinstance(prompt, Mapping) or not isinstance(prompt.get("template"), Mapping):
        return prompt
    if "template_arguments" in prompt:
        raise ValueError(
            "template is a mapping, which are arguments of the chat template, and"
            " template_arguments gives some too; keep one"
        )
    return {name: value for name, value in prompt.items() if name != "template"} | {
        "template_arguments": prompt["template"]
    }


Turn = tuple[str, str]
"""What a person asks, and what the assistant answers."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a chat template writes around a message that is to be answered.

    Attributes:
        before: The text before the message, with the earlier `turns`.
        after: The text behind it.
        turns: The earlier messages.
        end: The token behind an answer; None: the tokenizer's own end token.

    It is exactly the text of the chat template; some templates strip a message.
    """

    before: str
    after: str
    end: str | None = None
    strips: bool = False
    turns: tuple[Turn, ...] = ()

    def around(self, message: str) -> str:
        """The chat with this message."""
        return self.before + (message.strip() if self.strips else message) + self.after

    def is_around(self, prompt: str) -> bool:
        """Is this prompt a message in this frame?"""
        room = len(self.before) + len(self.after)
        return (
            len(prompt) >= room and prompt.startswith(self.before) and prompt.endswith(self.after)
        )

    def message(self, prompt: str) -> str:
        """The message that stands in a prompt."""
        return prompt.removeprefix(self.before).removesuffix(self.after)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template with its examples chosen and rendered.

    In a chat a question stands in a `frame`, which has the solved problems as turns, and another
    message in one that is `bare`.
    """

    template: str
    prefix: str = ""
    frame: Frame | None = None
    bare: Frame | None = None

    def render(self, problem: Problem) -> str:
        """The prompt of one problem.

        Only {question} and {answer} are replaced; other braces stay as they are.
        """
        message = self.message(problem)
        return self.frame.around(message) if self.frame else message

    def message(self, problem: Problem) -> str:
        """What is asked, without the chat."""
        return self.prefix + fill(self.template, problem)

    def framed(self, message: str) -> str:
        """Another message, as this model is asked."""
        return self.bare.around(message) if self.bare else message


def fill(template: str, problem: Problem) -> str:
    """`template` with the problem's fields in place."""
    return template.replace("{answer}", problem.answer).replace("{question}", problem.question)


def shipped_examples() -> list[str]:
    """Names of the worked examples that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.txt"))


def build_prompt(
    settings: PromptSettings,
    problems: list[Problem],
    hint: bool = False,
    frame: Callable[[tuple[Turn, ...]], Frame] | None = None,
) -> Prompt:
    """Choose the few-shot examples among the problems that have a human solution.

    Worked examples from a file come before them. `frame` gives the chat around a message behind
    these turns: in a chat the solved problems are turns, and the first one begins with the worked
    examples, which are one text.
    """
    solved = [p for p in problems if p.split == "human" and p.solution]
    examples = random.Random(f"few_shot:{settings.seed}").sample(
        solved, min(settings.few_shot, len(solved))
    )
    template = settings.hint_template if hint else settings.template
    worked_text = "".join(
        text + settings.separator for text in filter(None, [settings.worked_examples()])
    )
    if frame is None:
        return Prompt(
            template,
            worked_text
            + "".join(
                f"{fill(settings.template, p)} {p.solution}{settings.separator}" for p in examples
            ),
        )
    turns = tuple((fill(settings.template, p), p.solution or "") for p in examples)
    if turns:
        (question, answer), *later_turns = turns
        turns, worked_text = ((worked_text + question, answer), *later_turns), ""
    return Prompt(template, worked_text, frame(turns), frame(()))
