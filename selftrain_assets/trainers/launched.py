"""Training in several processes on this machine, which share every batch and perhaps the model.

`train` starts them, shows what they report, and ends them whatever happens. Each of them runs this module: it reads the job from
the folder `launch` below the job's `work`, and the first one writes progress and result there. accelerate finds the others by the
same environment variables as under `accelerate launch`, which without a GPU starts several processes through MPI alone.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TextIO

from selftrain_assets.core.errors import InfraError, SelftrainError, UserError
from selftrain_assets.models.loading import device_named
from selftrain_assets.trainers.protocol import TrainingJob, TrainingResult

if TYPE_CHECKING:
    from selftrain_assets.trainers.sft import SftExecution, SftTrainer

WORKER = "selftrain_assets.trainers.launched"
JOB, PROGRESS, RESULT = "job", "progress", "result"
SECONDS_BETWEEN_LOOKS = 0.1
ERROR = re.compile(r"(?:\[rank\d+\]: )?([\w.]+(?:Error|Exception)\b.*)")


def train(settings: SftTrainer, job: TrainingJob) -> TrainingResult:
    """Train in `settings.execution.processes` processes. InfraError where one of them dies; its own error where it has one."""
    _check(settings.execution, job)
    folder = job.work / "launch"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / JOB).write_bytes(pickle.dumps((settings, replace(job, validate=None, on_step=_unseen, on_log=_unlogged))))
    (folder / PROGRESS).touch()
    with _started(settings.execution, folder) as processes, (folder / PROGRESS).open() as progress:
        running = True
        while running:
            running = any(process.is_running() for process in processes)
            for report in _reports(progress):
                if isinstance(report[1], dict):
                    job.on_log(*report)
                else:
                    job.on_step(*report)
            if failed := [process for process in processes if process.has_failed()]:
                raise _error(failed, len(processes))
            time.sleep(SECONDS_BETWEEN_LOOKS * running)
    return pickle.loads((folder / RESULT).read_bytes())


def _check(execution: SftExecution, job: TrainingJob) -> None:
    wanted = f"trainer.execution.processes: {execution.processes}"
    if job.inner_stop.rule != "none":
        raise UserError(f"{wanted} cannot look at the validation split; set it to 1, or recipe.inner_stop.rule to none")
    on_gpu = device_named(execution.device) == "cuda"
    if execution.sharding == "fsdp" and not on_gpu:
        raise UserError("trainer.execution.sharding: fsdp needs GPUs; set none")
    if on_gpu:
        import torch

        if (found := torch.cuda.device_count()) < execution.processes:
            raise UserError(f"{wanted} need a GPU each, and here are {found}; set {found}")


@dataclass(frozen=True, slots=True)
class _Process:
    """One of the group; what it prints goes into `log`, and an error that a person can act upon into `error`."""

    rank: int
    popen: subprocess.Popen
    log: Path
    error: Path

    def is_running(self) -> bool:
        return self.popen.poll() is None

    def has_failed(self) -> bool:
        return self.popen.poll() not in (None, 0)

    def last_words(self) -> str:
        """How it ended, and the last error that it printed."""
        code = self.popen.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        errors = [found[1] for line in self.log.read_text(errors="replace").splitlines() if (found := ERROR.match(line))]
        return f"{how}; it says: {errors[-1]}" if errors else how


@contextmanager
def _started(execution: SftExecution, folder: Path) -> Iterator[list[_Process]]:
    """The group, which is gone at the end. A process ends when its input does: none outlives who started it."""
    number = execution.processes
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"WORLD_SIZE": number, "LOCAL_WORLD_SIZE": number, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    if execution.sharding == "fsdp":
        group |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": 2, "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT"}
    threads = max(1, (os.cpu_count() or 1) // number)
    processes: list[_Process] = []
    try:
        for rank in range(number):
            own = {str(name): str(value) for name, value in {**group, "RANK": rank, "LOCAL_RANK": rank}.items()}
            log, error = folder / f"log-{rank}", folder / f"error-{rank}"
            with log.open("wb") as printed:
                popen = subprocess.Popen(
                    [sys.executable, "-m", WORKER, str(folder)],
                    stdin=subprocess.PIPE,
                    stdout=printed,
                    stderr=printed,
                    env={"OMP_NUM_THREADS": str(threads), **os.environ, **own},
                    start_new_session=True,  # a Ctrl-C is for us
                )
            processes.append(_Process(rank, popen, log, error))
        yield processes
    finally:
        for process in processes:
            process.popen.kill()
            process.popen.wait()
            process.popen.stdin.close()  # type: ignore[union-attr]


def _reports(progress: TextIO) -> Iterator[tuple[int, Any]]:
    """What was reported since the last look: steps done and their total, or a step and its figures."""
    while True:
        before, line = progress.tell(), progress.readline()
        if not line.endswith("\n"):
            progress.seek(before)
            return
        step, _, what = line.partition(" ")
        yield int(step), json.loads(what)


def _error(failed: list[_Process], number: int) -> SelftrainError:
    """That of the process which died first: the others die of losing it."""
    for process in failed:
        if process.error.exists():
            return pickle.loads(process.error.read_bytes())
    first = min(failed, key=lambda process: (process.popen.returncode > 0, process.log.stat().st_mtime))
    return InfraError(
        f"training: process {first.rank + 1} of {number} {first.last_words()}; run again to go on from the last state that was saved"
    )


def _unseen(done: int, total: int) -> None:
    """In place of a callback, which another process cannot have."""


def _unlogged(step: int, figures: dict[str, float]) -> None:
    """Likewise."""


def main(folder: Path) -> None:
    """One process of the group."""
    Thread(target=_end_with_the_starter, daemon=True).start()
    import torch

    rank = int(os.environ["RANK"])
    if torch.cuda.is_available():
        torch.cuda.set_device(rank)
    settings, job = pickle.loads((folder / JOB).read_bytes())
    try:
        with (folder / PROGRESS).open("a") as progress:
            report = _unseen if rank else lambda done, total: print(done, total, file=progress, flush=True)
            log = _unlogged if rank else lambda step, figures: print(step, json.dumps(figures), file=progress, flush=True)
            result = settings.train_in_this_process(replace(job, on_step=report, on_log=log))
    except SelftrainError as error:
        (folder / f"error-{rank}").write_bytes(pickle.dumps(error))
        sys.exit(error.exit_code)
    if not rank:
        (folder / RESULT).write_bytes(pickle.dumps(result))
    torch.distributed.destroy_process_group()


def _end_with_the_starter() -> None:
    os.read(0, 1)
    os._exit(1)  # nobody writes: whoever started us is gone, perhaps killed


if __name__ == "__main__":
    main(Path(sys.argv[1]))
