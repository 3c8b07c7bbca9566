"""The parts of benchmarks/gpu.py that train."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from transformers import TrainerCallback, set_seed

from benchmarks.gpu_models import QWEN, SEED, SMOLLM2, TINY_QWEN, TINY_SMOLLM2, random_model, rows
from benchmarks.gpu_parts import Found, Steps, Task, one_line
from selftrain_assets.domain.types import Row
from selftrain_assets.models.loading import ModelRef, load_model
from selftrain_assets.models.tokenization import load_tokenizer
from selftrain_assets.trainers import SftTrainer, sft_loop
from selftrain_assets.trainers.examples import IGNORED, Example, pad, tokenize
from selftrain_assets.trainers.loss import give_loss
from selftrain_assets.trainers.protocol import TrainingJob, TrainingResult
from selftrain_assets.trainers.sft import Lora, SftExecution

RATE, DECAY = 1e-4, 0.01
TURNS = 3
KERNELS = ("sdpa", "flash_attention_2", "flex_attention", "eager")


# -- the trainer, TRL's, and a bare loop -----------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """The same for every way to train: all rows are in every step, so each step has the same
    tokens. In bfloat16: full weights are float32 and computed with in bfloat16; LoRA has a
    bfloat16 model below a float32 adapter."""

    ref: ModelRef
    rows: list[Row]
    steps: int
    device: str
    lora: bool

    @property
    def execution(self) -> SftExecution:
        return SftExecution(
            device=self.device, dtype="bfloat16", micro_batch_size=len(self.rows), save_steps=10**6
        )

    def model(self):
        """As it is trained, with the attention kernel that the trainer takes."""
        from peft import get_peft_model

        set_seed(SEED)
        model = load_model(
            self.ref,
            self.device,
            "bfloat16" if self.lora else "float32",
            attention=self.execution.kernel,
        )
        return (get_peft_model(model, Lora().config()) if self.lora else model).train()

    def examples(self, tokenizer) -> list[Example]:
        return [tokenize(row, tokenizer, 2048) for row in self.rows]


def ours(job: Job, steps: Steps, chunked: bool) -> None:
    settings = SftTrainer(
        steps=job.steps,
        batch_size=len(job.rows),
        learning_rate=RATE,
        weight_decay=DECAY,
        lora=Lora() if job.lora else None,
        execution=job.execution,
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(sft_loop, "give_loss", partial(give_loss, chunked=chunked)),
    ):
        settings.train(
            TrainingJob(job.rows, job.ref, Path(folder), Path(folder), SEED, on_step=steps.done)
        )


def trl(job: Job, steps: Steps, loss: str) -> None:
    from datasets import Dataset, disable_progress_bars
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    tokenizer = load_tokenizer(job.ref)
    data = Dataset.from_list(
        [{"input_ids": e.input_ids, "labels": e.labels} for e in job.examples(tokenizer)]
    )

    class Moments(TrainerCallback):
        def on_train_begin(self, args, state, control, **_):
            steps.done(0, job.steps)

        def on_step_end(self, args, state, control, **_):
            steps.done(state.global_step, job.steps)

    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder,
            max_steps=job.steps,
            per_device_train_batch_size=len(job.rows),
            learning_rate=RATE,
            weight_decay=DECAY,
            lr_scheduler_type="cosine",
            max_grad_norm=1.0,
            max_length=2048,
            loss_type=loss,
            bf16=not job.lora,
            gradient_checkpointing=False,
            logging_steps=10,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=job.device == "cpu",
            seed=SEED,
        )
        SFTTrainer(
            model=job.model(),
            args=arguments,
            train_dataset=data,
            processing_class=tokenizer,
            callbacks=[Moments()],
        ).train()


def bare(job: Job, steps: Steps) -> None:
    """As little as can be done: AdamW, a cosine, the mean over all logits."""
    from transformers import get_cosine_schedule_with_warmup

    model, tokenizer = job.model(), load_tokenizer(job.ref)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=DECAY, fused=True)
    schedule = get_cosine_schedule_with_warmup(optimizer, 0, job.steps)
    batch = pad(job.examples(tokenizer), tokenizer.pad_token_id)
    steps.done(0, job.steps)
    for step in range(1, job.steps + 1):
        here = {name: tensor.to(job.device) for name, tensor in batch.items()}
        with torch.autocast(job.device, torch.bfloat16, enabled=not job.lora):
            logits = model(
                input_ids=here["input_ids"], attention_mask=here["attention_mask"], use_cache=False
            ).logits[:, :-1]
        labels = here["labels"][:, 1:].flatten()
        torch.nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), labels, ignore_index=IGNORED
        ).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        del logits
        steps.done(step, job.steps)


WAYS: dict[str, Callable[[Job, Steps], None]] = {
    "sft, loss in chunks": partial(ours, chunked=True),
    "sft, all logits at once": partial(ours, chunked=False),
    "trl, nll": partial(trl, loss="nll"),
    "trl, chunked_nll": partial(trl, loss="chunked_nll"),
    "bare loop": bare,
}


def qwen(task: Task, found: Found) -> None:
    """Every way in turns, as many turns as there is time for, each beginning with another one."""
    warm_up, timed = (1, 2) if task.tiny else (3, 5)
    longest = 128 if task.tiny else 2048
    chosen = rows([longest // 2 + (longest // 2) * i // 7 for i in range(8)])
    with tempfile.TemporaryDirectory() as folder:
        ref = random_model(TINY_QWEN if task.tiny else QWEN, Path(folder))
        tokenizer = load_tokenizer(ref)
        tokens = sum(len(tokenize(row, tokenizer, 2048).input_ids) for row in chosen)
        found["rows"], found["tokens_of_a_step"], found["padded_length"] = (
            len(chosen),
            tokens,
            longest,
        )
        kinds = [
            (f"{weights}: {name}", way, weights == "lora")
            for weights in ("full", "lora")
            for name, way in WAYS.items()
        ]
        measured: dict[str, dict[str, Any]] = {
            name: {"tokens_per_second": [], "peak_gib": []} for name, _, _ in kinds
        }
        turn, slowest = 0, 0.0
        while turn < TURNS and 1.2 * slowest < task.left:
            began = time.monotonic()
            for name, way, lora in kinds[turn:] + kinds[:turn]:
                if "failed" in measured[name]:
                    continue
                steps = Steps(task.device)
                try:
                    with steps:
                        way(Job(ref, chosen, warm_up + timed, task.device, lora), steps)
                    measured[name]["tokens_per_second"].append(
                        round(tokens / statistics.median(steps.seconds(warm_up)))
                    )
                    measured[name]["peak_gib"].append(steps.peak)
                except Exception as error:  # such as too little memory
                    measured[name]["failed"] = one_line(error)
                print(f"  {name}: {measured[name]}", flush=True)
                found["turns"] = measured
            turn, slowest = turn + 1, max(slowest, time.monotonic() - began)
            found["medians"] = {
                name: median(of) for name, of in measured.items() if "failed" not in of
            }
    if failed := [name for name, of in measured.items() if "failed" in of]:
        raise RuntimeError(f"{', '.join(failed)}; the reasons are under turns")


def median(turns: dict[str, list[Any]]) -> dict[str, Any]:
    """Of the speeds; of the memory the most."""
    return {
        "tokens_per_second": statistics.median(turns["tokens_per_second"]),
        "peak_gib": max(filter(None, turns["peak_gib"]), default=None),
    }


# -- the loss on both, and kernels -----------------------------------------------------------------


def train(ref: ModelRef, settings: SftTrainer, chosen: Sequence[Row]) -> TrainingResult:
    """Train, and forget the weights."""
    with tempfile.TemporaryDirectory() as folder:
        return settings.train(
            TrainingJob(chosen, ref, Path(folder) / "output", Path(folder) / "work", SEED)
        )


def losses(task: Task, found: Found) -> None:
    """Of every step, on the CPU and on the GPU: same rows, order and seed."""
    places = {"cpu float32": ("cpu", "float32")}
    if task.device == "cuda":
        places |= {"gpu float32": ("cuda", "float32"), "gpu bfloat16": ("cuda", "bfloat16")}
    chosen, curves = rows([32 + 3 * i for i in range(32)]), {}
    with tempfile.TemporaryDirectory() as folder:
        ref = random_model(TINY_SMOLLM2 if task.tiny else SMOLLM2, Path(folder))
        for name, (device, dtype) in places.items():
            # No divisor of ten but one: the loss of every step is reported, and no state is saved
            # before the last.
            execution = SftExecution(device=device, dtype=dtype, save_steps=10**6 + 1)
            settings = SftTrainer(
                steps=2 if task.tiny else 10, batch_size=8, learning_rate=RATE, execution=execution
            )
            curves[name] = [loss for _, loss in train(ref, settings, chosen).losses]
            found["curves"] = curves
            print(f"  {name}: {curves[name][0]:.4f} to {curves[name][-1]:.4f}", flush=True)
    expected = curves["cpu float32"]
    found["largest_relative_difference"] = {
        name: max(abs(value - right) / right for value, right in zip(curve, expected, strict=True))
        for name, curve in curves.items()
    }
    print(f"  largest relative difference: {found['largest_relative_difference']}", flush=True)


def kernels(task: Task, found: Found) -> None:
    """Rows of very unequal length, padded and packed. A kernel that is not installed, or does
    not compile here, says so."""
    steps, chosen = (3, rows(range(24, 56, 4))) if task.tiny else (8, rows(range(64, 512, 7)))
    ways: dict[str, dict[str, Any]] = {
        "padded": {},
        "padded, gradient checkpointing": {"gradient_checkpointing": True},
        **{f"packed, {kernel}": {"attention": kernel} for kernel in KERNELS},
    }
    with tempfile.TemporaryDirectory() as folder:
        ref = random_model(TINY_SMOLLM2 if task.tiny else SMOLLM2, Path(folder))
        for name, way in ways.items():
            execution = SftExecution(
                device=task.device, dtype="bfloat16", micro_batch_size=8, save_steps=10**6, **way
            )
            settings = SftTrainer(
                steps=steps,
                batch_size=len(chosen),
                packing=name.startswith("packed"),
                execution=execution,
            )
            timer = Steps(task.device)
            try:
                with timer, tempfile.TemporaryDirectory() as work:
                    settings.train(
                        TrainingJob(chosen, ref, Path(work), Path(work), SEED, on_step=timer.done)
                    )
                tokens = sum(
                    len(tokenize(row, load_tokenizer(ref), 2048).input_ids) for row in chosen
                )
                speed = round(tokens / statistics.median(timer.seconds(steps - 2)))
                found[name] = {"tokens_per_second": speed, "peak_gib": timer.peak}
            except Exception as error:
                found[name] = {"refused": one_line(error)}
            print(f"  {name}: {found[name]}", flush=True)
