"""Training in several processes on this machine, which share every batch and perhaps the model.

`train` starts them as workers (runtime/worker.py) and shows what the first one reports. Each runs
this module and reads the job from the folder `launch` below the job's `work`, which keeps what it
writes to standard error. accelerate finds the others by the same environment variables as under
torchrun. torch's own elastic launcher is not used: it blocks where callbacks have to be called,
leaves its processes behind when it is killed, and turns errors into text.
"""

from __future__ import annotations

import os
import pickle
import queue
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from selftrain_assets.domain import errors
from selftrain_assets.domain.errors import InfraError, SelftrainError, UserError
from selftrain_assets.models.loading import device_named
from selftrain_assets.runtime.worker import Inbox, Worker, open_replies, open_requests, stop_all
from selftrain_assets.trainers.protocol import TrainingJob, TrainingResult, ignore_log, ignore_step

if TYPE_CHECKING:
    from selftrain_assets.trainers.sft import SftExecution, SftTrainer

WORKER = "selftrain_assets.trainers.launched"
JOB = "job"


def train(settings: SftTrainer, job: TrainingJob) -> TrainingResult:
    """Train in `settings.execution.processes` processes.

    Raises:
        SelftrainError: The first error of a process that a person can act upon.
        InfraError: A process has died; the sentence names it.
    """
    _check(settings.execution, job)
    folder = job.work / "launch"
    folder.mkdir(parents=True, exist_ok=True)
    sent = replace(job, validate=None, on_step=ignore_step, on_log=ignore_log)
    (folder / JOB).write_bytes(pickle.dumps((settings, sent)))
    inbox: Inbox = queue.SimpleQueue()
    ranks: dict[Worker, int] = {}
    result = None
    try:
        for rank, environment in enumerate(_environments(settings.execution)):
            command = [sys.executable, "-m", WORKER, str(folder / JOB)]
            ranks[Worker(command, environment, inbox, folder / f"log-{rank}")] = rank
        running = set(ranks)
        while running:
            worker, message = inbox.get()
            match message:
                case {"step": step, "total": total}:
                    job.on_step(step, total)
                case {"step": step, "figures": figures}:
                    job.on_log(step, figures)
                case {"result": fields}:
                    result = TypeAdapter(TrainingResult).validate_python(fields)
                case {"error": name, "sentence": sentence}:
                    raise getattr(errors, name, SelftrainError)(sentence)
                case None:
                    running.discard(worker)
                    how = worker.explain_end()
                    if worker.exit_code:  # the others fail later, of having lost this one
                        raise InfraError(
                            f"training: process {ranks[worker] + 1} of {len(ranks)} {how}; run"
                            " again to continue from the last saved state"
                        )
    finally:
        stop_all(ranks)
    assert result is not None  # every process has ended well, and the first one sends it before
    return result


def _check(execution: SftExecution, job: TrainingJob) -> None:
    setting = f"trainer.execution.processes: {execution.processes}"
    if job.early_stopping.rule != "none":
        raise UserError(
            f"{setting} cannot be combined with early stopping; set it to 1, or"
            " recipe.early_stopping.rule to none"
        )
    on_gpu = device_named(execution.device) == "cuda"
    if execution.sharding == "fsdp" and not on_gpu:
        raise UserError("trainer.execution.sharding: fsdp needs GPUs; set none")
    if on_gpu:
        import torch

        if (gpus := torch.cuda.device_count()) < execution.processes:
            raise UserError(f"{setting} need one GPU each, and this machine has {gpus}; set {gpus}")


def _environments(execution: SftExecution) -> Iterator[dict[str, str]]:
    """Variables of each process, by which accelerate and torch know it and find the others."""
    number = execution.processes
    threads = os.environ.get("OMP_NUM_THREADS") or max(1, (os.cpu_count() or 1) // number)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {
        "WORLD_SIZE": number,
        "LOCAL_WORLD_SIZE": number,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "OMP_NUM_THREADS": threads,
    }
    if execution.sharding == "fsdp":
        group["ACCELERATE_USE_FSDP"] = "true"
        group["FSDP_VERSION"] = 2
        group["FSDP_STATE_DICT_TYPE"] = "FULL_STATE_DICT"
    for rank in range(number):
        own = {"RANK": rank, "LOCAL_RANK": rank}
        yield {name: str(value) for name, value in (group | own).items()}


def main(job_file: Path) -> None:
    """One process of the group, which ends with the one that has started it."""
    send = open_replies()
    open_requests()
    import torch

    rank = int(os.environ["RANK"])
    if torch.cuda.is_available():
        torch.cuda.set_device(rank)
    settings, job = pickle.loads(job_file.read_bytes())
    if not rank:
        job = replace(
            job,
            on_step=lambda step, total: send({"step": step, "total": total}),
            on_log=lambda step, figures: send({"step": step, "figures": figures}),
        )
    try:
        result = settings.train_in_this_process(job)
    except SelftrainError as error:
        send({"error": type(error).__name__, "sentence": str(error)})
        return
    if not rank:
        send({"result": asdict(result)})
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
