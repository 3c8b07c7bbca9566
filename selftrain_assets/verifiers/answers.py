"""Verifiers of short answers: numbers and texts.

Where an answer stands is told by verifiers/extraction.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

from pydantic import Field

from selftrain_assets.domain.notation import written_plainly
from selftrain_assets.domain.numbers import last_number, number, one, plain, stated
from selftrain_assets.domain.types import Exchange, Outcome, Problem, Verdict
from selftrain_assets.verifiers.context import VerifierContext
from selftrain_assets.verifiers.extraction import Answer, Mark, find_answer, first_sentence
from selftrain_assets.verifiers.folding import fold
from selftrain_assets.verifiers.protocol import Judge, Verifier


@dataclass(frozen=True)
class Reading:
    """What a verifier reads in a completion: in canonical form, as it is written, and where."""

    parsed: str
    answer: Answer | None = None
    texts: tuple[str, ...] = ()
    several: bool = False
    """It names several answers and leaves open which one counts."""

    def word_for_word(self, answer: str) -> bool:
        """Does the one text that was read say what the reference says, whatever that means?"""
        if self.answer is None or len(self.answer.texts) > 1:
            return False
        line = [self.answer.lines(1)] if self.answer.mark in (Mark.SENTENCE, Mark.HASHES) else []
        return any(fold(text) == fold(answer) for text in (*self.texts, *line))


WHERE = {
    Mark.TAG: "in <answer>",
    Mark.BOX: "in \\boxed",
    Mark.HASHES: "behind ####",
    Mark.SENTENCE: 'behind "the answer is" or its like',
    Mark.LINE: "at the end of the text",
}


NO_ANSWER = Verdict(Outcome.MALFORMED, 0.0, None, "no answer found in the completion")


class AnswerVerifier(Verifier):
    """Parse, then compare; subclasses say how.

    Both take microseconds, so that nothing is opened and nothing shared.
    """

    type: str
    version: ClassVar[str]

    @property
    def name(self) -> str:
        """As the judge that it is itself."""
        return f"{self.type} {self.version}"

    def content(self, problem: Problem, completion: str) -> str | None:
        return None

    @contextmanager
    def open(self, context: VerifierContext) -> Iterator[Judge]:
        yield self

    def stream(self, exchanges: Iterable[Exchange]) -> Iterator[tuple[int, Verdict]]:
        for position, exchange in enumerate(exchanges):
            yield position, self.verify(exchange.problem, exchange.completion)

    def read(self, completion: str) -> Reading | None:
        """The answer of a completion; None where it gives none."""
        raise NotImplementedError

    def parse(self, completion: str) -> str | None:
        reading = self.read(completion)
        return None if reading is None else reading.parsed

    def same(self, parsed: str, answer: str) -> bool:
        """Is a parsed answer the reference answer?"""
        raise NotImplementedError

    def meets(self, reading: Reading, answer: str) -> bool:
        """Is what was read the reference answer?"""
        return not reading.several and self.same(reading.parsed, answer)

    def verify(self, problem: Problem, completion: str) -> Verdict:
        """Judge one completion."""
        reading = self.read(completion)
        if reading is None:
            return NO_ANSWER
        parsed = reading.parsed
        subject = f"{parsed}, read {WHERE[reading.answer.mark]}," if reading.answer else parsed
        right = self.meets(reading, problem.answer)
        if right:
            relation = "equals the reference answer"
        elif reading.several:
            relation = "leaves open which answer counts; the reference answer is"
        else:
            relation = "differs from the reference answer"
        outcome = Outcome.PASS if right else Outcome.WRONG
        return Verdict(outcome, float(right), parsed, f"{subject} {relation} {problem.answer}")


def statements(answer: Answer) -> list[str]:
    """The texts of an answer; of a sentence the first one alone."""
    return [first_sentence(text) if answer.mark == Mark.SENTENCE else text for text in answer.texts]


class NumericVerifier(AnswerVerifier):
    """The completion's final number against the reference answer.

    The number behind the answer mark counts; without a mark, the last number of the text, unless
    `require_mark` is set. 1,234 and $1234.00 and 2468/2 are one number (domain/numbers.py), and 50%
    is 50. Several numbers where one is wanted are wrong. Exact unless a tolerance is set. Not
    covered: units, and whether the steps that lead to the number are right.
    """

    type: Literal["numeric"] = "numeric"
    version: ClassVar[str] = "3"
    tolerance: float = Field(
        0.0, ge=0, description="largest accepted difference, relative to the reference answer"
    )
    require_mark: bool = Field(
        False, description="call a completion without an answer mark malformed"
    )

    def check_problem(self, problem: Problem) -> str | None:
        answer = problem.answer
        if _reference(answer) is not None:
            return None
        values = stated(answer, whole=True)
        if len(set(values)) > 1:
            numbers = ", ".join(
                plain(value) if value is not None else "a formula" for value in values[:5]
            )
            return (
                f'the answer "{answer}" holds several numbers ({numbers}), and one is compared;'
                " give one, or use verifier text or math"
            )
        kind = "is a formula and" if values else "holds"
        return (
            f'the answer "{answer}" {kind} no number; verifier {"math" if values else "text"}'
            " compares such answers"
        )

    def read(self, completion: str) -> Reading | None:
        answer = find_answer(completion, _states_number)
        if (
            answer is not None
            and answer.introduces
            and not BEGINS.match(written_plainly(answer.text[:100]))
        ):
            answer = answer.unmarked()
        if answer is None or (answer.mark == Mark.LINE and self.require_mark):
            return None
        if answer.mark == Mark.LINE:
            values, texts = last_number(answer.rest), [answer.text]
        else:
            texts = statements(answer)
            values = [value for text in texts for value in _numbers(text, answer.mark)]
        value = one(values)
        if value is None and len(set(values)) < 2:
            return None
        parsed = (
            plain(value)
            if value is not None
            else " or ".join("a formula" if v is None else plain(v) for v in dict.fromkeys(values))
        )
        return Reading(parsed, answer, (*texts, *answer.texts), several=value is None)

    def same(self, parsed: str, answer: str) -> bool:
        reference, value = _reference(answer), number(parsed)
        if reference is None or value is None:
            return fold(parsed) == fold(answer)
        return abs(value - reference) <= Fraction(self.tolerance) * abs(reference)

    def meets(self, reading: Reading, answer: str) -> bool:
        # such a problem is refused; judged all the same, its answer can only be met word for word
        if _reference(answer) is None:
            return reading.word_for_word(answer)
        return super().meets(reading, answer)


BEGINS = re.compile(
    r"(?:\W|\b(?:about|approximately|around|exactly|a total"
    r" of|negative|minus|between|either|from|[A-Za-z]\w?\s?=))*\d"
)


def _numbers(text: str, mark: Mark) -> list[Fraction | None]:
    # 5! is 120, but for "It is 5!"
    return [None] if mark == Mark.BOX and text.rstrip("$ ").endswith("!") else stated(text)


def _states_number(text: str) -> bool:
    return bool(stated(first_sentence(text)))


def _reference(answer: str) -> Fraction | None:
    """The one number of a reference answer.

    It may be a worked solution with an answer mark, as in GSM8K's files.
    """
    value = number(answer)
    if value is None and (marked := find_answer(answer)) is not None and marked.mark.strong:
        return number(marked.text)
    return value


class TextVerifier(AnswerVerifier):
    """Compares the completion's answer text with the reference.

    They are equal after folding case, white space, quotes, forms of Unicode and end punctuation. A
    decimal number is one however it is written: 6.0 is 6.

    The text behind the answer mark counts, one sentence of it or its whole line; without a mark,
    the last line that is not empty.
    """

    type: Literal["text"] = "text"
    version: ClassVar[str] = "3"
    case_sensitive: bool = Field(False, description="tell upper and lower case apart")

    def check_problem(self, problem: Problem) -> str | None:
        return (
            None
            if self._folded(problem.answer)
            else "the answer is empty once punctuation is folded away"
        )

    def read(self, completion: str) -> Reading | None:
        answer = find_answer(completion, self._folded)
        if answer is None:
            return None
        texts = [_emphasized(text) for text in statements(answer)]
        forms = list(dict.fromkeys(filter(None, map(self._folded, texts))))
        if not forms:
            return None
        several = len(forms) > 1
        return Reading(" or ".join(forms), answer, (*texts, *answer.texts), several)

    def same(self, parsed: str, answer: str) -> bool:
        return self._folded(parsed) == self._folded(answer)

    def meets(self, reading: Reading, answer: str) -> bool:
        if reading.several or reading.answer is None:
            return False
        reference = self._folded(answer)
        count = sum(bool(line.strip()) for line in answer.splitlines())
        extents = {self._folded(text) for text in (*reading.texts, reading.answer.lines(count))}
        if reference in extents:
            return True
        inner = find_answer(answer)  # the reference may hold a mark itself
        if inner is None or inner.mark == Mark.LINE:
            return False
        return self._folded(inner.text) in extents or self._folded(reading.answer.whole).endswith(
            reference
        )

    def _folded(self, text: str) -> str:
        return fold(text, self.case_sensitive)


EMPHASIZED = re.compile(
    r"(?:\u201c([^\u201d\n]{1,200})\u201d|([^\"*\n]{1,200})(\*\*|\"))(?=[,;:(]|\s+[(\u2013\u2014-])"
)


def _emphasized(text: str) -> str:
    """`Paris` of `**Paris**, the capital`, whose first mark is behind us."""
    match = EMPHASIZED.match(text)
    return (match[1] or match[2]) if match and (match[1] or text.count(match[3]) % 2) else text


class ExactVerifier(AnswerVerifier):
    """The whole completion against the reference: equal but for white space at its ends."""

    type: Literal["exact"] = "exact"
    version: ClassVar[str] = "1"

    def check_problem(self, problem: Problem) -> str | None:
        if not problem.answer.strip():
            return "the answer is empty"
        return (
            None
            if problem.answer == problem.answer.strip()
            else f'the answer "{problem.answer}" has white space at its ends'
        )

    def read(self, completion: str) -> Reading | None:
        return Reading(completion.strip()) if completion.strip() else None

    def same(self, parsed: str, answer: str) -> bool:
        return parsed == answer
