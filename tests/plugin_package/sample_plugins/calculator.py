"""An engine without a model: it calculates, and by the seed it errs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Self

from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Completion, Request
from selftrain_assets.engines.protocol import EngineDescription, EngineSettings
from selftrain_assets.engines.scripted import ScriptedEngine
from selftrain_assets.models.loading import ModelRef

EXPRESSION = re.compile(r"(\d+) ([+-]) (\d+)")


class Calculator(EngineSettings):
    """Sums and differences; one completion in `errs_one_in` is wrong."""

    errs_one_in: int = 3

    def open(self, ref: ModelRef) -> CalculatorEngine:
        return CalculatorEngine(self.errs_one_in)


class CalculatorEngine:
    """Draws completions from those that it writes for a prompt."""

    def __init__(self, errs_one_in: int) -> None:
        self._right = errs_one_in - 1

    def describe(self) -> EngineDescription:
        return EngineDescription("calculator", "1", "none", batch_invariant=True)

    def use(self, ref: ModelRef) -> None:
        """It has no weights."""

    def generate(self, requests: Sequence[Request], sampling: DrawSettings) -> Iterator[Completion]:
        texts = {request.problem_id: self._completions(request.prompt) for request in requests}
        return ScriptedEngine(texts).generate(requests, sampling)

    def _completions(self, prompt: str) -> list[str]:
        if not (match := EXPRESSION.search(prompt)):
            return ["I see no calculation there", "what is there to calculate ?", "0"]
        a, b = int(match[1]), int(match[3])
        result = a + b if match[2] == "+" else a - b
        right = [f"{match[0]} = {result} ; #### {result}"] * self._right
        return [*right, f"{match[0]} = {result + 1} , if I am right ; #### {result + 1}"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass
