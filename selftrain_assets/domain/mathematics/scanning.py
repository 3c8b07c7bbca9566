"""Splitting LaTeX at what stands outside of all its brackets."""

from __future__ import annotations

import re

TOKEN = re.compile(r"\\(?:begin|end)\s*\{\w+\}|\\[a-zA-Z]+|\\.|[^\\]|\\$", re.DOTALL)
_OPENING = {"(", "[", "{", "\\{", "\\langle", "\\lfloor", "\\lceil", "\\begin{pmatrix}"}
_CLOSING = {")", "]", "}", "\\}", "\\rangle", "\\rfloor", "\\rceil", "\\end{pmatrix}"}
_SPACE_THAT_ENDS = re.compile(r"(?<=[a-zA-Z])\s+(?=[a-zA-Z])|(?<=\d)\s+(?=\d)")

_ONE_CHARACTER = re.compile(r"([\^_])\{(\w)\}(?!\w)")


def split(
    text: str, separators: tuple[str, ...], grouped: re.Pattern[str] | None = None
) -> tuple[list[str], list[str]]:
    """The parts between separators outside of all brackets, and the separators.

    A comma inside what `grouped` matches is no separator.
    """
    parts, cuts, depth, start = [], [], 0, 0
    whole_spans = [match.span() for match in grouped.finditer(text)] if grouped else []
    for token in TOKEN.finditer(text):
        if token[0] in _OPENING:
            depth += 1
        elif token[0] in _CLOSING:
            depth -= 1
        elif (
            depth == 0
            and token[0] in separators
            and not any(a < token.start() < b for a, b in whole_spans)
        ):
            parts.append(text[start : token.start()])
            cuts.append(token[0])
            start = token.end()
    return [*parts, text[start:]], cuts


def enclosed(text: str, opening: str, closing: str) -> str | None:
    """The text between a pair of brackets that encloses all of `text`; None where none does."""
    if not (
        text.startswith(opening)
        and text.endswith(closing)
        and len(text) >= len(opening) + len(closing)
    ):
        return None
    depth = 0
    for token in TOKEN.finditer(text):
        depth += (token[0] in _OPENING) - (token[0] in _CLOSING)
        if depth <= 0:
            return text[len(opening) : -len(closing)] if token.end() == len(text) else None
    return None


def balanced(text: str) -> bool:
    """Is every bracket closed?

    A half-open interval is: which bracket closes which is not asked, but for braces.
    """
    depth = braces = 0
    for token in TOKEN.finditer(text):
        depth += (token[0] in _OPENING) - (token[0] in _CLOSING)
        braces += (token[0] == "{") - (token[0] == "}")
        if depth < 0 or braces < 0:
            return False
    return depth == braces == 0


def without_spaces(text: str) -> str:
    """The same formula; white space stays where it ends a command, a letter or a number.

    `x^{2}` is `x^2`.
    """
    text = _SPACE_THAT_ENDS.sub("\0", text).replace(" ", "").replace("\0", " ")
    return _ONE_CHARACTER.sub(r"\1\2", text)
