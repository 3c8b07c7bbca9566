"""Text that models and their programs wrote, made safe to store and to show."""

from __future__ import annotations

import re
import unicodedata

_UNSEEN = re.compile(
    r"[^\n\t -~\xa0-\u0fff\u2010-\u2027\u2030-\u205f\u2070-\ud7ff\uf900-\ufefe]|[\xad\u061c]"
)
"""What may be no visible character: looked at one by one, since nearly all text has none of
these."""
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # within words of Persian and Indic scripts, and within emoji


def storable(text: str, longest: int | None = None) -> str:
    """The same text as far as it is one that UTF-8 has: a lone surrogate is written as its escape.

    Cut after `longest` characters.
    """
    text = text[:longest]
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def visible(text: str) -> str:
    """The text with escapes for characters that are not seen but have an effect.

    These are terminal sequences, lone carriage returns, marks that turn the direction of writing,
    and lone surrogates. New lines and tabs stay.
    """
    return _UNSEEN.sub(_escape, text.replace("\r\n", "\n"))


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if unicodedata.category(character) not in _HIDDEN or character in _JOINERS:
        return character
    return character.encode("unicode_escape").decode()
