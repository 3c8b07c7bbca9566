"""A verifier: the last number of the completion is the answer."""

import re

from pydantic import Field

from selftrain_assets.verifiers.answers import AnswerVerifier, Reading

NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)


class LastNumber(AnswerVerifier):
    """Right within `tolerance` of the answer."""

    version = "1"
    tolerance: float = Field(0.0, ge=0, description="largest accepted difference")

    def read(self, completion: str) -> Reading | None:
        numbers = NUMBER.findall(completion)
        return Reading(numbers[-1]) if numbers else None

    def same(self, parsed: str, answer: str) -> bool:
        return abs(float(parsed) - float(answer)) <= self.tolerance
