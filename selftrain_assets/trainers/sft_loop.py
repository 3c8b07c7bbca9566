"""The training loop of `sft`: transformers' Trainer with our loss and order.

Only this file, callbacks.py and divergence.py import it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Sampler
from transformers import PrinterCallback, TrainingArguments

from selftrain_assets.models.loading import device_named
from selftrain_assets.runtime.files import needs_room
from selftrain_assets.trainers.arguments import with_liger
from selftrain_assets.trainers.callbacks import (
    Epochs,
    KeptStep,
    Progress,
    Resumable,
    newest_state,
)
from selftrain_assets.trainers.divergence import WatchedTrainer, require_finite_weights
from selftrain_assets.trainers.examples import (
    FILLER,
    IGNORED,
    Batch,
    BatchOrder,
    Example,
    pack,
    pad,
)
from selftrain_assets.trainers.loss import give_loss
from selftrain_assets.trainers.protocol import TrainingJob, TrainingResult

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from transformers.utils import ModelOutput

    from selftrain_assets.trainers.sft import SftTrainer


def run(
    settings: SftTrainer,
    job: TrainingJob,
    examples: list[Example],
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
) -> TrainingResult:
    """Train `model` in place and write the kept weights into the job's `output`.

    Training goes on from the newest state in the job's `work` if there is one. In a group of
    processes each trains on its share of every batch, and the first one writes.
    """
    sharded = settings.execution.sharding == "fsdp"
    work = job.work / "sharded" if sharded else job.work  # its states are of another kind
    arguments = _arguments(settings, len(examples), work, job.seed)
    loss = give_loss(
        model,
        max(examples, key=lambda e: len(e.input_ids)).input_ids,
        chunked=not arguments.deepspeed,
    )
    stop = KeptStep(job.early_stopping, job.validate, model, tokenizer, work)
    trainer = _WeightedTrainer(
        settings.normaliser,
        examples,
        model=model,
        args=arguments,
        data_collator=pack
        if settings.packing
        else lambda batch: pad(batch, tokenizer.pad_token_id),
        callbacks=[Progress(job), Resumable(work, sharded), stop],
    )
    trainer.remove_callback(PrinterCallback)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad) * 4
    state = newest_state(work)
    with needs_room(work, 3 * trained):  # a state: the weights, and two moments of each
        if state is not None and (reached := stop.finished(state, arguments.max_steps)):
            # killed after the last step: `train` would make one more
            trainer._load_from_checkpoint(state)
            trainer.state = reached
            job.on_step(reached.global_step, reached.max_steps)
        else:
            trainer.train(resume_from_checkpoint=state)
    made = trainer.state.global_step
    kept = stop.restore_best(made)
    with needs_room(job.output, trained):
        trainer.publish(job.output, tokenizer)
    losses = [
        (int(entry["step"]), entry["loss"])
        for entry in trainer.state.log_history
        if "loss" in entry
    ]
    tokens = trained_tokens(
        [len(e.input_ids) for e in examples], settings.batch_size, job.seed, made
    )
    packages = ["torch", "transformers"]
    packages += ["peft"] if settings.lora else []
    packages += ["bitsandbytes"] if settings.quantization else []
    versions = {name: version(name) for name in packages}
    return TrainingResult(
        kept, made, tokens, settings.lora is not None, losses, stop.scores, versions, loss
    )


def trained_tokens(lengths: list[int], batch_size: int, seed: int, steps: int) -> int:
    """Tokens that went through the model in so many optimizer steps."""
    order, total, epoch = BatchOrder(lengths, batch_size, seed), 0, 0
    while steps > 0:
        order.set_epoch(epoch)
        ids = list(order)[: steps * batch_size]
        total += sum(lengths[i] for i in ids)
        steps -= -(-len(ids) // batch_size)
        epoch += 1
    return total


def _arguments(settings: SftTrainer, examples: int, work: Path, seed: int) -> TrainingArguments:
    execution = settings.execution
    steps_per_epoch = max(1, -(-examples // settings.batch_size))
    steps = settings.steps or max(1, round((settings.epochs or 3) * steps_per_epoch))
    on_cpu, sharded = device_named(execution.device) == "cpu", execution.sharding == "fsdp"
    ours = {
        "output_dir": str(work),
        "max_steps": steps,
        "per_device_train_batch_size": settings.micro_batch_size,
        "gradient_accumulation_steps": settings.batch_size
        // (settings.micro_batch_size * execution.processes),
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(settings.warmup * steps),
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        # Full weights are float32 and computed with in bfloat16; LoRA has a bfloat16 model below
        # float32 adapters.
        "bf16": settings.lora is None and execution.computes_in_bfloat16,
        "gradient_checkpointing": execution.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "fsdp": sharded,
        "fsdp_config": {"version": 2} if sharded else None,
        "ddp_backend": "gloo" if on_cpu and execution.processes > 1 else None,
        "ddp_find_unused_parameters": False,
        "use_cpu": on_cpu,
        "seed": seed,
        "data_seed": seed,
        # A multiple of it ends at every saved state, so that a resumed run has the same mean
        # losses.
        "logging_steps": min(math.gcd(10, settings.execution.save_steps), steps),
        "save_strategy": "steps",
        "save_steps": settings.execution.save_steps,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
    }
    arguments = TrainingArguments(
        **ours | with_liger(settings.arguments | execution.speed_arguments)
    )
    if arguments.n_gpu > 1:
        # or the Trainer would give each of several GPUs a batch as large; `processes` is for that
        arguments._n_gpu = 1
    return arguments


class _Examples(torch.utils.data.Dataset):
    def __init__(self, examples: list[Example]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, i: int | None) -> Example:
        return FILLER if i is None else self.examples[i]


class SharedOrder(BatchOrder, Sampler):
    """The same order, under the type that the data loader asks for.

    Processes take micro-batches of it in turn; so that all have as many, the epoch ends with
    fillers, where accelerate would train on some rows twice.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, seed: int, taken_together: int
    ) -> None:
        super().__init__(lengths, batch_size, seed)
        self._fillers = -len(lengths) % taken_together

    def __len__(self) -> int:
        return super().__len__() + self._fillers

    def __iter__(self) -> Iterator[int | None]:  # type: ignore[override]
        yield from super().__iter__()
        yield from [None] * self._fillers


class _WeightedTrainer(WatchedTrainer):
    """Cross-entropy per completion token, times the row's weight, over a declared normaliser.

    The normaliser is summed over all micro-batches of an optimizer step, in all processes, so
    neither gradient accumulation nor the number of processes changes anything.
    """

    def __init__(
        self,
        normaliser: str,
        examples: list[Example],
        data_collator: Callable[[list[Example]], Batch],
        **arguments: Any,
    ) -> None:
        def collate(batch: list[Example]) -> Batch:
            return data_collator([e for e in batch if e is not FILLER] or [FILLER])

        super().__init__(train_dataset=_Examples(examples), data_collator=collate, **arguments)
        self._normaliser = normaliser
        # the loss below is already divided by the whole step's normaliser
        self.model_accepts_loss_kwargs = True
        together = self.args.world_size * self.args.train_batch_size
        whole = together * self.args.gradient_accumulation_steps
        alone = self.args.world_size == 1
        self._order = SharedOrder(
            [len(e.input_ids) for e in examples], whole, self.args.seed, 1 if alone else together
        )
        self.add_callback(Epochs(self._order))

    def _get_train_sampler(self, train_dataset: object = None) -> Sampler:
        return self._order

    def _get_num_items_in_batch(self, batch_samples: list[Batch], device: torch.device) -> float:
        amount = sum(self._amount(batch) for batch in batch_samples)
        if self.args.world_size > 1:
            amount = self.accelerator.reduce(
                torch.tensor(amount, dtype=torch.float64, device=device)
            ).item()
        return amount or 1  # rows of weight 0 alone: a loss of 0, not 0 / 0

    def _amount(self, batch: Batch) -> float:
        counted = batch["labels"][:, 1:] != IGNORED
        if self._normaliser == "tokens" or not counted.any():  # a filler is no row
            return counted.sum().item()
        if self._normaliser == "weighted_tokens":
            return (batch["loss_weights"][:, 1:] * counted).sum().item()
        packed = "position_ids" in batch
        return int((batch["position_ids"] == 0).sum()) if packed else len(batch["input_ids"])

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: float | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, ModelOutput]:
        outputs = model(**inputs, use_cache=False)
        # Gradients, and the losses that are reported, are averaged over the processes, where a sum
        # is wanted.
        loss = outputs.loss / num_items_in_batch * self.args.world_size
        return (loss, outputs) if return_outputs else loss

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        # what is written next, by the first process, says that the state is whole
        self.accelerator.wait_for_everyone()

    def publish(self, output: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        """Write the weights as a model or adapter directory."""
        require_finite_weights(self.model, self.args, self.state)
        # all take part in that
        gathered = self.accelerator.get_state_dict(self.model) if self.is_fsdp_enabled else None
        if not self.is_world_process_zero():
            return
        # its digest must not depend on where and by whom it is made
        for adapter in getattr(self.model, "peft_config", {}).values():
            # peft puts a path of this machine for None; the store knows what the adapter belongs on
            adapter.base_model_name_or_path = ""
            # a set, in an order that changes from process to process
            adapter.target_modules = sorted(adapter.target_modules)
        if gathered is not None:  # a tied weight is the same tensor no longer
            gathered = {
                name: weight
                for name, weight in gathered.items()
                if name not in self.model.all_tied_weights_keys
            }
        self.model.save_pretrained(output, state_dict=gathered)
        tokenizer.save_pretrained(output)
