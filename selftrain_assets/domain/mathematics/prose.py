"""Which answers are words rather than products of variables."""

from __future__ import annotations

import re

from selftrain_assets.domain.mathematics.notation import TEXT
from selftrain_assets.domain.mathematics.scanning import enclosed
from selftrain_assets.domain.mathematics.symbols import FUNCTIONS

_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{\w+\}")
_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}(?![a-zA-Z])")
# of letters in their order: the only common ones with a vowel
_PRODUCT = re.compile(r"(?:abc?d?|acd?|bcd?)")
_LITTLE_WORDS = frozenset(
    {
        "no",
        "is",
        "or",
        "of",
        "to",
        "it",
        "if",
        "be",
        "so",
        "at",
        "in",
        "on",
        "by",
        "we",
        "an",
        "as",
        "do",
    }
)
_CAPITALS = re.compile(r"[A-Z]{3,}")


def is_prose(text: str) -> bool:
    """Does it hold words?

    Runs of three or more capitals, as in an order of runners, count as one.
    """
    text = _ENVIRONMENT.sub(" ", text)
    for word in _WORD.findall(TEXT.sub(r" \1 ", text)):
        small = word.lower()
        if small in _LITTLE_WORDS:
            return True
        if (
            len(word) > 2
            and small not in FUNCTIONS
            and not _PRODUCT.fullmatch(word)
            and set(small) & set("aeiou")
        ):
            return True
    return bool(_CAPITALS.fullmatch(text.strip()))


def folded(text: str) -> str:
    """Words in lower case, without surplus white space, end punctuation or a serial comma."""
    text = re.sub(r"\s*([,;:])\s*", r"\1 ", TEXT.sub(r" \1 ", text).replace("\\", " "))
    text = (
        re.sub(r",(?= (?:and|or)\b)", "", " ".join(text.split()))
        .replace("«", "")
        .replace("»", "")
        .strip(" .,;:!?\"'`*$")
    )
    inside = enclosed(text, "(", ")")
    return (text if inside is None else inside.strip()).lower()
