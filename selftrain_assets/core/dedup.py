"""When two solutions of one problem count as the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

DedupRule = Literal["none", "text", "equations"]
_EQUATION = re.compile(r"[-+*/().\d\s]*\d\s*=\s*-?\d+(?:[.,]\d+)*")


def normalized_text(completion: str) -> str:
    """Case and white space folded."""
    return " ".join(completion.lower().split())


def equation_path(completion: str) -> str:
    """The equations in order, without words or spaces: RFT's notion of one reasoning path (arXiv 2308.01825).
    A completion without equations falls back to its normalized text."""
    equations = [re.sub(r"\s", "", e) for e in _EQUATION.findall(completion)]
    return ";".join(equations) or normalized_text(completion)


SOLUTION_KEY: dict[DedupRule, Callable[[str], str]] = {"text": normalized_text, "equations": equation_path}


def solution_key(completion: str, rule: DedupRule) -> str:
    """Equal for completions that `rule` calls the same solution."""
    return SOLUTION_KEY[rule](completion) if rule != "none" else completion
