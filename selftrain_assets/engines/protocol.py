"""What every engine offers: requests in, completions out as they finish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from selftrain_assets.core.sampling import DrawSettings
from selftrain_assets.core.types import Completion, Request


@dataclass(frozen=True, slots=True)
class EngineDescription:
    """Provenance of a sample. `batch_invariant`: does a completion depend on its own request alone? Where it is
    False, equal seeds can still differ in rare cases, because rounding depends on the shape of the batch."""

    name: str
    version: str
    device: str
    batch_invariant: bool


class Engine(Protocol):
    """An open engine with one model loaded. Use as a context manager: leaving it frees the memory."""

    def describe(self) -> EngineDescription: ...

    def generate(self, requests: Sequence[Request], sampling: DrawSettings) -> Iterator[Completion]:
        """Yield one completion for each request, in any order, as soon as it is finished.

        The caller may stop early; requests not yet answered are then simply owed.
        Raises ModelError for a prompt that does not fit the model, naming its problem.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...
