"""A trainer that learns nothing: it moves every weight a little, by rows, start and seed."""

from __future__ import annotations

import shutil
from typing import Self

from pydantic import Field

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.models.loading import ModelRef
from selftrain_assets.trainers.protocol import Trainer, TrainingJob, TrainingResult


class Jitter(Trainer):
    """Adds normally distributed noise in each step."""

    version = "1"
    steps: int = Field(1, ge=1, description="how often noise is added")
    scale: float = Field(1e-4, gt=0, description="standard deviation of the noise of a step")

    def require_fit(self, ref: ModelRef, setting: str) -> None:
        """Every model of safetensors can be moved."""

    def for_steps(self, steps: int) -> Self:
        return self.model_copy(update={"steps": steps})

    def train(self, job: TrainingJob) -> TrainingResult:
        import numpy as np
        from safetensors.numpy import load_file, save_file

        if not job.rows:
            raise TaskError("there is no row to train on")
        training = fingerprint([row.key for row in job.rows], job.start.digest, self, job.seed)
        noise = np.random.default_rng(int(training, 16))
        shutil.copytree(job.start.directory, job.output, dirs_exist_ok=True)
        [path] = job.output.glob("*.safetensors")
        weights = load_file(path)
        job.on_step(0, self.steps)
        for step in range(1, self.steps + 1):
            for name in sorted(weights):
                moved = weights[name] + noise.normal(0, self.scale, weights[name].shape)
                weights[name] = moved.astype(weights[name].dtype)
            job.on_step(step, self.steps)
        save_file(weights, path, metadata={"format": "pt"})
        tokens = sum(len(f"{row.prompt} {row.completion}".split()) for row in job.rows)
        return TrainingResult(self.steps, self.steps, self.steps * tokens, adapter=False)
