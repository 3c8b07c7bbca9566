"""A model that begins with random weights."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from selftrain_assets.domain.settings import Identity


class ScratchModel(Identity):
    """A byte-level transformer with random weights, which can be prompted with any text.

    The defaults are the model of the string-rewriting study (arXiv 2405.19787): GPT-2 with 6
    layers, width 256 and 4 heads.
    """

    architecture: Literal["gpt2", "llama"] = Field(
        "gpt2", description="gpt2 (learned positions) or llama (rotary positions)"
    )
    layers: int = Field(6, ge=1, description="transformer blocks")
    width: int = Field(256, ge=8, description="size of a hidden state")
    inner: int | None = Field(
        None, ge=8, description="units of the inner layer of a block; none: four times the width"
    )
    heads: int = Field(4, ge=1, description="attention heads, into which the width divides")
    positions: int = Field(
        512,
        ge=16,
        description="longest text in tokens, which are bytes, prompt and completion together",
    )
    initial: float = Field(
        0.02,
        gt=0,
        description=(
            "standard deviation of the weights; small models learn sooner from a larger one"
        ),
    )
    seed: int = Field(0, ge=0, description="seed of the weights")

    @model_validator(mode="after")
    def _heads_divide(self) -> ScratchModel:
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width {self.width} does not divide into {self.heads} heads of an even size; give"
                f" a multiple of {2 * self.heads}"
            )
        return self

    def __str__(self) -> str:
        return (
            f"{self.architecture} from scratch, {self.layers} layers of width {self.width}, seed"
            f" {self.seed}"
        )
