"""A verifier: the last number of the completion is the answer."""

import re

from selftrain_assets.domain.types import Outcome, Problem, Verdict
from selftrain_assets.verifiers.functions import verifier


@verifier(version="1")
def last_number(problem: Problem, completion: str, *, tolerance: float = 0.0) -> bool | Verdict:
    """Right within `tolerance` of the answer."""
    numbers = re.findall(r"-?\d+(?:\.\d+)?", completion, re.ASCII)
    if not numbers:
        return Verdict(Outcome.MALFORMED, 0.0, None, "it has no number")
    return abs(float(numbers[-1]) - float(problem.answer)) <= tolerance
