"""What every trainer offers: rows and a start model in, a directory of weights out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from selftrain_assets.domain.settings import Identity
from selftrain_assets.domain.types import Row
from selftrain_assets.models.loading import ModelRef
from selftrain_assets.plugins import Member, Registry
from selftrain_assets.trainers.early_stopping import EarlyStopping

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from selftrain_assets.trainers.sft import Lora


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """`optimizer_steps` were made, and the weights after `steps` of them were kept.

    `tokens` went through the model. `losses` are (step, mean loss since the last entry) pairs,
    `validation` (step, score) pairs. `adapter` says whether the output directory holds an adapter
    or a full model, `loss` how the loss was taken.
    """

    steps: int
    optimizer_steps: int
    tokens: int
    adapter: bool
    losses: list[tuple[int, float]] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    loss: str = ""


Validate = Callable[["PreTrainedModel | PeftModel", "PreTrainedTokenizerBase"], float]
"""Scores a policy on the validation split; higher is better."""

NEVER = EarlyStopping()


def ignore_step(done: int, total: int) -> None:
    """In place of a callback, where nobody looks or another process cannot be called."""


def ignore_log(step: int, figures: dict[str, float]) -> None:
    """In place of a callback, as `ignore_step` is."""


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What to train, from what, and where.

    `work` holds what is needed to resume: a second job with the same `work` goes on from there. It
    stays until the caller has published `output` and removes it. `validate(model, tokenizer)`
    scores the policy on the validation split; `on_step(done, total)` shows progress, `on_log(step,
    figures)` the loss and what goes with it.
    """

    rows: Sequence[Row]
    start: ModelRef
    output: Path
    work: Path
    seed: int
    early_stopping: EarlyStopping = NEVER
    validate: Validate | None = None
    on_step: Callable[[int, int], None] = ignore_step
    on_log: Callable[[int, dict[str, float]], None] = ignore_log


class Trainer(Member, Identity):
    """Settings that can train."""

    registry: ClassVar[Registry[Trainer]] = Registry("trainer")
    type: str = ""

    @property
    def adapter(self) -> Lora | None:
        """Settings of the adapter that is trained; None where all weights are."""
        return getattr(self, "lora", None)

    def require_fit(self, ref: ModelRef, setting: str) -> None:
        """Check that this machine and this model can do what the settings ask.

        Args:
            ref: The model to be trained.
            setting: The section of the settings, for the message.

        Raises:
            ModelError: The model cannot.
            UserError: The machine cannot.
        """
        raise NotImplementedError

    def for_steps(self, steps: int) -> Self:
        """The same settings for so many optimizer steps."""
        raise NotImplementedError

    def train(self, job: TrainingJob) -> TrainingResult:
        """Train and write the weights into the job's `output`.

        TaskError if there is nothing to train on.
        """
        raise NotImplementedError
