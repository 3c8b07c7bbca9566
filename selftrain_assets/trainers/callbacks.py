"""What `sft` does between the Trainer's steps: progress, states to resume from, the inner stop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError, safe_open
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from selftrain_assets.runtime.faultpoints import fault_point
from selftrain_assets.runtime.files import remove_folder, write_atomically
from selftrain_assets.trainers.divergence import require_finite_weights
from selftrain_assets.trainers.early_stopping import EarlyStopping
from selftrain_assets.trainers.examples import BatchOrder
from selftrain_assets.trainers.protocol import TrainingJob, Validate

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

STATE = "checkpoint-"  # and the step: the Trainer's name for a state that it resumes from


def newest_state(work: Path) -> str | None:
    """The last complete resume point below `work`; the Trainer writes trainer_state.json last."""
    states = [p.parent for p in work.glob(f"{STATE}*/trainer_state.json") if _is_complete(p)]
    return str(max(states, key=lambda p: int(p.name.removeprefix(STATE)))) if states else None


def _is_complete(trainer_state: Path) -> bool:
    """Were all files of the state written to their end?

    The Trainer does not write atomically, and a disk may lose what a machine had in memory.
    """
    try:
        for path in trainer_state.parent.glob("*.safetensors"):
            with safe_open(path, framework="pt"):
                pass
        # torch's files are archives, whose list of contents stands at the end
        for path in trainer_state.parent.iterdir():
            if path.suffix in (".pt", ".pth", ".bin") and not is_zipfile(path):
                return False
        return "global_step" in json.loads(trainer_state.read_text())
    except (ValueError, OSError, SafetensorError):
        return False


class Progress(TrainerCallback):
    """Reports the optimizer steps, and what the Trainer logs.

    That is mean loss, gradient norm, learning rate and epoch.
    """

    def __init__(self, job: TrainingJob) -> None:
        self._job = job

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        self._job.on_step(state.global_step, state.max_steps)

    on_train_begin = on_step_end

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        # the last entry is a summary in other terms
        if state.is_world_process_zero and logs is not None and "loss" in logs:
            figures = {name: float(value) for name, value in logs.items()}
            self._job.on_log(state.global_step, figures)


class Epochs(TrainerCallback):
    """Tells the sampler its epoch.

    The data loader does so too, but not where several processes skip batches to resume.
    """

    def __init__(self, order: BatchOrder) -> None:
        self._order = order

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        self._order.set_epoch(int(state.epoch or 0))


class Resumable(TrainerCallback):
    """Keeps the newest state alone.

    The Trainer's own rotation goes by the clock, and would remove the newest one where the clock
    was set back.
    """

    def __init__(self, work: Path, sharded: bool) -> None:
        self._work, self._sharded = work, sharded

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        fault_point("after-optimizer-step")
        if self._sharded and state.global_step == state.max_steps:
            # only a model that is being trained can load such a state, and no step is left
            control.should_save = False

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        fault_point("after-trainer-state")
        if not state.is_world_process_zero:
            return
        for older in self._work.glob(f"{STATE}*"):
            if older.name != f"{STATE}{state.global_step}":
                remove_folder(older)


class KeptStep(TrainerCallback):
    """Scores the policy every few steps and keeps the best weights.

    They are kept on disk, so that a resumed run still has them.
    """

    def __init__(
        self,
        settings: EarlyStopping,
        validate: Validate | None,
        model: PreTrainedModel | PeftModel,
        tokenizer: PreTrainedTokenizerBase,
        work: Path,
    ) -> None:
        self._settings, self._validate = settings, validate if settings.rule != "none" else None
        self._model, self._tokenizer, self._work = model, tokenizer, work
        self.scores: list[tuple[int, float]] = []
        if self._file.exists():
            self.scores = [tuple(pair) for pair in json.loads(self._file.read_text())]

    @property
    def _file(self) -> Path:
        return self._work / "validation.json"

    def finished(self, state: str, max_steps: int) -> TrainerState | None:
        """The trainer state, if nothing is left to do after it."""
        reached = TrainerState.load_from_json(str(Path(state) / "trainer_state.json"))
        self.scores = [pair for pair in self.scores if pair[0] <= reached.global_step]
        scores = [s for _, s in self.scores]
        dropped = self._settings.rule == "first_drop" and any(
            s < max(scores[:i]) for i, s in enumerate(scores) if i
        )
        return reached if dropped or reached.global_step >= max_steps else None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        # Scores noted after the state that we resume from belong to steps that will be done again.
        self.scores = [pair for pair in self.scores if pair[0] <= state.global_step]

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        if self._validate is None or (
            state.global_step % self._settings.every and state.global_step < state.max_steps
        ):
            return
        require_finite_weights(self._model, args, state)
        self._model.eval()
        with torch.inference_mode():
            score = self._validate(self._model, self._tokenizer)
        self._model.train()
        best = max((s for _, s in self.scores), default=float("-inf"))
        self.scores.append((state.global_step, score))
        if score > best:
            torch.save(_trained_weights(self._model), self._work / f"best-{state.global_step}.pt")
        elif score < best and self._settings.rule == "first_drop":
            control.should_training_stop = True
        write_atomically(self._file, json.dumps(self.scores))

    def restore_best(self, last_step: int) -> int:
        """Put the best weights back into the model; returns the step they are from."""
        if not self.scores:
            return last_step
        step = max(self.scores, key=lambda pair: (pair[1], -pair[0]))[0]
        weights = torch.load(self._work / f"best-{step}.pt", weights_only=True)
        self._model.load_state_dict(weights, strict=False)
        return step


def _trained_weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: p.detach().cpu().clone() for name, p in model.named_parameters() if p.requires_grad
    }
