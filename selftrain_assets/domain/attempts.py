"""Solutions in steps, the first error in them, and how both are written as text.

The formats are those of TriPosT, arXiv 2310.13522, section 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from pydantic import Field, field_validator, model_validator

from selftrain_assets.domain.settings import Identity
from selftrain_assets.domain.types import Problem


@dataclass(frozen=True, slots=True)
class Attempt:
    """A solution as its steps, without their numbers, and its final answer."""

    steps: tuple[str, ...]
    answer: str

    def part(self, step: int) -> str | None:
        """The text of one part, counted from 1: a step, or after the last step the final answer.

        None where there is no such part.
        """
        return [*self.steps, self.answer][step - 1] if 1 <= step <= len(self.steps) + 1 else None


@dataclass(frozen=True, slots=True)
class Feedback:
    """The first error of an attempt.

    Attributes:
        step: The part that is wrong, counted as in `Attempt.part`; None where nothing is wrong.
        segment: The words of that part that are wrong.
        reason: Why they are wrong.
        kind: The kind of error.
    """

    step: int | None
    segment: str = ""
    reason: str = ""
    kind: str = ""


class Script(Protocol):
    """Finds and corrects errors without a model.

    Anything that it raises stops the stage, with the id of the problem.
    """

    version: str
    """Raised whenever it may say something else about the same attempt."""

    def feedback(self, problem: Problem, attempt: Attempt) -> Feedback:
        """The first error. The step that it names exists, and `segment` is a part of it."""
        ...

    def improve(self, problem: Problem, steps: tuple[str, ...]) -> Attempt:
        """A correct solution that begins with these steps, which are correct."""
        ...


FIELDS = {
    "step": ("number", "text"),
    "answer": ("text",),
    "correct": ("last",),
    "right_until": ("before",),
    "wrong": ("step", "segment", "reason", "kind"),
}
"""What is filled into each template of a wording."""
NUMBERS = ("number", "step", "last", "before")

_PLACEHOLDER = re.compile(r"\{(number|text|step|last|before|segment|reason|kind)\}")


class Wording(Identity):
    """How attempts, feedback and updates are written.

    White space inside a template stands for any amount of it when it is read.

    A trajectory reads: attempt, `feedback`, what is wrong or that nothing is, `update`, the next
    attempt.
    """

    separator: str = Field("\n", min_length=1, description="between two steps")
    step: str = Field(
        "({number}) {text}",
        description="a step; must contain {text}, and {number} where steps are numbered",
    )
    answer: str = Field("Final answer: {text}", description="the final answer; must contain {text}")
    feedback: str = Field(
        "\nFeedback: ",
        description="between an attempt and what is said about it; no attempt may hold it",
    )
    update: str = Field("\nUpdate:\n", description="between that and the next attempt")
    correct: str = Field(
        "Step (1) to step ({last}) are correct. The final answer is also correct.",
        description="said where nothing is wrong; may contain {last}, the number of the last step",
    )
    right_until: str = Field(
        "Step (1) to step ({before}) are correct. ",
        description="said before `wrong`, where it is not the first step that is wrong",
    )
    wrong: str = Field(
        'In step ({step}) the part "{segment}" is incorrect. This is because {reason}.',
        description=(
            "the first error; must contain {step}, and {segment}, {kind} and {reason} for as much"
            " detail as is wanted"
        ),
    )

    @field_validator("step", "answer")
    @classmethod
    def _has_text(cls, value: str) -> str:
        if "{text}" not in value:
            raise ValueError("must contain {text}")
        return value

    @field_validator("wrong")
    @classmethod
    def _has_step(cls, value: str) -> str:
        if "{step}" not in value:
            raise ValueError("must contain {step}, or nobody could tell where to go on")
        return value

    @field_validator("feedback", "update")
    @classmethod
    def _is_visible(cls, value: str) -> str:
        if not value.strip():
            raise ValueError(
                "must hold more than white space, since a completion ends where it begins"
            )
        return value

    @model_validator(mode="after")
    def _can_be_read_again(self) -> Wording:
        for name, known in FIELDS.items():
            placeholders = _PLACEHOLDER.findall(getattr(self, name))
            for placeholder in placeholders:
                if placeholders.count(placeholder) > 1:
                    raise ValueError(f"{name}: {{{placeholder}}} stands there twice; name it once")
                if placeholder not in known:
                    raise ValueError(
                        f"{name}: {{{placeholder}}} has no place there; it may contain"
                        f" {{{'}, {'.join(known)}}}"
                    )
        attempt = Attempt(("3 + 4", "5 - 2"), "7 7")
        text = self.write(attempt)
        if self.read(text) != attempt or self.feedback.strip() in text:
            raise ValueError(
                f"an attempt cannot be read as it is written, {text!r}; change separator, step,"
                " answer or feedback"
            )
        error = {"segment": "5 -", "reason": "it is less", "kind": "other"}
        placeholders = _PLACEHOLDER.findall(self.wrong)
        details = {name: value for name, value in error.items() if name in placeholders}
        for feedback in (Feedback(None), Feedback(1, **details), Feedback(2, **details)):
            text = self.write_feedback(feedback, attempt)
            if self.read_feedback(text) != feedback or self.update.strip() in text:
                raise ValueError(
                    f"feedback cannot be read as it is written, {text!r}; change correct,"
                    " right_until, wrong or update"
                )
        return self

    def write(self, attempt: Attempt) -> str:
        """An attempt as text: its steps and its final answer."""
        answer = self.answer.replace("{text}", attempt.answer)
        return self.separator.join([*self.write_steps(attempt.steps), answer])

    def write_steps(self, steps: tuple[str, ...]) -> list[str]:
        """Each step with its number."""
        return [
            self.step.replace("{number}", str(n)).replace("{text}", text)
            for n, text in enumerate(steps, 1)
        ]

    def read(self, text: str) -> Attempt | None:
        """Parse an attempt.

        Returns:
            The attempt; None unless every part is a step with its right number and the last part is
            the final answer.
        """
        parts = map(str.strip, text.strip().split(self.separator.strip() or "\n"))
        *lines, last = [*filter(None, parts)] or [""]
        answer = _pattern(self.answer).fullmatch(last)
        if answer is None or not lines:
            return None
        steps = []
        for number, line in enumerate(lines, 1):
            step = _pattern(self.step).fullmatch(line)
            if step is None or int(step.groupdict().get("number") or number) != number:
                return None
            steps.append(step["text"])
        return Attempt(tuple(steps), answer["text"])

    def write_feedback(self, feedback: Feedback, attempt: Attempt) -> str:
        """Feedback as text."""
        if feedback.step is None:
            return self.correct.replace("{last}", str(len(attempt.steps)))
        before = self.right_until.replace("{before}", str(feedback.step - 1))
        fields = {
            "step": str(feedback.step),
            "segment": feedback.segment,
            "reason": feedback.reason.rstrip("."),
            "kind": feedback.kind,
        }
        return (before if feedback.step > 1 else "") + _fill(self.wrong, fields)

    def read_feedback(self, text: str) -> Feedback | None:
        """Parse feedback.

        Returns:
            The feedback; None where the text says neither that all is correct nor where the error
            is.
        """
        text = text.strip()
        if _pattern(self.correct).fullmatch(text):
            return Feedback(None)
        templates = (self.wrong, self.right_until + self.wrong)
        matches = (_pattern(template).fullmatch(text) for template in templates)
        if (match := next(filter(None, matches), None)) is None:
            return None
        fields = {"segment": "", "reason": "", "kind": ""} | match.groupdict()
        return Feedback(int(fields["step"]), fields["segment"], fields["reason"], fields["kind"])


COMPACT = {
    "separator": " ; ",
    "step": "{text}",
    "answer": "#### {text}",
    "feedback": " ? ",
    "update": " : ",
    "correct": "all",
    "right_until": "",
    "wrong": "in {step} is {segment}",
}
"""A wording of few tokens, in the few words that the embedded model knows."""

_REPORT = re.compile(
    r"earliest error step\W{1,9}(?:step\W{0,3})?(\d{1,9}|none)\b.*?error segment\W{0,3}?:(.*?)error"
    r" reason\W{0,3}?:(.*)",
    re.IGNORECASE | re.DOTALL,
)

_MARKS = " \t\n\"'`*"  # quotes, and those of bold text


def read_report(text: str) -> Feedback | None:
    """Parse a report of three fields: earliest error step, error segment, error reason."""
    if match := _REPORT.search(text):
        step, segment, reason = (
            field.strip(_MARKS).partition("\n")[0].rstrip(_MARKS) for field in match.groups()
        )
        return Feedback(int(step), segment, reason) if step.isdigit() else Feedback(None)
    return (
        Feedback(None)
        if re.search(r"earliest error step\W{1,9}none\b", text, re.IGNORECASE)
        else None
    )


def _fill(template: str, fields: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: fields.get(match[1], match[0]), template)


@lru_cache(maxsize=256)
def _pattern(template: str) -> re.Pattern[str]:
    """What a template can have been filled to.

    No space at all may stand where it has one: word-level tokenizers lose them.
    """

    def readable(part: str) -> str:
        if part.isspace():
            return r"\s*"
        if field := _PLACEHOLDER.fullmatch(part):
            return rf"(?P<{field[1]}>\d{{1,9}})" if field[1] in NUMBERS else rf"(?P<{field[1]}>.*?)"
        return re.escape(part)

    parts = re.findall(rf"\s+|{_PLACEHOLDER.pattern.replace('(', '(?:')}|\w+|.", template.strip())
    return re.compile(r"\s*".join(map(readable, parts)), re.DOTALL)
