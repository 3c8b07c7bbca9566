"""What every engine offers: requests in, completions out as they finish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

from selftrain_assets.domain.errors import ModelError
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.settings import Execution
from selftrain_assets.domain.types import Completion, Request
from selftrain_assets.models.loading import ModelRef
from selftrain_assets.plugins import Member, Registry


@dataclass(frozen=True, slots=True)
class EngineDescription:
    """Provenance of a sample.

    `batch_invariant`: does a completion depend on its own request alone? Where it is False, equal
    seeds can still differ in rare cases, because rounding depends on the shape of the batch.
    `tokenizer` is the digest of the one whose ids the completions carry; None where they carry
    none. `positions` is how many tokens a prompt and its completion can have, where the engine
    knows that.
    """

    name: str
    version: str
    device: str
    batch_invariant: bool
    tokenizer: str | None = None
    positions: int | None = None


class Engine(Protocol):
    """An open engine with one model loaded.

    Use as a context manager: leaving it frees the memory.
    """

    def describe(self) -> EngineDescription: ...

    def use(self, ref: ModelRef) -> None:
        """Go on with these weights. ModelError where the engine cannot."""
        ...

    def generate(self, requests: Sequence[Request], sampling: DrawSettings) -> Iterator[Completion]:
        """Draw completions, and yield them in any order as they finish.

        A completion ends at an end token of the model (`end_tokens`), at a stop text, or after
        `max_tokens`. Its text has its special tokens, except for the one that ended it. Tokens that
        a request `continues` are part of the completion, and are not counted by `max_tokens`.

        Requests with equal keys are one and the same (`distinct`). What cannot be drawn now is left
        out, and owed. The caller may stop early; requests not yet answered are then owed too.

        Args:
            requests: What to draw.
            sampling: Temperature, lengths and stop texts.

        Yields:
            One completion for each key.

        Raises:
            ModelError: A prompt does not fit the model; the message names its problem.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


class EngineSettings(Member, Execution):
    """Settings of an engine. They say how samples are drawn, and never enter a key."""

    registry: ClassVar[Registry[EngineSettings]] = Registry("engine")
    type: str = ""

    def open(self, ref: ModelRef) -> Engine:
        """An engine with this model loaded.

        Raises:
            UserError: The settings do not fit this machine or model.
            ModelError: The model cannot be sampled.
            InfraError: What it needs, such as a server, is not there.
        """
        raise NotImplementedError


def check_length(
    problem_id: str, prompt_tokens: int, max_tokens: int, positions: int | None
) -> None:
    """ModelError for a prompt that leaves no room for its completion."""
    if positions and prompt_tokens + max_tokens > positions:
        room = positions - prompt_tokens
        raise ModelError(
            f"problem {problem_id}: its prompt has {prompt_tokens} tokens, which with max_tokens"
            f" {max_tokens} exceeds the model's {positions} positions; shorten it"
            + (f" or lower max_tokens, to {room} for this one" if room > 0 else "")
        )


def distinct(requests: Sequence[Request]) -> list[Request]:
    """The requests without repeated keys.

    The key is the identity of a sample: a second request with it asks for the same sample.
    """
    return list({request.key: request for request in requests}.values())
