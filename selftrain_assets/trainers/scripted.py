"""Deterministic trainer for tests, demonstrations and fault drills.

It learns nothing, in milliseconds and without torch.
"""

from __future__ import annotations

import json
import shutil
from typing import Literal, Self

from pydantic import Field

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.models.loading import ModelRef
from selftrain_assets.trainers.protocol import Trainer, TrainingJob, TrainingResult

NOTE = "scripted_training.json"


class ScriptedTrainer(Trainer):
    """Writes the start model again with a note of the training beside it.

    The note is a hash of rows, start weights, settings and seed. It is one of the files that the
    digest of weights covers, so that checkpoints of different trainings are different policies, as
    after real training. It looks at no validation problem.
    """

    type: Literal["scripted"] = "scripted"
    steps: int = Field(1, ge=1, description="optimizer steps that it reports")

    def require_fit(self, ref: ModelRef, setting: str) -> None:
        """Every model can be copied."""

    def for_steps(self, steps: int) -> Self:
        """The same for so many steps."""
        return self.model_copy(update={"steps": steps})

    def train(self, job: TrainingJob) -> TrainingResult:
        """Copy the full model of `job.start` and write the note.

        An adapter on it is in the note alone.
        """
        if not job.rows:
            raise TaskError("there is no row to train on")
        job.on_step(0, self.steps)
        job.output.mkdir(parents=True, exist_ok=True)
        for path in job.start.directory.iterdir():
            if path.is_file():
                shutil.copyfile(path, job.output / path.name)
        training = fingerprint(
            "scripted training", [row.key for row in job.rows], job.start.digest, self, job.seed
        )
        (job.output / NOTE).write_text(json.dumps({"training": training}))
        for step in range(1, self.steps + 1):
            job.on_step(step, self.steps)
        words = sum(len(f"{row.prompt} {row.completion}".split()) for row in job.rows)
        return TrainingResult(
            self.steps, self.steps, self.steps * words, adapter=False, loss="none"
        )
