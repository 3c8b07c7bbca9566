r"""LaTeX answers in \boxed{...}."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_ANSWER = 2000
"""Characters that are looked at behind a \\boxed for its closing brace."""
BOX = re.compile(r"\\f?box(?:ed)?(?![A-Za-z])")


@dataclass(frozen=True)
class Box:
    """A box, where it begins and ends in its text, and what it holds; None where it never ends."""

    start: int
    end: int
    content: str | None


def boxes(text: str, most: int = 50) -> list[Box]:
    r"""The last \boxed{...} and \fbox{...} of a text, or \boxed of one token, in order."""
    return [
        _box(text, opening) for opening in list(BOX.finditer(text))[-most:] if opening[0] != "\\box"
    ]


def last_boxed(text: str) -> str | None:
    r"""Content of the last `\boxed{...}` of a text.

    None where there is no box, or the last one is empty or never closed.
    """
    last = boxes(text, most=1)
    return (last[-1].content or None) if last else None


def _box(text: str, opening: re.Match[str]) -> Box:
    rest = text[opening.end() : opening.end() + LONGEST_ANSWER]
    begin = len(rest) - len(rest.lstrip())
    if not rest.startswith("{", begin):
        token = (rest.split(maxsplit=1) or [""])[0].rstrip(".$,;")
        return Box(opening.start(), opening.end() + begin + len(token), token)
    depth, escaped = 0, False
    for place, character in enumerate(rest[begin:], begin):
        if escaped or character == "\\":
            escaped = not escaped
            continue
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return Box(opening.start(), opening.end() + place + 1, rest[begin + 1 : place].strip())
    return Box(opening.start(), opening.end() + len(rest), None)
