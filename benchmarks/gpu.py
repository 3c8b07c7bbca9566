"""Training and sampling on a GPU, against the CPU: python benchmarks/gpu.py [--quick] [--cpu-only] [--json FILE]

Two models: the embedded one, and one of the size of SmolLM2-135M with random weights, so that nothing is downloaded. For each:

- the loss of every step on the CPU in float32 and on the GPU in float32 and bfloat16, same rows, order and seed, and the largest
  relative difference between them;
- tokens per second and peak memory of training in bfloat16, with gradient checkpointing, and with rows packed, by attention kernel;
- tokens per second of sampling with the engine `transformers`.

Needs torch, transformers, peft, accelerate, pyarrow, pydantic and this package.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, set_seed

from selftrain_assets.core.errors import UserError
from selftrain_assets.core.sampling import DrawSettings
from selftrain_assets.core.selection import make_row
from selftrain_assets.core.types import Request, Row
from selftrain_assets.engines.transformers_engine import TransformersSettings
from selftrain_assets.models.loading import ModelRef, resolve_model
from selftrain_assets.models.pretrain import vocabulary
from selftrain_assets.models.tokenization import load_tokenizer
from selftrain_assets.trainers import SftTrainer
from selftrain_assets.trainers.protocol import TrainingJob
from selftrain_assets.trainers.sft import Lora, SftExecution

SMOLLM2 = {  # the sizes of SmolLM2-135M
    "hidden_size": 576,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "intermediate_size": 1536,
    "vocab_size": 49152,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}
KERNELS = ("sdpa", "flash_attention_2", "flex_attention", "eager")
SEED = 0
WARM_UP = 3  # steps that are not timed: kernels are chosen and compiled in them


@dataclass(frozen=True)
class Size:
    """How much is run."""

    curve_steps: int
    curve_batch: int
    steps: int
    batch: int
    requests: int


FULL = Size(curve_steps=20, curve_batch=8, steps=23, batch=64, requests=512)
QUICK = Size(curve_steps=4, curve_batch=2, steps=5, batch=8, requests=16)


def main() -> None:
    asked = argparse.ArgumentParser(description="Training and sampling on a GPU, against the CPU.")
    asked.add_argument("--quick", action="store_true", help="a few steps: shows that it runs, measures nothing")
    asked.add_argument("--cpu-only", action="store_true", help="the part that needs no GPU: the losses on the CPU")
    asked.add_argument("--json", type=Path, help="write all figures into this file")
    options = asked.parse_args()
    if not (options.cpu_only or torch.cuda.is_available()):
        sys.exit("This benchmark needs a GPU; --cpu-only runs the part that needs none.")
    size, on_gpu = QUICK if options.quick else FULL, not options.cpu_only
    figures: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "versions": {name: version(name) for name in ("torch", "transformers", "peft", "accelerate")},
        "quick": options.quick,
        "models": {},
    }
    with TemporaryDirectory(prefix="selftrain-gpu-") as folder:
        for name, ref in {"embedded": resolve_model("embedded"), "SmolLM2-sized": random_model(Path(folder) / "model")}.items():
            print(f"\n{name}", flush=True)
            figures["models"][name] = found = {"losses": losses(ref, size, on_gpu)}
            if on_gpu:
                found |= {"training": training(ref, size), "sampling": sampling(ref, size)}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def random_model(folder: Path) -> ModelRef:
    """A Llama of SmolLM2's size with random weights and the embedded model's tokenizer."""
    set_seed(SEED)
    tokenizer = load_tokenizer(resolve_model("embedded"))
    LlamaForCausalLM(LlamaConfig(**SMOLLM2, eos_token_id=tokenizer.eos_token_id)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return resolve_model(str(folder))


def texts(number: int, shortest: int, longest: int) -> list[str]:
    """Random words, a token each."""
    rng, words = random.Random(SEED), [word for word in vocabulary() if word.isalpha()]
    return [" ".join(rng.choices(words, k=rng.randint(shortest, longest))) for _ in range(number)]


def rows(number: int, longest: int) -> list[Row]:
    """Rows of very unequal length, three quarters of it completion."""
    halves = [(text.split(), f"row-{i}") for i, text in enumerate(texts(number, longest // 8, longest))]
    return [make_row(" ".join(w[: len(w) // 4]), " ".join(w[len(w) // 4 :]), 1.0, "human", name, 1) for w, name in halves]


def train(ref: ModelRef, settings: SftTrainer, chosen: Sequence[Row]) -> dict[str, Any]:
    """Train, and forget the weights: the loss of every step, tokens per second after the warm-up, peak memory in GiB."""
    on_gpu, moments = settings.execution.device == "cuda", []

    def on_step(done: int, total: int) -> None:
        if on_gpu:
            torch.cuda.synchronize()
        moments.append(time.perf_counter())

    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with TemporaryDirectory(prefix="selftrain-gpu-") as folder:
        result = settings.train(TrainingJob(chosen, ref, Path(folder) / "output", Path(folder) / "work", SEED, on_step=on_step))
    timed = moments[min(WARM_UP, len(moments) - 2) :]
    tokens = result.tokens * (len(timed) - 1) / result.optimizer_steps  # every step has the same rows
    return {
        "losses": [loss for _, loss in result.losses],
        "tokens_per_second": round(tokens / (timed[-1] - timed[0])),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if on_gpu else None,
    }


def losses(ref: ModelRef, size: Size, on_gpu: bool) -> dict[str, Any]:
    """Of every step, on the CPU and on the GPU."""
    places = {"cpu float32": ("cpu", "float32")}
    if on_gpu:
        places |= {"gpu float32": ("cuda", "float32"), "gpu bfloat16": ("cuda", "bfloat16")}
    chosen, curves = rows(4 * size.curve_batch, 128), {}
    for name, (device, dtype) in places.items():
        # No divisor of ten but one: the loss of every step is reported, and no state is saved before the last.
        execution = SftExecution(device=device, dtype=dtype, save_steps=10**6 + 1)
        settings = SftTrainer(steps=size.curve_steps, batch_size=size.curve_batch, learning_rate=1e-4, execution=execution)
        curves[name] = train(ref, settings, chosen)["losses"]
        print(f"  loss, {name}: {curves[name][0]:.4f} to {curves[name][-1]:.4f}", flush=True)
    expected = curves["cpu float32"]
    apart = {
        name: max(abs(found - right) / right for found, right in zip(curve, expected, strict=True))
        for name, curve in curves.items()
        if name != "cpu float32"
    }
    for name, difference in apart.items():
        print(f"  largest relative difference of the loss, {name} from cpu float32: {difference:.1e}", flush=True)
    return {"curves": curves, "largest_relative_difference": apart}


def training(ref: ModelRef, size: Size) -> list[dict[str, Any]]:
    """Tokens per second and memory. All rows are in every step, so that each has as many tokens."""
    chosen = rows(size.batch, 480)
    ways: dict[str, dict[str, Any]] = {
        "bfloat16": {},
        "bfloat16, gradient checkpointing": {"gradient_checkpointing": True},
        "bfloat16, adapter": {"lora": Lora()},
        **{f"bfloat16, packed, {kernel}": {"packing": True, "attention": kernel} for kernel in KERNELS},
        "bfloat16, packed, auto, gradient checkpointing": {"packing": True, "gradient_checkpointing": True},
    }
    table = []
    for name, way in ways.items():
        own = {key: way.pop(key) for key in ("packing", "lora") if key in way}
        execution = SftExecution(device="cuda", dtype="bfloat16", micro_batch_size=min(8, size.batch), save_steps=10**6, **way)
        found: dict[str, Any] = {"way": name}
        try:
            found |= train(ref, SftTrainer(steps=size.steps, batch_size=size.batch, execution=execution, **own), chosen)
            del found["losses"]
            print(f"  training, {name}: {found['tokens_per_second']:,} tokens/s, {found['peak_gib']} GiB", flush=True)
        except (UserError, RuntimeError) as error:  # a kernel that is not here, or does not compile, or too little memory
            found["failed"] = str(error).splitlines()[0]
            print(f"  training, {name}: {found['failed']}", flush=True)
        table.append(found)
    return table


def sampling(ref: ModelRef, size: Size) -> dict[str, Any]:
    """Tokens per second of the engine `transformers`, all in one batch."""
    asked = [Request(str(i), str(i), text, i, i) for i, text in enumerate(texts(size.requests, 32, 64))]
    draws = DrawSettings(temperature=1.0, max_tokens=128)
    with TransformersSettings(batch_size=size.requests, device="cuda").open(ref) as engine:
        list(engine.generate(asked[:8], DrawSettings(temperature=1.0, max_tokens=8)))
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        started = time.perf_counter()
        tokens = sum(completion.completion_tokens for completion in engine.generate(asked, draws))
        torch.cuda.synchronize()
        seconds = time.perf_counter() - started
    found = {"tokens_per_second": round(tokens / seconds), "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2)}
    print(f"  sampling: {found['tokens_per_second']:,} tokens/s, {found['peak_gib']} GiB", flush=True)
    return found


if __name__ == "__main__":
    main()
