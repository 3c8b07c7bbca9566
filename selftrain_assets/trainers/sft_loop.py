"""The training loop of `sft`: transformers' Trainer with our loss, order and inner stop. The only file that imports it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from torch.utils.data import Sampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerState, TrainingArguments

from selftrain_assets.core.crash import crash_point
from selftrain_assets.core.files import remove_folder, write_atomically
from selftrain_assets.recipes.rounds import InnerStop
from selftrain_assets.trainers.examples import IGNORED, BucketSampler, Example, pack, pad
from selftrain_assets.trainers.protocol import TrainingJob, TrainingResult

STATE = "checkpoint-"  # and the step: the Trainer's name for a state that it resumes from


def run(settings, job: TrainingJob, examples: list[Example], model, tokenizer) -> TrainingResult:
    """Train `model` in place, from the newest state in the job's `work` if there is one. At the end it holds the kept weights."""
    arguments = _arguments(settings, len(examples), model, job.work, job.seed)
    stop = _InnerStop(job.inner_stop, job.validate, model, tokenizer, job.work)
    trainer = _WeightedTrainer(
        settings.normaliser,
        job.seed,
        examples,
        model=model,
        args=arguments,
        data_collator=pack if settings.packing else lambda batch: pad(batch, tokenizer.pad_token_id),
        callbacks=[_Progress(job.on_step), _Resumable(job.work), stop],
    )
    trainer.remove_callback(PrinterCallback)
    state = newest_state(job.work)
    if state is not None and (reached := stop.finished(state, arguments.max_steps)):
        trainer._load_from_checkpoint(state)  # killed after the last step: `train` would make one more
        trainer.state = reached
        job.on_step(reached.global_step, reached.max_steps)
    else:
        trainer.train(resume_from_checkpoint=state)
    made = trainer.state.global_step
    kept = stop.restore_best(made)
    losses = [(int(entry["step"]), entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
    tokens = trained_tokens([len(e.input_ids) for e in examples], settings.batch_size, job.seed, made)
    versions = {name: version(name) for name in ("torch", "transformers", *(["peft"] if settings.lora else []))}
    return TrainingResult(kept, made, tokens, settings.lora is not None, losses, stop.scores, versions)


def trained_tokens(lengths: list[int], batch_size: int, seed: int, steps: int) -> int:
    """Tokens that went through the model in so many optimizer steps."""
    order, total, epoch = BucketSampler(lengths, batch_size, seed), 0, 0
    while steps > 0:
        order.set_epoch(epoch)
        ids = list(order)[: steps * batch_size]
        total += sum(lengths[i] for i in ids)
        steps -= -(-len(ids) // batch_size)
        epoch += 1
    return total


def newest_state(work: Path) -> str | None:
    """The last complete resume point below `work`; the Trainer writes trainer_state.json last."""
    states = [p.parent for p in work.glob(f"{STATE}*/trainer_state.json") if _whole(p)]
    return str(max(states, key=lambda p: int(p.name.removeprefix(STATE)))) if states else None


def _whole(trainer_state: Path) -> bool:
    """Was it written to its end? The Trainer does not write it atomically."""
    try:
        return "global_step" in json.loads(trainer_state.read_text())
    except ValueError:
        return False


def _arguments(settings, examples: int, model, work: Path, seed: int) -> TrainingArguments:
    micro = min(settings.execution.micro_batch_size or settings.batch_size, settings.batch_size)
    steps_per_epoch = max(1, -(-examples // settings.batch_size))
    steps = settings.steps or max(1, round((settings.epochs or 3) * steps_per_epoch))
    return TrainingArguments(
        output_dir=str(work),
        max_steps=steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=settings.batch_size // micro,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(settings.warmup * steps),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        # Full weights are float32 and computed with in bfloat16; LoRA has a bfloat16 model below float32 adapters.
        bf16=settings.lora is None and settings.execution.computes_in_bfloat16(model.device.type),
        use_cpu=model.device.type == "cpu",
        seed=seed,
        data_seed=seed,
        # A multiple of it ends at every saved state, so that a resumed run has the same mean losses.
        logging_steps=min(math.gcd(10, settings.execution.save_steps), steps),
        save_strategy="steps",
        save_steps=settings.execution.save_steps,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )


class _Examples(torch.utils.data.Dataset):
    def __init__(self, examples: list[Example]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, i: int) -> Example:
        return self.examples[i]


class _TorchBucketSampler(BucketSampler, Sampler):
    """The same order, under the type that the data loader asks for."""


class _WeightedTrainer(Trainer):
    """Cross-entropy per completion token, times the row's weight, over a declared normaliser.

    The normaliser is summed over all micro-batches of an optimizer step, so gradient accumulation changes nothing.
    """

    def __init__(self, normaliser: str, order_seed: int, examples: list[Example], **arguments) -> None:
        super().__init__(train_dataset=_Examples(examples), **arguments)
        self._examples = examples
        self._normaliser, self._order_seed = normaliser, order_seed
        self.model_accepts_loss_kwargs = True  # the loss below is already divided by the whole step's normaliser

    def _get_train_sampler(self, train_dataset=None):
        lengths = [len(e.input_ids) for e in self._examples]
        return _TorchBucketSampler(lengths, self.args.train_batch_size * self.args.gradient_accumulation_steps, self._order_seed)

    def _get_num_items_in_batch(self, batch_samples: list, device):
        return sum(self._amount(batch) for batch in batch_samples) or 1  # rows of weight 0 alone: a loss of 0, not 0 / 0

    def _amount(self, batch: dict) -> float:
        counted = batch["labels"][:, 1:] != IGNORED
        if self._normaliser == "tokens":
            return counted.sum().item()
        if self._normaliser == "weighted_tokens":
            return (batch["loss_weights"][:, 1:] * counted).sum().item()
        return _rows(batch)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels, weights = inputs.pop("labels")[:, 1:], inputs.pop("loss_weights")[:, 1:]
        outputs = model(**inputs, use_cache=False)
        logits = outputs.logits[:, :-1].float()
        losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none", ignore_index=IGNORED)
        loss = (losses * weights).sum() / num_items_in_batch
        return (loss, outputs) if return_outputs else loss


def _rows(batch: dict) -> int:
    return int((batch["position_ids"] == 0).sum()) if "position_ids" in batch else len(batch["input_ids"])


class _Progress(TrainerCallback):
    def __init__(self, on_step: Callable[[int, int], None]) -> None:
        self._on_step = on_step

    def on_train_begin(self, args, state, control, **_):
        self._on_step(state.global_step, state.max_steps)

    def on_step_end(self, args, state, control, **_):
        self._on_step(state.global_step, state.max_steps)


class _Resumable(TrainerCallback):
    """Keeps the newest state alone. The Trainer's own rotation goes by the clock, and would remove the newest one where
    the clock was set back."""

    def __init__(self, work: Path) -> None:
        self._work = work

    def on_step_end(self, args, state, control, **_):
        crash_point("after-optimizer-step")

    def on_save(self, args, state, control, **_):
        crash_point("after-trainer-state")
        for older in self._work.glob(f"{STATE}*"):
            if older.name != f"{STATE}{state.global_step}":
                remove_folder(older)


class _InnerStop(TrainerCallback):
    """Scores the policy every few steps; keeps the best weights on disk, so that a resumed run still has them."""

    def __init__(self, settings: InnerStop, validate, model, tokenizer, work: Path) -> None:
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
        dropped = self._settings.rule == "first_drop" and any(s < max(scores[:i]) for i, s in enumerate(scores) if i)
        return reached if dropped or reached.global_step >= max_steps else None

    def on_train_begin(self, args, state, control, **_):
        # Scores noted after the state that we resume from belong to steps that will be done again.
        self.scores = [pair for pair in self.scores if pair[0] <= state.global_step]

    def on_step_end(self, args, state, control, **_):
        if self._validate is None or (state.global_step % self._settings.every and state.global_step < state.max_steps):
            return
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


def _trained_weights(model) -> dict:
    return {name: p.detach().cpu().clone() for name, p in model.named_parameters() if p.requires_grad}
