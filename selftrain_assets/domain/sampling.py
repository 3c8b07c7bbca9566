"""How completions are drawn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from selftrain_assets.domain.settings import Identity
from selftrain_assets.domain.thinking import Thinking


def cut_at_stop(text: str, stops: Iterable[str]) -> tuple[str, str | None]:
    """`text` up to its first stop text, and that stop text.

    Of two stop texts that begin at one place the shorter counts, which was complete first.
    """
    at, _, stop = min(
        ((at, len(stop), stop) for stop in stops if (at := text.find(stop)) >= 0),
        default=(len(text), 0, None),
    )
    return text[:at], stop


class DrawSettings(Identity):
    """The part of the sampling settings that shapes one draw, and so enters the key of a sample."""

    added: ClassVar[tuple[str, ...]] = ("thinking",)

    temperature: float = Field(0.7, ge=0, description="0 decodes greedily")
    top_k: int = Field(0, ge=0, description="sample among the k likeliest tokens; 0 means all")
    top_p: float = Field(
        1.0, gt=0, le=1, description="sample among the likeliest tokens of this total probability"
    )
    max_tokens: int = Field(
        512, ge=1, description="completion tokens after which a sample is cut off"
    )
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="texts that end a completion; not part of it"
    )
    thinking: Thinking = Field(
        Thinking(), description="how a thinking model marks its thoughts, and how long they may be"
    )

    @model_validator(mode="after")
    def _room_for_an_answer(self) -> Self:
        if self.thinking.budget is not None and self.thinking.budget >= self.max_tokens:
            raise ValueError(
                f"thinking.budget {self.thinking.budget} leaves no room for an answer in"
                f" max_tokens {self.max_tokens}, which counts the thought too; lower the budget or"
                " raise max_tokens"
            )
        return self

    def up_to(self, max_tokens: int) -> DrawSettings:
        """The same up to this length, whatever the budget of a thought."""
        thinking = self.thinking.model_copy(update={"budget": None})
        return self.model_copy(update={"max_tokens": max_tokens, "thinking": thinking})


class Sampling(DrawSettings):
    """How many completions to draw for each problem, and how."""

    samples_per_problem: int = Field(
        4, ge=1, description="completions drawn for each problem in a round"
    )

    def greedy(self) -> Sampling:
        """One greedy completion, of the same length and with the same stops."""
        return self.model_copy(
            update={"temperature": 0.0, "top_k": 0, "top_p": 1.0, "samples_per_problem": 1}
        )

    def per_draw(self) -> DrawSettings:
        """Without the number of draws, so that drawing more keeps the draws already made.

        Greedy draws are alike whatever top_k and top_p say.
        """
        draw = DrawSettings(**self.model_dump(exclude={"samples_per_problem"}))
        return draw.model_copy(update={"top_k": 0, "top_p": 1.0}) if draw.temperature == 0 else draw
