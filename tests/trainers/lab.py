"""Settings of every trainer for short trainings, and what is compared of those."""

from __future__ import annotations

from selftrain_assets.testing.training import (
    Train,
    Trained,
    changed,
    furthest,
    logits,
    loss,
    mean,
    surprise,
)
from selftrain_assets.trainers import ScriptedTrainer, SftTrainer
from selftrain_assets.trainers.sft import Lora, SftExecution

__all__ = ["Train", "Trained", "changed", "furthest", "logits", "loss", "mean", "surprise"]

SETTINGS = {  # of every trainer, a few steps that already show; ten rows make three batches
    SftTrainer: {
        "full": SftTrainer(
            steps=4, batch_size=4, learning_rate=2e-3, execution=SftExecution(device="cpu")
        ),
        "lora": SftTrainer(
            steps=4,
            batch_size=4,
            learning_rate=1e-2,
            lora=Lora(r=4, dropout=0.1),
            execution=SftExecution(device="cpu"),
        ),
    },
    ScriptedTrainer: {"full": ScriptedTrainer(steps=4)},
}
VARIANTS = ("full", "lora")
