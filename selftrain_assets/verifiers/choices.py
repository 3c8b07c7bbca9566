"""The verifier of choices: letters of options, yes or no, true or false, and short texts."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import Field

from selftrain_assets.core.types import Problem
from selftrain_assets.verifiers.answers import AnswerVerifier, folded, marked_answer

BRACKETED = re.compile(r"\(\s{0,3}([A-Za-z])\s{0,3}\)")
ALONE = re.compile(r"(?:option|choice)?\s{0,3}([A-Za-z])(?:[.):,](?!\w)|$)", re.IGNORECASE)
WORD = re.compile(r"(yes|no|true|false)(?=\s{0,3}(?:$|[.,;:!)]|because\b|since\b))", re.IGNORECASE)
LONGEST_LINE = 2000  # characters; a choice is short


class ChoiceVerifier(AnswerVerifier):
    """The completion's choice against the reference: `(B)`, `B.`, `b)` and `option B` are one choice; so are `Yes.` and `yes, because`.

    The text behind the last answer mark counts, and in it the first choice; without a mark, the last line that is not empty, and in
    it the last letter in brackets. Where there is neither letter nor yes, no, true or false, the text is compared as verifier
    text does, so that one verifier serves every subtask of BIG-Bench Hard. Not covered: the text of an option in place of its letter.
    """

    type: Literal["choice"] = "choice"
    version: ClassVar[str] = "1"
    require_mark: bool = Field(False, description="call a completion without an answer mark malformed")

    def check_problem(self, problem: Problem) -> str | None:
        return None if _choice(problem.answer) else "the answer is empty once punctuation is folded away"

    def parse(self, completion: str) -> str | None:
        marked = marked_answer(completion)
        if marked is not None:
            return _choice(marked)
        lines = [line for line in completion.splitlines() if line.strip()]
        if self.require_mark or not lines:
            return None
        letters = BRACKETED.findall(lines[-1][-LONGEST_LINE:])
        return f"({letters[-1].upper()})" if letters else _choice(lines[-1])

    def same(self, parsed: str, answer: str) -> bool:
        return parsed == _choice(answer)


def _choice(text: str) -> str | None:
    """The choice that a short text makes."""
    text = " ".join(text[:LONGEST_LINE].split()).strip(" :*_`$\"'")
    if word := WORD.match(text):
        return word[1].lower()
    if letter := ALONE.match(text) or BRACKETED.search(text):
        return f"({letter[1].upper()})"
    return folded(text) or None
