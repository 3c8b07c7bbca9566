"""What the parts of benchmarks/gpu.py share."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TAKEN = "import torch; free, total = torch.cuda.mem_get_info(); print((total - free) / 2**30)"


@dataclass(frozen=True)
class Task:
    """What a part is to do: `tiny` shows that it runs and measures nothing; `seconds` are all
    that it has, from `began` on."""

    device: str
    tiny: bool
    seconds: float
    began: float

    @property
    def left(self) -> float:
        """Seconds."""
        return self.began + self.seconds - time.monotonic()


class Found(dict[str, Any]):
    """Figures of a part, kept in a file as they come: what is found before a part is stopped is
    found."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        beside = self._file.with_suffix(".new")
        beside.write_text(json.dumps(self))
        beside.replace(self._file)


def memory_taken(device: str) -> float | None:
    """GiB of the GPU that all processes together have, and the one that asks: a fresh one, which
    holds nothing of its own. None without a GPU."""
    if device != "cuda":
        return None
    told = subprocess.run(
        [sys.executable, "-c", TAKEN], capture_output=True, text=True, check=False, timeout=60
    )
    return round(float(told.stdout), 2) if told.returncode == 0 else None


def one_line(error: Exception) -> str:
    """Why something failed."""
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"[:300]


class EnoughError(Exception):
    """Ends a training behind its last step: the state and the weights that it would write are of
    no interest."""


class Steps:
    """Times the steps of one training, and records the most memory that torch had for it, in
    GiB."""

    def __init__(self, device: str) -> None:
        self._on_gpu = device == "cuda"
        self._moments: list[float] = []
        self.peak: float | None = None

    def done(self, step: int, total: int) -> None:
        """To be called before the first of all steps, with 0, and after each."""
        if self._on_gpu:
            import torch

            torch.cuda.synchronize()
        self._moments.append(time.perf_counter())
        if step == total:
            raise EnoughError

    def seconds(self, warm_up: int) -> list[float]:
        """Of each step but the first ones, in which kernels are chosen and compiled."""
        return [
            after - before for before, after in zip(self._moments, self._moments[1:], strict=False)
        ][warm_up:]

    def __enter__(self) -> Steps:
        gc.collect()  # the training before this one refers to itself
        if self._on_gpu:
            import torch

            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if self._on_gpu:
            import torch

            self.peak = round(torch.cuda.max_memory_allocated() / 2**30, 2)
        return kind is not None and issubclass(kind, EnoughError)
