"""The part of benchmarks/gpu.py that samples."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu_parts import Found, Task, memory_taken
from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.engines import VllmSettings
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.pipeline import inputs, training
from selftrain_assets.pipeline.loop import round_stages
from selftrain_assets.pipeline.results import EvaluationResult
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.sampling import sample_draws
from selftrain_assets.pipeline.weights import resolve
from selftrain_assets.store import Store

SAMPLES_PER_PROBLEM = 4


def experiment(task: Task, folder: Path) -> dict[str, Any]:
    """Sums of small numbers: 75 to sample for, four times each, and 10 that are held out."""
    sums, trained = [(a, b) for a in range(19, 2, -1) for b in range(2, 7)], 4 if task.tiny else 75
    splits = ["train"] * trained + ["test"] * (2 if task.tiny else 10)
    problems = [
        {"id": f"{a}+{b}", "question": f"{a} + {b}", "answer": a + b, "split": split}
        for (a, b), split in zip(sums, splits, strict=False)
    ]
    path = folder / "sums.jsonl"
    path.write_text("\n".join(map(json.dumps, problems)))
    asked = (
        {"template": "Q: {question} A:"}
        if task.tiny
        else {"template": "What is {question}? Answer with one number.", "chat": True}
    )
    return {
        "model": "embedded" if task.tiny else "smollm2",
        "rounds": 1,
        "task": {"type": "file", "path": str(path)},
        "prompt": asked,
        "engine": {"type": "vllm", "adapters": "swap", "max_model_len": 256, "cpu_cache_gib": 1},
        "recipe": {
            "type": "rest_em",
            "sampling": {
                "samples_per_problem": SAMPLES_PER_PROBLEM,
                "temperature": 1.0,
                "max_tokens": 32,
            },
        },
        "trainer": {
            "steps": 2 if task.tiny else 30,
            "batch_size": 8,
            "lora": {"r": 16},
            "execution": {"device": task.device},
        },
        "evaluation": {
            "samples_per_problem": 2,
            "pass_at": [1],
            "majority_at": [2],
            "train_problems": 0,
            "resamples": 100,
        },
        "human_only": False,
    }


def smollm2(task: Task, found: Found) -> None:
    """One round, stage by stage; then the adapter and the base in one process of vLLM, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(
            "gpu",
            parse_experiment(experiment(task, Path(folder)), "gpu"),
            Store(Path(folder) / "runs"),
        )
        inputs.problems(run)
        training.base(run)
        found["memory_taken_gib"] = memory = {"before": memory_taken(task.device)}
        found["stages"] = stages = {}
        for name, stage in round_stages(run.config.recipe).items():
            began = time.monotonic()
            done = stage(run, 1)
            stages[name] = {"seconds": round(time.monotonic() - began, 1), "counts": done.counts}
            if name in ("samples", "checkpoint", "evaluation"):
                memory[name] = memory_taken(task.device)
            found["stages"], found["memory_taken_gib"] = stages, memory
            print(f"  {name}: {stages[name]}, {memory.get(name)} GiB taken", flush=True)
        found["versions"] = run.need("iter-001", "samples").versions
        found["tokenization"] = run.need("iter-001", "dataset").metrics["tokenization"]
        evaluation = run.need("iter-001", "evaluation").result(EvaluationResult)
        found["accuracy"] = evaluation.greedy_accuracy.mean
        found["swaps"] = swaps(run, task)
        memory["swaps"] = memory_taken(task.device)
        found["memory_taken_gib"] = memory
        print(f"  swaps: {found['swaps']}, {memory['swaps']} GiB taken", flush=True)


def swaps(run: Run, task: Task) -> list[dict[str, Any]]:
    """Greedy answers to all that was asked in the round: with the adapter, with the base alone,
    and with the adapter again. Each says in how many the text is that of the first. Nothing is
    compiled, as this is not about speed."""
    adapted = resolve(run.store, run.need("iter-001", "checkpoint").references.weights).by(None)
    base = resolve_model(run.config.model)
    (draws,) = sample_draws(run, "iter-001", adapted.digest)
    requests = [request for request in draws.requests() if request.index == 0]
    greedy = draws.sampling.model_copy(update={"temperature": 0.0})
    assert isinstance(run.config.engine, VllmSettings)
    settings, first, answered = run.config.engine.model_copy(update={"eager": "always"}), {}, []
    began = time.monotonic()
    with settings.open(adapted) as engine:
        print(f"  vLLM started without compiling in {time.monotonic() - began:.1f} s", flush=True)
        for name, ref in (("adapter", adapted), ("base", base), ("adapter again", adapted)):
            began = time.monotonic()
            engine.use(ref)
            used = time.monotonic()
            texts = {c.key: c.text for c in engine.generate(requests, greedy)}
            first = first or texts
            answered.append(
                {
                    "with": name,
                    "seconds_to_swap": round(used - began, 3),
                    "seconds_to_answer": round(time.monotonic() - used, 2),
                    "answers": len(texts),
                    "as_the_first": sum(texts[key] == text for key, text in first.items()),
                }
            )
    return answered
