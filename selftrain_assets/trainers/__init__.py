"""M-steps. To add one: a settings class with `train` here, and its name in `AnyTrainer`."""

from selftrain_assets.trainers.sft import SftTrainer

AnyTrainer = SftTrainer

__all__ = ["AnyTrainer", "SftTrainer"]
