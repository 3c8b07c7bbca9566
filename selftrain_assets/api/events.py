"""What happens while rounds are done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from selftrain_assets.pipeline.run import BASE, INPUTS, iteration_of
from selftrain_assets.store import Manifest


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage that is finished.

    Attributes:
        iteration: Its round, from 1; 0 for the problems, the base and the base's evaluation; None
            for a control.
        stage: Its name, such as `samples`, `dataset` or `evaluation`.
        reused: Whether this experiment had finished it before. A fork finishes the rounds that it
            shares anew, with the samples, verdicts and weights that are there.
        seconds: Wall time of the stage when it was done.
        counts: Numbers of records by name, such as `samples` or `pass`.
    """

    iteration: int | None
    stage: str
    reused: bool
    seconds: float
    counts: Mapping[str, int]

    @classmethod
    def of(cls, manifest: Manifest, reused: bool) -> StageFinished:
        """The event of a stage's manifest.

        Args:
            manifest: What the stage committed.
            reused: Was it finished before?
        """
        iteration = None
        if manifest.scope in (INPUTS, BASE):
            iteration = 0
        elif manifest.scope.startswith("iter-"):
            iteration = iteration_of(manifest.scope)
        return cls(iteration, manifest.stage, reused, manifest.seconds, manifest.counts)
