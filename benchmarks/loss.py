"""Measure memory and time of the training loss: python -m benchmarks.loss [--quick] [--json FILE]

Computes the loss of a batch and its gradients from all logits at once and in chunks
(selftrain_assets/trainers/loss.py), in turns, each in a process of its own. The model is a Llama of
2 layers with random weights and a vocabulary of 152k; a quarter of each row is its prompt. Memory
is the peak during the step, minus what was in use before it. Time is the shorter of two steps; the
result is the median over the turns.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

VOCABULARY, WIDTH, ROWS = 152_000, 64, 8
WAYS = {"plain": False, "chunked": True}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="memory and time of the training loss")
    parser.add_argument("--quick", action="store_true", help="shorter rows, fewer turns")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there as well")
    parser.add_argument("--vocabulary", type=int, default=VOCABULARY)
    parser.add_argument("--length", type=int, help="tokens of a row; default 768, with --quick 256")
    parser.add_argument("--turns", type=int, help="default 3, with --quick 2")
    # one measurement, in this process
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    length, turns = (
        chosen.length or (256 if chosen.quick else 768),
        chosen.turns or (2 if chosen.quick else 3),
    )
    if chosen.way:
        print(json.dumps(measure(WAYS[chosen.way], chosen.vocabulary, length)))
        return
    result = compare(chosen.vocabulary, length, turns)
    print(text := json.dumps(result, indent=1))
    if chosen.json:
        chosen.json.write_text(text + "\n")


def compare(vocabulary: int, length: int, turns: int) -> dict:
    """Both ways, in turns."""
    found: dict[str, list[dict]] = {way: [] for way in WAYS}
    for _ in range(turns):
        for way, results in found.items():
            command = [
                sys.executable,
                "-m",
                "benchmarks.loss",
                "--way",
                way,
                "--length",
                str(length),
                "--vocabulary",
                str(vocabulary),
            ]
            results.append(
                json.loads(
                    subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
                )
            )
    peak = {way: max(result["peak_gb"] for result in results) for way, results in found.items()}
    seconds = {
        way: statistics.median(result["seconds"] for result in results)
        for way, results in found.items()
    }
    return {
        "peak_gb_plain": peak["plain"],
        "peak_gb": peak["chunked"],
        "seconds_plain": seconds["plain"],
        "seconds": seconds["chunked"],
        "seconds_over_plain": round(seconds["chunked"] / seconds["plain"], 3),
        "rows": ROWS,
        "length": length,
        "vocabulary": vocabulary,
        "turns": turns,
        "losses": [found[way][0]["loss"] for way in WAYS],
        "device": found["plain"][0]["device"],
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
    }


def measure(chunked: bool, vocabulary: int, length: int) -> dict:
    """Two steps in this process."""
    import psutil
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from selftrain_assets.trainers.examples import IGNORED, Example, pad
    from selftrain_assets.trainers.loss import give_loss

    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shape = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    model = (
        LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, tie_word_embeddings=True, **shape))
        .to(device)
        .train()
    )
    ids = torch.randint(vocabulary, (ROWS, length)).tolist()
    prompt = length // 4
    batch = {
        name: tensor.to(device)
        for name, tensor in pad(
            [Example(row, [IGNORED] * prompt + row[prompt:], [1.0] * length) for row in ids], 0
        ).items()
    }
    give_loss(model, ids[0], chunked)
    # memory of all gradients
    model(
        **{name: tensor[:, : prompt + 2] for name, tensor in batch.items()}, use_cache=False
    ).loss.backward()
    before, seconds = psutil.Process().memory_info().rss, []
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    for _ in range(2):
        started = time.monotonic()
        loss = model(**batch, use_cache=False).loss
        loss.backward()
        value = loss.item()  # waits for a GPU
        seconds.append(time.monotonic() - started)
    at_most = torch.cuda.max_memory_allocated() if device == "cuda" else _most_memory()
    return {
        "peak_gb": round((at_most - before) / 1e9, 3),
        "seconds": round(min(seconds), 3),
        "loss": value,
        "device": _name(device),
    }


def _most_memory() -> int:
    """Bytes that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def _name(device: str) -> str:
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else "cpu"


if __name__ == "__main__":
    main()
