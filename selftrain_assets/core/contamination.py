"""Does text that is trained on hold what a model is evaluated on? By whole questions, and by long runs of words in common.

Case, white space and punctuation make no difference. A run is evidence where it is at least RUN words long (the 13-grams of Brown
et al. 2020, arXiv 2005.14165, appendix C) and SHARE of the shorter of the two texts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from selftrain_assets.core.types import Problem

RUN, SHARE = 13, 0.6
COMMON = 16  # a run that more held-out texts than these have in common is a phrase of the task, and the mark of none of them
_WORD = re.compile(r"\w+")

Part = Literal["question", "solution"]


def words(text: str) -> list[str]:
    """What is compared of a text."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


@dataclass(frozen=True, slots=True)
class Leak:
    """A held-out text that was found in another one: the words in common, and whether they are the whole of a held-out question."""

    held_out: str
    split: str
    part: Part
    exact: bool
    span: str


@dataclass(frozen=True, slots=True)
class _Text:
    problem: Problem
    part: Part
    words: Sequence[str]


class HeldOut:
    """Questions and solutions of problems that are evaluated on, ready to be found in other texts."""

    def __init__(self, problems: Iterable[Problem], solutions: dict[str, Sequence[str]]) -> None:
        """`solutions` by the id of the problem."""
        self._questions: dict[str, _Text] = {}
        self._runs: dict[str, list[tuple[_Text, int]]] = {}
        for p in problems:
            question = _Text(p, "question", words(p.question))
            self._questions.setdefault(" ".join(question.words), question)
            for text in (question, *(_Text(p, "solution", words(s)) for s in solutions.get(p.id, ()))):
                for start, run in enumerate(_runs(text.words)):
                    self._runs.setdefault(run, []).append((text, start))

    def same(self, question: str) -> Leak | None:
        """The held-out problem that asks the same."""
        found = self._questions.get(" ".join(words(question)))
        return _leak(found, found.words) if found else None

    def within(self, text: str) -> Leak | None:
        """The held-out text with which `text` has the longest run in common, if that is long enough to be evidence."""
        own, best, end = words(text), None, 0
        for start, run in enumerate(_runs(own)):
            if start + RUN <= end or not 0 < len(hits := self._runs.get(run, ())) <= COMMON:
                continue
            for held_out, at in hits:
                first, last = _extended(own, start, held_out.words, at)
                enough = last - first >= SHARE * min(len(own), len(held_out.words))
                if enough and (best is None or last - first > len(best[1])):
                    best = held_out, own[first:last]
                    end = last
        return _leak(*best) if best else None


def _runs(text: Sequence[str]) -> Iterator[str]:
    return (" ".join(text[i : i + RUN]) for i in range(len(text) - RUN + 1))


def _extended(a: Sequence[str], i: int, b: Sequence[str], j: int) -> tuple[int, int]:
    """Where the run of equal words around a[i] and b[j] begins and ends in `a`."""
    back = forth = 0
    while i > back and j > back and a[i - back - 1] == b[j - back - 1]:
        back += 1
    while i + forth < len(a) and j + forth < len(b) and a[i + forth] == b[j + forth]:
        forth += 1
    return i - back, i + forth


def _leak(text: _Text, span: Sequence[str]) -> Leak:
    exact = text.part == "question" and len(span) == len(text.words)
    return Leak(text.problem.id, text.problem.split, text.part, exact, " ".join(span))
