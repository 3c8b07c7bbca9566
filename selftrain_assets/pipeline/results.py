"""What each stage notes of its result. Stages write these, and whoever reads a manifest reads it
as one of them."""

from __future__ import annotations

from typing import Annotated

from selftrain_assets.config.forks import Fork
from selftrain_assets.domain.weights import WeightsRef
from selftrain_assets.recipes.teachers import CheckpointOf
from selftrain_assets.store.results import Detail, In, Metric, StageResult

OptionalCount = Annotated[int | None, In("counts")]
Series = tuple[tuple[int, float], ...]
"""A value by optimizer step."""


class PolicyResult(StageResult):
    """The weights that a round samples from.

    `origin` is the scope whose checkpoint they are, or "teacher". `forks` are those that this round
    is the first after.
    """

    weights: Annotated[WeightsRef, In("detail", formerly="place")]
    origin: Detail[str]
    teacher: Detail[CheckpointOf | None] = None
    forks: Detail[tuple[Fork, ...]] = ()


class CheckpointResult(StageResult):
    """Weights after training; of a base that is the model as it is, the weights alone.

    `start` are the weights that training began from. `optimizer_steps_by_method` are counted where
    each method has weights of its own.
    """

    weights: Annotated[WeightsRef, In("detail", formerly="place")]
    start: Detail[WeightsRef | None] = None
    seed: Detail[int | None] = None
    rows: OptionalCount = None
    steps: OptionalCount = None
    optimizer_steps: OptionalCount = None
    optimizer_steps_by_method: Annotated[dict[str, int] | None, In("detail", "optimizer_steps")] = (
        None
    )
    losses: Metric[Series] = ()
    validation: Metric[Series] = ()
