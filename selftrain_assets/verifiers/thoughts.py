"""The part of a completion that is said to the reader.

That is without the model's thoughts, and without programs beside its text. A verifier is given the
answer of a sample, behind its thought (domain/thinking.py). What is taken out here are thoughts of
samples that were drawn without knowing the model's marks, and of plain text.
"""

from __future__ import annotations

import re

from selftrain_assets.domain.thinking import ANY_MARK

END_TOKEN = re.compile(r"(?:</s>|<eos>|<end_of_turn>|<\|[a-z_]{1,30}\|>)\s*$")
NO_PROGRAM = r"(?i:text|txt|output|latex|tex|math|markdown|md|json|answer|plain\w*)\b"
PROGRAM = re.compile(
    rf"^[ \t]*(```+|~~~+)[ \t]*(?!{NO_PROGRAM})\w[^\n]*\n.*?^[ \t]*\1", re.DOTALL | re.MULTILINE
)


def spoken(completion: str) -> str:
    """The completion without its thoughts.

    Fenced programs are left out too where it holds other text.
    """
    text = without_thoughts(completion)
    if "```" in text or "~~~" in text:
        prose = PROGRAM.sub("\n", text)
        return prose if prose.strip() else text
    return text


def without_thoughts(completion: str) -> str:
    """The completion without its thoughts, and without end tokens behind it.

    A closed `<think>`, or another of the table of marks, is left out, and so is all behind one that
    never closes. A `</think>` without its start closes what stands before it, since chat templates
    put the start into the prompt.
    """
    text = completion
    if "<" in text or "[" in text or "\u25c1" in text:
        text = _outside_thoughts(text)
        while end := END_TOKEN.search(text[-60:]):
            text = text[: len(text[:-60]) + end.start()]
    return text


def _outside_thoughts(completion: str) -> str:
    parts: list[str] = []
    place, thinking = 0, False
    for mark in ANY_MARK.finditer(completion):
        if mark["end"]:
            if not thinking:
                parts = []  # the start stood in the prompt
            place, thinking = mark.end(), False
        elif not thinking:
            parts.append(completion[place : mark.start()])
            thinking = True
    return "\n".join(parts if thinking else [*parts, completion[place:]])
