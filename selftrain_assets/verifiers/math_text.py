"""Which part of a completion is its mathematical answer.

`extraction` has found the line or box that it stands in.
"""

from __future__ import annotations

import re

from selftrain_assets.domain.mathematics.notation import written_out
from selftrain_assets.domain.mathematics.prose import is_prose
from selftrain_assets.domain.mathematics.reading import LONGEST
from selftrain_assets.domain.numbers import last_number, one, plain
from selftrain_assets.verifiers.extraction import Mark, find_answer, first_sentence

SEGMENT = re.compile(
    r"(?<!\\)\$\$?((?:\\\$|[^$]){1,1000}?)(?<!\\)\$\$?|\\\((.{1,1000}?)\\\)|\\\[(.{1,1000}?)\\\]",
    re.DOTALL,
)
WORDS_BETWEEN = re.compile(r"\b(?:and|or)\b|[\s,;.:*]")
SAID = re.compile(r"\b(?:is|are|equals|be)\b|=")
LABEL = re.compile(r"\W*(?:A|Ans|Answer|Result|Solution)\s*:\s*", re.IGNORECASE)
ENDING_NUMBER = re.compile(r"(?<![\w$\\^{}.,/])-?\d[\d,]*(?:\.\d+)?(?:/\d+)?\s*(?:\\?%|percent)?$")
DECORATION = " \t\n#*_"
CONNECTIVE = re.compile(r"(?<![a-zA-Z\\])(?:and|or)(?![a-zA-Z])")
FEW_WORDS = re.compile(r"[^\W\d_]+(?:[ -][^\W\d_]+){0,2}")
ASIDE = re.compile(r"(.*[\w)}$\]])\s+\(([^()]*)\)", re.DOTALL)


def answer_text(completion: str) -> str | None:
    r"""The answer of a completion, as it is written there (verifiers/extraction.py).

    Without a mark it is the last formula or number of the last line. Words count behind a mark, or
    where the completion has at most three.
    """
    answer = find_answer(completion, lambda text: _formulas(text) or text.strip(" .$*"))
    if answer is None or len(answer.text) > 10 * LONGEST:
        return None
    if answer.mark.strong:
        return answer.text
    text = LABEL.sub("", answer.text, count=1) if LABEL.match(answer.text) else answer.text
    text = text if answer.mark == Mark.LINE else text[: 2 * LONGEST]
    if formulas := _formulas(text.strip(" #")):
        return formulas
    sentence = first_sentence(text) if answer.mark == Mark.SENTENCE else text
    bare = _without_aside(sentence.strip(DECORATION).rstrip(DECORATION + ".!"))
    if not is_prose(_written_out(CONNECTIVE.sub(",", bare))):
        return bare
    numbers = last_number(bare)
    if len(set(numbers)) > 1:  # alternatives are a list, of which one alone is not the answer
        return (
            bare
            if None in numbers
            else ", ".join(plain(number) for number in numbers if number is not None)
        )
    if value := _stated_value(bare):
        return value
    if answer.mark == Mark.SENTENCE:
        return bare
    if number := ENDING_NUMBER.search(bare):
        return number[0]
    if segments := SEGMENT.findall(text):
        return "".join(segments[-1])
    if not numbers and FEW_WORDS.fullmatch(bare) and "\n" not in answer.whole.strip():
        return bare
    stated = one(numbers)
    return None if stated is None else plain(stated)


def _formulas(line: str) -> str | None:
    """The formula that a line begins with, or all of them where there is nothing else in it."""
    segments = ["".join(groups) for groups in SEGMENT.findall(line)]
    if len(segments) > 1 and not WORDS_BETWEEN.sub("", SEGMENT.sub("", line)):
        return ", ".join(segments)
    opening = SEGMENT.search(line)
    return segments[0] if opening and not line[: opening.start()].strip(" :*") else None


def _stated_value(sentence: str) -> str | None:
    """What stands behind the last "is" or equals sign of a sentence, unless that is prose.

    It is `34` of "the largest $n$ is 34".
    """
    formulas = [match.span() for match in SEGMENT.finditer(sentence)]
    verbs = [
        match
        for match in SAID.finditer(sentence)
        if not any(start <= match.start() < end for start, end in formulas)
    ]
    value = sentence[verbs[-1].end() :].strip(DECORATION) if verbs else ""
    if not re.search(r"[\d\\^]", value) or is_prose(_written_out(value)):
        return None
    return _formulas(value) or value


def _without_aside(sentence: str) -> str:
    """`7` of `7 (since 2 + 5 = 7)`: words in brackets at the end are a remark."""
    match = ASIDE.fullmatch(sentence)
    return match[1].rstrip() if match and is_prose(_written_out(match[2])) else sentence


def _written_out(text: str) -> str:
    return written_out(text[: 2 * LONGEST])
