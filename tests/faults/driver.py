"""Runs stages in processes that may be killed. It imports once and forks for every job: a kill
costs no imports.

Reads one job a line: {"folder", "stages", "crash_at", "kill_after", "clock_back", "clock_jump",
"file_limit", "from_step", "deadly", "scores"}; answers one line: {"killed", "error", "seconds",
"steps"}. With the argument `train` it imports what training needs, too.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from itertools import count
from pathlib import Path

import duckdb  # noqa: F401  like pandas below: what every child would import else
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.models.loading import load_model, resolve_model
from selftrain_assets.models.tokenization import check_tokenizer
from selftrain_assets.pipeline import dataset, evaluation, inputs, training
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.run import BASE, Run
from selftrain_assets.pipeline.sampling import SAMPLES, VERIFICATIONS
from selftrain_assets.recipes.tripost import stages
from selftrain_assets.runtime import faultpoints
from selftrain_assets.store import Store
from tests.faults.clock import jumping

# every child would load it else, and transformers with it
check_tokenizer(resolve_model("embedded"))

STAGES = {
    "problems": inputs.problems,
    "base": training.base,
    "base evaluation": lambda run: evaluation.evaluation(run, BASE),
    "policy": lambda run: POLICY.run(run, 1),
    "samples": lambda run: SAMPLES.run(run, 1),
    "verifications": lambda run: VERIFICATIONS.run(run, 1),
    "trajectories": lambda run: stages.trajectories(run, 1),
    "dataset": lambda run: dataset.dataset(run, 1),
    "checkpoint": lambda run: training.checkpoint(run, 1),
}


def open_run(folder: Path) -> Run:
    return Run(
        "lab",
        parse_experiment(json.loads((folder / "settings.json").read_text()), "lab"),
        Store(folder / "runs"),
    )


def work(job: dict, answer: int) -> None:
    """In the child: do the stages, and say how that ended."""
    if job.get("crash_at"):
        faultpoints.install(killer(*job["crash_at"].split(":")))
    if job.get("clock_back"):
        now = [2e9]
        time.time = lambda: now.append(now[-1] - 3600) or now[-1]
    if job.get("clock_jump"):
        time.time = jumping(job["clock_jump"])
    run, error, began = open_run(Path(job["folder"])), None, time.monotonic()
    steps = []

    def progress(stage: str, done: int, total: int) -> None:
        if stage.endswith("checkpoint"):
            steps.append(done)
            if done == job.get("from_step"):
                limit_files(job)

    run.progress = progress
    if job.get("file_limit") and "from_step" not in job:
        limit_files(job)
    if job.get("scores"):
        training._validator = scored(training._validator, job["scores"], steps)
    os.write(answer, b"\n")
    try:
        for stage in job["stages"]:
            STAGES[stage](run)
    except BaseException as raised:
        error = f"{type(raised).__name__}: {raised}"
    os.write(
        answer,
        json.dumps({"error": error, "seconds": time.monotonic() - began, "steps": steps}).encode(),
    )


def killer(point: str, passage: str = "1") -> faultpoints.Hook:
    """Ends this process by SIGKILL at the n-th passage of a point."""
    passages = count(1)

    def kill(name: str) -> None:
        if name == point and next(passages) == int(passage):
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


def limit_files(job: dict) -> None:
    """From now on no file grows above the limit: a write that would is refused or, if it is to
    be deadly, ends the process there."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_limit"],) * 2)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if job.get("deadly") else signal.SIG_IGN)


def scored(validator: Callable, scores: list[float], steps: list[int]) -> Callable:
    """A validation that decodes as always and says that step n is as good as the n-th score: the
    embedded model is never right."""

    def of_split(run: Run, problems: list) -> Callable:
        decode = validator(run, problems)

        def score(model, tokenizer) -> float:
            decode(model, tokenizer)
            return scores[steps[-1] - 1]

        return score

    return of_split


def fork(job: dict) -> dict:
    """One job in a child of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            sys.stderr = open(Path(job["folder"]) / "stderr", "a")  # noqa: SIM115
            work(job, writing)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        said.readline()
        if job.get("kill_after") is not None:
            time.sleep(job["kill_after"])
            os.kill(child, signal.SIGKILL)
        last = said.read()
    _, status = os.waitpid(child, 0)
    return {
        "killed": os.WIFSIGNALED(status),
        **(json.loads(last) if last else {"error": None, "seconds": 0.0, "steps": []}),
    }


def main() -> None:
    if sys.argv[1:] == ["train"]:
        for name in (
            "peft",
            "selftrain_assets.trainers.sft_loop",
            "selftrain_assets.engines.transformers_engine",
        ):
            import_module(name)
        load_model(resolve_model("embedded"), "cpu", "float32")
        gc.collect()
        # every training collects garbage; what the imports have made need not be looked through
        # each time
        gc.freeze()
    pa.Table.from_pylist([{"a": 1}])  # imports pandas where it is installed
    resolve_model("embedded")  # its digest is remembered
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a child prints is no answer
    for line in sys.stdin:
        print(json.dumps(fork(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
