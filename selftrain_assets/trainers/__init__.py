"""M-steps. To add one: a subclass of `Trainer`, and its name in `TRAINERS.add` here."""

from selftrain_assets.trainers.protocol import Trainer
from selftrain_assets.trainers.scripted import ScriptedTrainer
from selftrain_assets.trainers.sft import SftTrainer

TRAINERS = Trainer.registry
TRAINERS.add(SftTrainer, ScriptedTrainer)

__all__ = ["TRAINERS", "ScriptedTrainer", "SftTrainer", "Trainer"]
