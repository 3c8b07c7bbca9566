"""Estimates memory and hours of a round on one GPU, for docs/gpu.md. Nothing here is measured.

python -m benchmarks.estimate
"""

from __future__ import annotations

from dataclasses import dataclass

GIB = 2**30
HOUR = 3600


@dataclass(frozen=True)
class Model:
    """A language model: its parameters, those in embedding and head, and its key-value cache."""

    name: str
    parameters: float
    embeddings: float
    layers: int
    key_value_width: int

    @property
    def cache_bytes(self) -> int:
        """Bytes of keys and values of a token, in bfloat16."""
        return 2 * 2 * self.layers * self.key_value_width


@dataclass(frozen=True)
class Gpu:
    """A GPU by its data sheet: GiB, dense bfloat16 FLOP/s, and bytes/s of its memory."""

    name: str
    memory: float
    flops: float
    bandwidth: float


@dataclass(frozen=True)
class Round:
    """The work of a round, in tokens."""

    problems: int = 7_000
    samples_per_problem: int = 32
    prompt: int = 120
    completion: int = 250
    rows: int = 40_000
    epochs: int = 3
    test_problems: int = 1_319
    test_samples: int = 9  # one greedy, and eight at a temperature

    @property
    def drawn(self) -> int:
        """Completion tokens that are drawn, for the round and its evaluation."""
        sampled = self.problems * self.samples_per_problem
        tested = self.test_problems * self.test_samples
        return (sampled + tested) * self.completion

    @property
    def trained(self) -> int:
        """Tokens that are trained on, prompts included."""
        return self.rows * self.epochs * (self.prompt + self.completion)


QWEN_7B = Model("Qwen2.5-7B", 7.62e9, 2 * 152_064 * 3_584, 28, 4 * 128)
GPUS = (
    Gpu("RTX 4090", 24, 165e12, 1.01e12),
    Gpu("L40S", 48, 362e12, 0.86e12),
    Gpu("A100 80GB", 80, 312e12, 2.04e12),
    Gpu("H100 80GB", 80, 989e12, 3.35e12),
    Gpu("H200", 141, 989e12, 4.8e12),
)
COMPUTE, TRANSFER = 0.35, 0.6  # shares of the data sheet's figures that are reached
SHARE = 0.9  # engine.gpu_memory
RESERVE = 4.0  # GiB for activations and CUDA in sampling
ADAPTER = 40e6  # parameters of LoRA with r: 16 on all linear layers
ACTIVATIONS = 6.0  # GiB in training: 8 rows of 512 tokens with gradient checkpointing


def sampling_speed(model: Model, gpu: Gpu, work: Round) -> float | None:
    """Tokens per second of decoding; None where the model does not fit.

    A step reads all weights and the cache of every sequence, and computes two operations for each
    parameter and sequence.
    """
    weights = 2 * model.parameters
    room = (gpu.memory * SHARE - RESERVE) * GIB - weights
    context = work.prompt + work.completion
    sequences = min(256, int(room // (context * model.cache_bytes)))
    if sequences < 1:
        return None
    cache = sequences * context / 2 * model.cache_bytes
    reading = (weights + cache) / (TRANSFER * gpu.bandwidth)
    computing = 2 * model.parameters * sequences / (COMPUTE * gpu.flops)
    return sequences / (reading + computing)


def training_speed(model: Model, gpu: Gpu) -> float:
    """Tokens per second of training an adapter with gradient checkpointing.

    For each parameter and token: 2 operations forward, 2 backward for activations, 2 forward again.
    """
    return COMPUTE * gpu.flops / (6 * model.parameters)


def training_memory(model: Model) -> dict[str, float]:
    """GiB of training: full weights, LoRA, and LoRA over four bits."""
    adapter = 16 * ADAPTER  # float32: weight, gradient and the two moments of Adam
    four_bits = 2 * model.embeddings + 0.53 * (model.parameters - model.embeddings)
    return {
        "full weights": 16 * model.parameters / GIB + ACTIVATIONS,
        "LoRA": (2 * model.parameters + adapter) / GIB + ACTIVATIONS,
        "LoRA, nf4": (four_bits + adapter) / GIB + ACTIVATIONS,
    }


def table(model: Model = QWEN_7B, work: Round | None = None) -> str:
    """The estimates as a table in Markdown."""
    work = work or Round()
    memory = training_memory(model)
    lines = [
        "| GPU | trains with | sampling, tokens/s | sampling, hours | training, hours | round |",
        "|---|---|---|---|---|---|",
    ]
    for gpu in GPUS:
        fitting = [way for way, need in memory.items() if need <= 0.95 * gpu.memory]
        speed = sampling_speed(model, gpu, work)
        sampling = work.drawn / speed / HOUR if speed else None
        training = work.trained / training_speed(model, gpu) / HOUR
        cells = [gpu.name, ", ".join(fitting) or "nothing"]
        if sampling is None or speed is None:
            cells += ["does not fit", "", f"{training:.1f}", ""]
        else:
            cells += [f"{speed:,.0f}", f"{sampling:.1f}", f"{training:.1f}"]
            cells.append(f"{sampling + training:.1f} h")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
    for way, need in training_memory(QWEN_7B).items():
        print(f"{way}: {need:.0f} GiB")
    print(f"drawn: {Round().drawn / 1e6:.0f}M tokens, trained: {Round().trained / 1e6:.0f}M tokens")
