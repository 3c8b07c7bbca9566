"""Does text that is trained on hold what a model is evaluated on?

By whole questions, and by long runs of words in common.

What makes no difference between two texts is said in domain/text.py. A held-out question counts as
a whole where it stands in another text with its signs, and carries enough to be that question and
no phrase: RUN words; or, where a sentence ends with it, SHORT of them, LETTERED of which have
letters, or SHARE of the words of that text. A run in common, short of the whole, is evidence where
it is at least RUN words long (the 13-grams of Brown et al. 2020, arXiv 2005.14165, appendix C) and
SHARE of the shorter of the two texts. In scripts without spaces a character stands for a word, and
two of them for one where a question is short.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from selftrain_assets.domain.text import UNSPACED, canonical, folded, words
from selftrain_assets.domain.types import Problem

RUN, SHARE = 13, 0.6
# a run that more held-out texts than these have in common is a phrase of the task, and the mark of
# none of them,
COMMON = 16
# unless it goes on until it is this share of both texts: they are copies of one another
ALMOST = 0.85
# words of a short question, and how many of them have letters: a bare expression is part of many
SHORT, LETTERED = 5, 3

Part = Literal["question", "solution"]
_Three = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Leak:
    """A held-out text that was found in another text.

    It states the words in common, and whether they are the whole of a held-out question.
    """

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


class Questions:
    """Questions of problems that are evaluated on, ready to be found in other texts."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._by_letters: dict[str, list[_Text]] = defaultdict(list)
        self._by_words: dict[str, list[_Text]] = defaultdict(list)
        # of the questions that begin with these words
        self._lengths: dict[_Three, set[int]] = defaultdict(set)
        for p in problems:
            question = _Text(p, "question", words(p.question))
            self._by_letters["".join(question.words)].append(question)
            if _size(question.words) >= RUN or _lettered_size(question.words) >= 2:
                self._by_words[" ".join(question.words)].append(question)
                for three in islice(_threes(question.words), 1):
                    self._lengths[three].add(len(question.words))

    def same(self, question: str) -> Leak | None:
        """The problem that asks the same."""
        for held_out in self._by_letters.get("".join(words(question)), ()):
            if canonical(held_out.problem.question) == canonical(question):
                return _leak(held_out, held_out.words, True)
        return None

    def within(self, text: str) -> Leak | None:
        """A question that stands in `text` as a whole."""
        own = words(text)
        for start, three in enumerate(_threes(own)):
            for length in (
                sorted(self._lengths[three], reverse=True) if three in self._lengths else ()
            ):
                span = own[start : start + length]
                for held_out in self._by_words.get(" ".join(span), ()):
                    if _stands_in(held_out, text, own):
                        return _leak(held_out, span, True)
        return None


class HeldOut:
    """Questions and solutions of held-out problems, indexed so that other texts can be searched."""

    def __init__(self, problems: Sequence[Problem], solutions: Mapping[str, Sequence[str]]) -> None:
        """`solutions` by the id of the problem."""
        self.questions = Questions(problems)
        self._by_run: dict[str, list[tuple[_Text, int]]] = defaultdict(list)
        self._begin_runs: set[_Three] = set()
        for p in problems:
            for text in (
                _Text(p, "question", words(p.question)),
                *(_Text(p, "solution", words(s)) for s in solutions.get(p.id, ())),
            ):
                for start, three in zip(
                    range(len(text.words) - RUN + 1), _threes(text.words), strict=False
                ):
                    self._by_run[" ".join(text.words[start : start + RUN])].append((text, start))
                    self._begin_runs.add(three)

    def find(self, text: str, asks: bool = False) -> Leak | None:
        """The strongest evidence that `text` contains a held-out text; None where there is none.

        In this order: a held-out problem that asks the same (only if `asks`, that is, if `text` is
        a question itself), a held-out question that stands in the text as a whole, and the held-out
        text with the longest run of words in common, if that run is long enough to be evidence.
        """
        return (
            (self.questions.same(text) if asks else None)
            or self.questions.within(text)
            or self._longest_run(words(text))
        )

    def _longest_run(self, own: Sequence[str]) -> Leak | None:
        best, end = None, 0
        for start, three in enumerate(_threes(own)):
            if start + RUN <= end or three not in self._begin_runs:
                continue
            hits = self._by_run.get(" ".join(own[start : start + RUN]), ())
            for held_out, place in hits[:COMMON]:
                first, last = _equal_run(own, start, held_out.words, place)
                sizes = len(own), len(held_out.words)
                least = SHARE * min(sizes) if len(hits) <= COMMON else ALMOST * max(sizes)
                if last - first >= least and (best is None or last - first > len(best[1])):
                    best = held_out, own[first:last]
                    end = last
        return _leak(*best, False) if best else None


def _threes(text: Sequence[str]) -> Iterator[_Three]:
    return zip(text, text[1:], text[2:], strict=False)


def _equal_run(a: Sequence[str], i: int, b: Sequence[str], j: int) -> tuple[int, int]:
    """Where the run of equal words around a[i] and b[j] begins and ends in `a`."""
    before = after = 0
    while i > before and j > before and a[i - before - 1] == b[j - before - 1]:
        before += 1
    while i + after < len(a) and j + after < len(b) and a[i + after] == b[j + after]:
        after += 1
    return i - before, i + after


def _leak(text: _Text, span: Sequence[str], whole: bool) -> Leak:
    return Leak(text.problem.id, text.problem.split, text.part, whole, " ".join(span))


# -- whole questions -------------------------------------------------------------------------------

_UNSPACED = re.compile(f"[{UNSPACED}]")
_LETTERED = re.compile(rf"[^\W\d_]{{2}}|[{UNSPACED}]")
_OPERATOR = re.compile(r"[-+*/^<>%!°\u2032]")
_END = re.compile(r"[.?!:;\n\"')\]}=。]")


def _size(text: Sequence[str]) -> float:
    """In words."""
    return sum(0.5 if _UNSPACED.match(word) else 1 for word in text)


def _lettered_size(text: Sequence[str]) -> float:
    return _size([word for word in text if _LETTERED.match(word)])


def _stands_in(held_out: _Text, text: str, own: Sequence[str]) -> bool:
    """Whether a question whose words are in `text` stands there with its signs as well.

    The question must also be long enough to be recognised by its words.
    """
    size = _size(held_out.words)
    is_long = size >= RUN
    if (
        not is_long
        and size < SHARE * _size(own)
        and (size < SHORT or _lettered_size(held_out.words) < LETTERED)
    ):
        return False
    question = canonical(held_out.problem.question)
    gap = "*" if _UNSPACED.search(question) else "+"
    span = rf"[\W_]{gap}".join(map(re.escape, held_out.words))
    plain = folded(text)
    for match in re.finditer(
        rf"(?:^[\W_]*|(?<=[^\W_])[\W_]{gap}){span}([\W_]{gap}(?=[^\W_])|[\W_]*$)", plain
    ):
        before, whole, after = f" {canonical(match[0])} ".partition(f" {question} ")
        ends = is_long or match.end() == len(plain) or _END.search(match[1])
        if (
            whole
            and ends
            and not _extends_formula(before, held_out.words[0])
            and not _extends_formula(after, held_out.words[-1])
        ):
            return True
    return False


def _extends_formula(signs: str, word: str) -> bool:
    """Do these signs make this word, at an end of the question, part of a longer formula?"""
    return not _LETTERED.match(word) and _OPERATOR.search(signs) is not None
