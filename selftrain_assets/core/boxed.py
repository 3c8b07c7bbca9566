"""LaTeX answers in \\boxed{...}."""

from __future__ import annotations

LONGEST_ANSWER = 2000
"""Characters that are looked at behind a \\boxed for its closing brace."""


def last_boxed(text: str) -> str | None:
    """What the last \\boxed{...} (or \\fbox{...}, or \\boxed of one token) holds, by its braces; None where it is none, or never ends."""
    start = max(text.rfind("\\boxed"), text.rfind("\\fbox"))
    if start < 0:
        return None
    rest = text[start:].split("boxed" if text.startswith("\\boxed", start) else "fbox", 1)[1][:LONGEST_ANSWER].lstrip()
    if not rest.startswith("{"):
        return (rest.split(maxsplit=1) or [""])[0].rstrip(".$") or None
    depth, escaped = 0, False
    for place, character in enumerate(rest):
        if escaped or character == "\\":
            escaped = not escaped
            continue
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return rest[1:place].strip() or None
    return None
