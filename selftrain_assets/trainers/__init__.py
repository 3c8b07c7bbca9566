"""M-steps. To add one: a settings class as in protocol.py here, and its name in `AnyTrainer`."""

from typing import Annotated

from pydantic import Field

from selftrain_assets.trainers.scripted import ScriptedTrainer
from selftrain_assets.trainers.sft import SftTrainer

AnyTrainer = Annotated[SftTrainer | ScriptedTrainer, Field(discriminator="type")]

__all__ = ["AnyTrainer", "ScriptedTrainer", "SftTrainer"]
