"""Verifiers of short answers: numbers and texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import ClassVar, Literal

from pydantic import Field

from selftrain_assets.core.settings import Identity
from selftrain_assets.core.types import Outcome, Problem, Verdict
from selftrain_assets.verifiers.protocol import Judge, Pair
from selftrain_assets.verifiers.sandboxed import SandboxSettings

ANSWER_MARK = re.compile(r"#{4,}|\banswer\s{0,9}(?:is|:|=)|\\boxed\{", re.IGNORECASE)
MARKS_LOOKED_AT = 20  # so that a degenerate text of nothing but marks costs little
LONGEST_NUMBER = 1000  # characters; Python refuses to print integers of more than 4300 digits
NUMBER = re.compile(r"(?:(?<![\w)])[-+])?\$?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:/\d+)?|(?:(?<![\w)])[-+])?\$?(?<!\d)\.\d+")


def marked_answer(completion: str) -> str | None:
    """The text behind the last answer mark (####, \\boxed, "the answer is") that has one, to the end of its line."""
    for mark in reversed(list(ANSWER_MARK.finditer(completion))[-MARKS_LOOKED_AT:]):
        line = completion[mark.end() :].lstrip().partition("\n")[0]
        answer = line.partition("}")[0] if mark[0].endswith("{") else line
        if answer.strip(" #"):
            return answer.strip()
    return None


class AnswerVerifier(Identity):
    """Parse, then compare; subclasses say how. Both take microseconds, so that nothing is opened and nothing shared."""

    type: str
    version: ClassVar[str]

    @property
    def name(self) -> str:
        """As the judge that it is itself."""
        return f"{self.type} {self.version}"

    def content(self, problem: Problem, completion: str) -> str | None:
        return None

    @contextmanager
    def open(self, sandbox: SandboxSettings) -> Iterator[Judge]:
        yield self

    def stream(self, pairs: Iterable[Pair]) -> Iterator[tuple[int, Verdict]]:
        return ((position, self.verify(*pair)) for position, pair in enumerate(pairs))

    def parse(self, completion: str) -> str | None:
        raise NotImplementedError

    def same(self, parsed: str, answer: str) -> bool:
        raise NotImplementedError

    def verify(self, problem: Problem, completion: str) -> Verdict:
        """Judge one completion."""
        parsed = self.parse(completion)
        if parsed is None:
            return Verdict(Outcome.MALFORMED, 0.0, None, "no answer found in the completion")
        if self.same(parsed, problem.answer):
            return Verdict(Outcome.PASS, 1.0, parsed, f"{parsed} equals the reference answer {problem.answer}")
        return Verdict(Outcome.WRONG, 0.0, parsed, f"{parsed} differs from the reference answer {problem.answer}")


class NumericVerifier(AnswerVerifier):
    """The completion's final number against the reference answer.

    The number behind the last answer mark counts; without a mark, the last number of the text, unless
    `require_mark` is set. 1,234 and $1234.00 and 2468/2 are one number. Exact unless a tolerance is set. Not covered:
    units, and whether the steps that lead to the number are right.
    """

    type: Literal["numeric"] = "numeric"
    version: ClassVar[str] = "1"
    tolerance: float = Field(0.0, ge=0, description="largest accepted difference, relative to the reference answer")
    require_mark: bool = Field(False, description="call a completion without an answer mark malformed")

    def check_problem(self, problem: Problem) -> str | None:
        return None if _number(problem.answer) is not None else f'the answer "{problem.answer}" holds no number'

    def parse(self, completion: str) -> str | None:
        marked = marked_answer(completion)
        if marked is None and self.require_mark:
            return None
        # Behind a mark the first number is the answer ("#### 12 apples"); in free text it is the last one.
        value = _number(marked, first=True) if marked is not None else _number(completion)
        return None if value is None else str(value)

    def same(self, parsed: str, answer: str) -> bool:
        reference = _number(answer)
        return reference is not None and abs(Fraction(parsed) - reference) <= Fraction(self.tolerance) * abs(reference)


def _number(text: str, first: bool = False) -> Fraction | None:
    found = NUMBER.findall(text)
    if not found:
        return None
    cleaned = re.sub(r"[\s$,]", "", found[0 if first else -1])
    if len(cleaned) > LONGEST_NUMBER:
        return None
    numerator, _, denominator = cleaned.partition("/")
    try:
        value = Fraction(Decimal(numerator))
        return value / int(denominator) if denominator else value
    except (InvalidOperation, ZeroDivisionError):
        return None


class TextVerifier(AnswerVerifier):
    """The completion's answer text against the reference: equal after folding case, white space and end punctuation.

    The text behind the last answer mark counts; without a mark, the last line that is not empty.
    """

    type: Literal["text"] = "text"
    version: ClassVar[str] = "1"
    case_sensitive: bool = Field(False, description="tell upper and lower case apart")

    def check_problem(self, problem: Problem) -> str | None:
        return None if self._folded(problem.answer) else "the answer is empty once punctuation is folded away"

    def parse(self, completion: str) -> str | None:
        lines = [line for line in completion.splitlines() if line.strip()]
        text = marked_answer(completion) or (lines[-1] if lines else "")
        return self._folded(text) or None

    def same(self, parsed: str, answer: str) -> bool:
        return parsed == self._folded(answer)

    def _folded(self, text: str) -> str:
        return folded(text, self.case_sensitive)


class ExactVerifier(AnswerVerifier):
    """The whole completion against the reference: equal but for white space at its ends."""

    type: Literal["exact"] = "exact"
    version: ClassVar[str] = "1"

    def check_problem(self, problem: Problem) -> str | None:
        if not problem.answer.strip():
            return "the answer is empty"
        return None if problem.answer == problem.answer.strip() else f'the answer "{problem.answer}" has white space at its ends'

    def parse(self, completion: str) -> str | None:
        return completion.strip() or None

    def same(self, parsed: str, answer: str) -> bool:
        return parsed == answer


def folded(text: str, case_sensitive: bool = False) -> str:
    """Without surplus white space and without punctuation at its ends."""
    text = " ".join(text.split()).strip(" .,;:!?\"'`*")
    return text if case_sensitive else text.lower()
