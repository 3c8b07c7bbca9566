"""Models that think before they answer: how they mark a thought, and where the answer begins.

The one table of marks. A completion of such a model is a thought and, behind its end, an answer;
what ends before that has no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, Self

from pydantic import Field, model_validator

from selftrain_assets.domain.settings import Identity

UNCLOSED = "thought"
"""The finish_reason of a sample whose thought never closes, whatever ended it."""


class Marks(NamedTuple):
    """What begins a thought and what ends it.

    `closing` is what a thought is closed with from within, where that is more than `end`.
    """

    start: str
    end: str
    closing: str = ""

    def opened_by(self, prompt: str) -> bool:
        """Does the prompt end within a thought, as of chat templates that begin it themselves?"""
        return prompt.rstrip().endswith(self.start.rstrip())

    def without_thought(self, prompt: str) -> str:
        """The prompt of an answer without a thought.

        A prompt that ends within a thought closes it, as templates close an empty one.
        """
        if not self.opened_by(prompt):
            return prompt
        return (
            prompt + ("\n" if prompt.endswith("\n") else "") + (self.closing or self.end) + "\n\n"
        )

    def around(self, prompt: str, text: str, keep: bool) -> tuple[str, str]:
        """Prompt and completion of a text that was not drawn, as this model would write it.

        A thought is opened once, by the prompt or the text, and an answer without one never stands
        behind an open thought.

        Args:
            prompt: The prompt, which may end within an open thought.
            text: The completion, with or without a thought.
            keep: Whether the text keeps its own thought.
        """
        thought = thought_in(text, self, opened=False)
        if thought is None or (thought.closed and not keep):
            return self.without_thought(prompt), text[thought.answer_start :] if thought else text
        if not self.opened_by(prompt) or not text.lstrip().startswith(self.start.rstrip()):
            return prompt, text
        rest = text.lstrip().removeprefix(self.start.rstrip())
        return prompt, rest.lstrip("\r\n") if prompt.endswith("\n") else rest


class Thought(NamedTuple):
    """Where the answer begins, in characters of the completion.

    A thought that is not `closed` is all of it.
    """

    answer_start: int
    closed: bool


HARMONY = "<|channel|>final<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"
TABLE = (
    # DeepSeek, Qwen, GLM, Kimi K2, Nemotron, SmolLM3, Phi-4-reasoning, Granite 3.3, OLMo 3
    Marks("<think>", "</think>"),
    Marks("<thinking>", "</thinking>"),
    Marks("<thought>", "</thought>"),  # EXAONE Deep
    Marks("<thoughts>", "</thoughts>"),
    Marks("<reasoning>", "</reasoning>"),
    Marks("<seed:think>", "</seed:think>"),  # Seed-OSS
    Marks("<mm:think>", "</mm:think>"),  # MiniMax M3
    Marks("[THINK]", "[/THINK]"),  # Magistral
    Marks("\u25c1think\u25b7", "\u25c1/think\u25b7"),  # Kimi-VL
    Marks("<|begin_of_thought|>", "<|end_of_thought|>"),  # OpenThinker, Sky-T1
    Marks("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A Reasoning
    Marks("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    Marks("<|channel>thought\n", "<channel|>"),  # Gemma 4
    Marks("<|channel|>analysis<|message|>", *HARMONY),  # gpt-oss
    Marks("<|channel|>commentary<|message|>", *HARMONY),
    Marks("Here is my thought process:", "Here is my response:"),  # Granite 3.2
)
# words alone could be anybody's
_WRITTEN_OUT = [marks for marks in TABLE if " " not in marks.start]
ANY_MARK = re.compile(
    "|".join(
        [
            *(re.escape(m.start) for m in _WRITTEN_OUT),
            f"(?P<end>{'|'.join(re.escape(m.end) for m in _WRITTEN_OUT)})",
        ]
    ),
    re.IGNORECASE,
)
"""A mark of any model, whichever drew the text; those that end a thought are the group `end`."""


def known_marks(texts: Iterable[str]) -> Marks | None:
    """The marks of the table of which both occur in these texts: added tokens and chat template."""
    text = "\n".join(texts)
    return next((m for m in TABLE if m.start.strip() in text and m.end in text), None)


def thought_in(completion: str, marks: Marks, opened: bool) -> Thought | None:
    """The thought that a completion begins with; None where there is none.

    `opened`: the prompt has begun it.

    It reaches to the first mark that ends one, and to the line breaks behind that. A mark that ends
    what nothing has begun ends what stands before it: not all templates show where they begin a
    thought.
    """
    end = completion.find(marks.end)
    if end < 0:
        return Thought(len(completion), False) if opened or marks.start in completion else None
    rest_start = end + len(marks.end)
    return Thought(
        rest_start + len(completion[rest_start:]) - len(completion[rest_start:].lstrip("\r\n")),
        True,
    )


def without_thought(text: str) -> str:
    """What stands behind the last mark of any model that ends a thought."""
    return text[max((mark.end() for mark in ANY_MARK.finditer(text) if mark["end"]), default=0) :]


class Thinking(Identity):
    """Thoughts of a model that thinks before it answers.

    The marks are found in its tokenizer and chat template, for the common families of models; of
    another model they can be set here.
    """

    start: str | None = Field(
        None,
        min_length=1,
        description='what begins a thought, as "<think>"; none: as the model marks it',
    )
    end: str | None = Field(
        None, min_length=1, description='what ends it, as "</think>"; none: as the model marks it'
    )
    budget: int | None = Field(
        None,
        ge=1,
        description=(
            "tokens after which a thought is ended by its end mark, which is not learnt; none:"
            " max_tokens alone ends it"
        ),
    )

    @model_validator(mode="after")
    def _both_marks(self) -> Self:
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end belong together: set both, or neither")
        if self.start is not None and self.end is not None and self.end in self.start:
            raise ValueError(
                f"start ({self.start!r}) holds end ({self.end!r}), so that every thought would end"
                " where it begins; set others"
            )
        return self

    def marks(self, own: Marks | None) -> Marks | None:
        """Those that are set here, else the model's `own`."""
        if self.start is None or self.end is None:
            return own
        return next(
            (m for m in TABLE if (m.start, m.end) == (self.start, self.end)),
            Marks(self.start, self.end),
        )
