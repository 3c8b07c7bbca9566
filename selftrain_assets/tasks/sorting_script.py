"""Solves word sorting in steps, and finds the first error in such a solution.

>>> "The first letters are o for oven, c for costume, c for counterpart."
>>> "The groups in order are c (costume, counterpart), o (oven)."
>>> "In group c the order is costume, counterpart."
>>> "costume counterpart oven"  # the final answer

There is a step of the third kind for every group of several words, in any order.

Kinds of errors:

- `letters`: the first step has a wrong letter, or not the words of the list.
- `groups`: the second step has wrong groups, or groups in the wrong order.
- `order`: another step has the words of a group in the wrong order, is of another form, or one too
  many.
- `final`: the final answer is not the words in order, or steps are missing before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from selftrain_assets.domain.attempts import Attempt, Feedback
from selftrain_assets.domain.types import Problem

LIST = "List:"  # the words of a question stand behind it
LETTERS = re.compile(r"\s*the first letters are\b(.*)", re.IGNORECASE | re.DOTALL)
LETTER = re.compile(r"([a-z])\s+for\s+([a-z]+)", re.IGNORECASE)
GROUPS = re.compile(r"\s*the groups in order are\b(.*)", re.IGNORECASE | re.DOTALL)
GROUP = re.compile(r"([a-z])\s*\(([^()]*)\)", re.IGNORECASE)
ORDER = re.compile(r"\s*in group ([a-z]) the order is\b(.*)", re.IGNORECASE | re.DOTALL)
# the verifier takes no commas in an answer
WORD, ANSWER_WORD = re.compile(r"[^\s,.]+"), re.compile(r"\S+")


class Fault(NamedTuple):
    """The part of a step that is wrong, and why. An omission is a fault of all of it."""

    segment: str
    reason: str


class SortingScript:
    """Finds and corrects errors in solutions of word sorting."""

    version = "1"

    def feedback(self, problem: Problem, attempt: Attempt) -> Feedback:
        words = _words(problem)
        if first_fault := _first_fault(words, attempt.steps):
            number, fault = first_fault
            return Feedback(number, *fault, ("letters", "groups", "order")[min(number, 3) - 1])
        owed = _owed(words, attempt.steps)
        last = (
            Fault(attempt.answer, f"{owed} still to come")
            if owed
            else _answer(words, attempt.answer)
        )
        return Feedback(len(attempt.steps) + 1, *last, "final") if last else Feedback(None)

    def improve(self, problem: Problem, steps: tuple[str, ...]) -> Attempt:
        """ValueError where the steps are not correct."""
        words = _words(problem)
        if fault := _first_fault(words, steps):
            raise ValueError(f"step {fault[0]} is not correct: {fault[1].reason}")
        return Attempt((*steps, *_solution(words, steps)), " ".join(sorted(words)))


def _words(problem: Problem) -> list[str]:
    return problem.question.rpartition(LIST)[2].split()


def _grouped(words: Iterable[str]) -> dict[str, list[str]]:
    """Words by first letter, in order of the letters; within a letter in the order given."""
    groups: dict[str, list[str]] = {}
    for word in sorted(words, key=lambda word: word[0]):
        groups.setdefault(word[0], []).append(word)
    return groups


def _solution(words: list[str], steps: tuple[str, ...]) -> list[str]:
    """What is still to be said after these steps, which are correct."""
    groups = _grouped(words)
    listed = ", ".join(f"{letter} ({', '.join(group)})" for letter, group in groups.items())
    start = [
        f"The first letters are {', '.join(f'{word[0]} for {word}' for word in words)}.",
        f"The groups in order are {listed}.",
    ]
    orders = [
        f"In group {letter} the order is {', '.join(sorted(groups[letter]))}."
        for letter in _unsorted(words, steps)
    ]
    return [*start[len(steps) :], *orders]


def _unsorted(words: list[str], steps: tuple[str, ...]) -> list[str]:
    """The groups of several words that the steps do not sort."""
    sorted_ones = _sorted(steps)
    return [
        letter
        for letter, group in _grouped(words).items()
        if len(group) > 1 and letter not in sorted_ones
    ]


def _owed(words: list[str], steps: tuple[str, ...]) -> str:
    """What comes after these steps, which are correct; empty: the final answer."""
    if len(steps) < 2:
        return ("the first letters are", "the groups are")[len(steps)]
    waiting = _unsorted(words, steps)
    return f"the order of group {waiting[0]} is" if waiting else ""


def _sorted(steps: tuple[str, ...]) -> set[str]:
    """The groups that the steps sort."""
    return {match[1].lower() for text in steps[2:] if (match := ORDER.fullmatch(text))}


def _first_fault(words: list[str], steps: tuple[str, ...]) -> tuple[int, Fault] | None:
    for number, text in enumerate(steps, 1):
        if number == 1:
            fault = _letters(words, text)
        elif number == 2:
            fault = _groups(words, text)
        else:
            fault = _order(words, text, steps[: number - 1])
        if fault:
            return number, fault
    return None


def _letters(words: list[str], text: str) -> Fault | None:
    match = LETTERS.fullmatch(text)
    if match is None:
        return Fault(text, "the first letters come first")
    named: list[str] = []
    for item in _items(match[1]):
        pair = LETTER.fullmatch(item)
        if pair is None:
            return Fault(item, "it is not a letter and its word")
        letter, word = pair[1].lower(), pair[2].lower()
        if word not in words:
            return Fault(item, f"{word} is not in the list")
        if letter != word[0]:
            return Fault(item, f"{word} begins with {word[0]}")
        named.append(word)
    return _incomplete(words, named, text)


def _groups(words: list[str], text: str) -> Fault | None:
    match = GROUPS.fullmatch(text)
    if match is None or GROUP.sub("", match[1]).strip(" ,.\n"):
        return Fault(text, "the groups come next")
    named: list[str] = []
    groups = [*GROUP.finditer(text, match.start(1))]
    for group in groups:
        letter, members = group[1].lower(), [word.lower() for word in _items(group[2])]
        if wrong := [word for word in members if word not in words]:
            return Fault(group[0], f"{wrong[0]} is not in the list")
        if wrong := [word for word in members if word[0] != letter]:
            return Fault(group[0], f"{wrong[0]} begins with {wrong[0][0]}")
        named += members
    for before, after in pairwise(groups):
        if before[1].lower() >= after[1].lower():
            return Fault(
                text[before.start() : after.end()],
                f"{after[1].lower()} does not come after {before[1].lower()}",
            )
    return _incomplete(words, named, text)


def _order(words: list[str], text: str, before: tuple[str, ...]) -> Fault | None:
    match = ORDER.fullmatch(text)
    if match is None:
        owed = _owed(words, before)
        return Fault(text, f"{owed} still to come" if owed else "nothing is left to be sorted")
    group = _grouped(words).get(match[1].lower())
    if group is None:
        return Fault(text, f"there is no group {match[1].lower()}")
    if match[1].lower() in _sorted(before):
        return Fault(text, f"group {match[1].lower()} is in order already")
    return _misplaced(text, WORD.finditer(text, match.start(2)), group)


def _answer(words: list[str], answer: str) -> Fault | None:
    return _misplaced(answer, ANSWER_WORD.finditer(answer.rstrip(" .\n")), words)


def _misplaced(text: str, matches: Iterable[re.Match[str]], words: list[str]) -> Fault | None:
    """What is wrong with words of a text that are to be those of a list, in order."""
    places = [*matches]
    named = [match[0].lower() for match in places]
    if wrong := [word for word in named if word not in words]:
        return Fault(text, f"{wrong[0]} does not belong there")
    if fault := _incomplete(words, named, text):
        return fault
    for before, after in pairwise(places):
        if before[0].lower() > after[0].lower():
            return Fault(
                text[before.start() : after.end()],
                f"{after[0].lower()} comes before {before[0].lower()}",
            )
    return None


def _incomplete(words: list[str], named: list[str], text: str) -> Fault | None:
    """The fault of a list in which a word of `words` is missing, or is there twice."""
    for word in named:
        if named.count(word) > 1:
            return Fault(text, f"{word} is there twice")
    missing = [word for word in words if word not in named]
    return Fault(text, f"{missing[0]} is missing") if missing else None


def _items(text: str) -> Iterable[str]:
    """What stands between commas."""
    return filter(None, (item.strip() for item in text.strip(" .").split(",")))
