"""Deterministic engine for tests, demonstrations and fault drills: it needs no model."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.sampling import DrawSettings, cut_at_stop
from selftrain_assets.domain.types import Completion, Request
from selftrain_assets.engines.protocol import EngineDescription, EngineSettings, distinct
from selftrain_assets.models.loading import ModelRef


class ScriptedSettings(EngineSettings):
    """Completions from a JSON file that maps each problem id to a list of texts.

    The seed of a request picks one of them.
    """

    type: Literal["scripted"] = "scripted"
    path: str = Field(description="JSON file: {problem id: [completion, ...]}")
    seconds_per_completion: float = Field(0.0, ge=0, description="pause before each completion")

    def open(self, ref: ModelRef) -> ScriptedEngine:
        """The model is not looked at."""
        path = Path(self.path)
        try:
            texts = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise UserError(f"engine.path: {path} cannot be read as JSON ({error})") from error
        if not isinstance(texts, dict):
            raise UserError(
                f"engine.path: {path} must hold an object that maps each problem id to a list of"
                " texts"
            )
        return ScriptedEngine(texts, self.seconds_per_completion)


class ScriptedEngine:
    """Answers from a table; unlisted problems get an empty completion. Tokens are words."""

    def __init__(self, texts: dict[str, list[str]], seconds_per_completion: float = 0.0) -> None:
        self._texts, self._seconds = texts, seconds_per_completion

    def describe(self) -> EngineDescription:
        return EngineDescription("scripted", "1", "none", batch_invariant=True)

    def use(self, ref: ModelRef) -> None:
        """The script stays the same."""

    def generate(self, requests: Sequence[Request], sampling: DrawSettings) -> Iterator[Completion]:
        for request in distinct(requests):
            time.sleep(self._seconds)
            choices = self._texts.get(request.problem_id) or [""]
            words = choices[0 if sampling.temperature == 0 else request.seed % len(choices)].split(
                " "
            )
            text = " ".join(words[: sampling.max_tokens])
            kept, stop = cut_at_stop(text, sampling.stop)
            finished = stop is not None or len(words) <= sampling.max_tokens
            reason: Literal["stop", "length"] = "stop" if finished else "length"
            yield Completion(
                request.key,
                kept,
                reason,
                len(request.prompt.split()),
                len(kept.split()),
                ended_by=stop,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass
