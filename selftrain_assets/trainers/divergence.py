"""A training that diverges ends at its first non-finite step and leaves nothing behind.

That is the first step whose loss, gradient norm or weights are not finite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from transformers import Trainer, TrainerState, TrainingArguments

from selftrain_assets.domain.errors import DivergenceError, IntegrityError
from selftrain_assets.domain.types import Row
from selftrain_assets.models.finiteness import is_finite
from selftrain_assets.trainers.examples import Batch


class WatchedTrainer(Trainer):
    """Checks loss and gradient norm of every step before the update, and weights before a save.

    In a group of processes all see the same loss and the same norm, so that all stop at the same
    step for the same reason.
    """

    _step_loss: torch.Tensor | float = 0.0

    def training_step(
        self, model: torch.nn.Module, inputs: Batch, num_items_in_batch: float | None = None
    ) -> torch.Tensor:
        loss = super().training_step(model, inputs, num_items_in_batch)
        self._step_loss = self._step_loss + loss
        return loss

    def _get_grad_norm(
        self, model: torch.nn.Module, grad_norm: float | None = None
    ) -> torch.Tensor | float:
        norm = super()._get_grad_norm(model, grad_norm)
        loss, self._step_loss = self._step_loss, 0.0
        self._require_finite(
            "loss", self.accelerator.reduce(loss, "mean") if self.args.world_size > 1 else loss
        )
        # in float16 a step whose gradient overflows is left out, and the next loss is scaled less
        if self.accelerator.scaler is None:
            self._require_finite("gradient norm", norm)
        return norm

    def _require_finite(self, quantity: str, value: torch.Tensor | float) -> None:
        number = value.item() if isinstance(value, torch.Tensor) else value
        if not math.isfinite(number):
            step = f"{self.state.global_step + 1} of {self.state.max_steps}"
            raise _divergence(f"the {quantity} of step {step} is {number}", self.model, self.args)

    def _save_checkpoint(self, model: torch.nn.Module, trial: object) -> None:
        require_finite_weights(self.model, self.args, self.state)
        super()._save_checkpoint(model, trial)


def require_finite_weights(
    model: torch.nn.Module, args: TrainingArguments, state: TrainerState
) -> None:
    """Check that all weights are finite, before they are kept: it reads all that are trained.

    Raises:
        DivergenceError: A weight is not finite.
    """
    for name, weight in model.named_parameters():
        if weight.requires_grad and not is_finite(weight):
            raise _divergence(
                f"after step {state.global_step} of {state.max_steps} the weight {name} is not"
                " finite",
                model,
                args,
            )


def _divergence(happened: str, model: torch.nn.Module, args: TrainingArguments) -> DivergenceError:
    in_bfloat16 = args.bf16 or any(weight.dtype == torch.bfloat16 for weight in model.parameters())
    precise = ", or execution.dtype: float32 in place of bfloat16" if in_bfloat16 else ""
    return DivergenceError(
        f"training: {happened}, so it has ended and nothing of it is kept; set a learning_rate"
        f" lower than {args.learning_rate:g}, a longer warmup, a max_grad_norm lower than"
        f" {args.max_grad_norm:g}{precise}"
    )


def require_finite_row_weights(rows: Sequence[Row]) -> None:
    """Check that the weights of rows are finite: else the loss and all weights would not be.

    Raises:
        IntegrityError: A row weighs NaN or infinity.
    """
    for row in rows:
        factors = [section["factor"] for section in row.sections or ()]
        if not all(map(math.isfinite, (row.weight, *factors))):
            weight = f"{row.weight} times {factors} in its sections" if factors else row.weight
            raise IntegrityError(
                f"problem {row.problem_id}: a training row has the weight {weight}, which is no"
                " finite number; make its dataset again"
            )
