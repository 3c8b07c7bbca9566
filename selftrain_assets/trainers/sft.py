"""Supervised fine-tuning, the M-step: full weights or LoRA.

transformers' Trainer with a weighted completion loss.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from selftrain_assets.domain.errors import DivergenceError, TaskError, UserError
from selftrain_assets.domain.settings import Execution, Identity
from selftrain_assets.models.fitness import require_device, require_trainable
from selftrain_assets.models.gpu_memory import release_gpu_memory
from selftrain_assets.models.loading import ModelRef, device_named, load_model
from selftrain_assets.models.packing import require_packable
from selftrain_assets.models.tokenization import load_tokenizer
from selftrain_assets.runtime.files import remove_folder
from selftrain_assets.trainers.arguments import SPEED, require_usable
from selftrain_assets.trainers.examples import tokenize
from selftrain_assets.trainers.protocol import Trainer, TrainingJob, TrainingResult

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

Normaliser = Literal["tokens", "weighted_tokens", "rows"]


class Lora(Identity):
    """A low-rank adapter (arXiv 2106.09685) instead of full weights."""

    r: int = Field(16, ge=1, description="rank")
    alpha: int = Field(32, ge=1, description="scale; the update is multiplied by alpha / r")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout on the adapter's input")
    target_modules: tuple[str, ...] | Literal["all-linear"] = Field(
        "all-linear", description="layers that get an adapter"
    )

    def config(self) -> LoraConfig:
        """The same as peft's LoraConfig."""
        from peft import LoraConfig

        return LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            task_type="CAUSAL_LM",
            target_modules=(
                self.target_modules
                if isinstance(self.target_modules, str)
                else list(self.target_modules)
            ),
        )


class SftExecution(Execution):
    """How training runs; none of it enters the identity of a checkpoint."""

    micro_batch_size: int | None = Field(
        None,
        ge=1,
        description="rows per forward pass; None: as many as divide a batch evenly, 32 at most",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: cuda where there is one"
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 on cuda, float32 on cpu"
    )
    save_steps: int = Field(
        200, ge=1, description="optimizer steps between two states that a killed run resumes from"
    )
    gradient_checkpointing: bool = Field(
        False,
        description="compute activations again instead of keeping them: less memory, more time",
    )
    attention: Literal["auto", "sdpa", "flash_attention_2", "flex_attention", "eager"] = Field(
        "auto",
        description=(
            "attention kernel; auto: flash_attention_2 where it is installed and computes in"
            " bfloat16 on cuda, else sdpa"
        ),
    )
    processes: int = Field(
        1,
        ge=1,
        description="processes on this machine that share every batch, each with a GPU of its own",
    )
    sharding: Literal["none", "fsdp"] = Field(
        "none",
        description=(
            "none: each process holds the whole model; fsdp: they share weights, gradients and"
            " optimizer states"
        ),
    )
    speed_arguments: dict[str, JsonValue] = Field(
        {}, description="those of `trainer.arguments` that change speed and logging alone"
    )

    @field_validator("speed_arguments")
    @classmethod
    def _change_no_weights(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for name in value.keys() - SPEED:  # they would enter no key
            raise ValueError(f"{name} does not change speed alone; set it in trainer.arguments")
        return value

    @property
    def computes_in_bfloat16(self) -> bool:
        """Is the arithmetic, not the weights, to be in bfloat16?"""
        return self.dtype == "bfloat16" or (
            self.dtype == "auto" and device_named(self.device) == "cuda"
        )

    @property
    def kernel(self) -> str | None:
        """Name of the attention kernel, None where transformers is to choose.

        UserError where the named one cannot train here.
        """
        from transformers.utils import is_flash_attn_2_available

        on_gpu, flash = device_named(self.device) == "cuda", is_flash_attn_2_available()
        if self.attention == "auto":
            return "flash_attention_2" if on_gpu and flash and self.computes_in_bfloat16 else None
        wrong = f"trainer.execution.attention: {self.attention}"
        if self.attention == "flash_attention_2" and not flash:
            raise UserError(
                f"{wrong} is not installed; pip install flash-attn on a machine with a GPU, or set"
                " auto"
            )
        if self.attention == "flash_attention_2" and not (on_gpu and self.computes_in_bfloat16):
            raise UserError(
                f"{wrong} needs device: cuda and dtype: bfloat16; set them, or set auto"
            )
        if self.attention == "flex_attention" and not on_gpu:
            raise UserError(f"{wrong} trains on GPUs alone; set auto")
        return self.attention


class SftTrainer(Trainer):
    """Fine-tuning on weighted rows. Exactly one of `steps` and `epochs` is set."""

    added: ClassVar[tuple[str, ...]] = ("arguments", "quantization")

    type: Literal["sft"] = "sft"
    steps: int | None = Field(None, ge=1, description="optimizer steps of one M-step")
    epochs: float | None = Field(
        None, gt=0, description="passes over the dataset; default 3 where steps is not set"
    )
    learning_rate: float = Field(1e-4, gt=0, description="peak learning rate, cosine to zero")
    warmup: float = Field(
        0.05, ge=0, lt=1, description="share of the steps over which the rate rises"
    )
    batch_size: int = Field(64, ge=1, description="rows per optimizer step")
    weight_decay: float = Field(0.01, ge=0, description="AdamW weight decay")
    max_grad_norm: float = Field(1.0, gt=0, description="gradient clipping")
    max_length: int = Field(
        2048, ge=8, description="longest row in tokens; a longer one is refused, never cut"
    )
    packing: bool = Field(
        False, description="rows side by side without padding; gains on GPUs, loses on CPUs"
    )
    normaliser: Normaliser = Field(
        "tokens",
        description=(
            "what the summed loss of a batch is divided by: its completion tokens, the same times"
            " their weights, or its rows"
        ),
    )
    lora: Lora | None = Field(None, description="adapter settings; None trains all weights")
    quantization: Literal["nf4"] | None = Field(
        None,
        description=(
            "nf4: the model below the adapter is kept in four bits while it is trained (QLoRA);"
            " needs lora"
        ),
    )
    arguments: dict[str, JsonValue] = Field(
        {},
        description=(
            "further fields of transformers' TrainingArguments, such as optim or lr_scheduler_type"
            " (docs/training.md)"
        ),
    )
    execution: SftExecution = Field(SftExecution(), exclude=True, description="where and how fast")

    @model_validator(mode="before")
    @classmethod
    def _arguments_of_speed(cls, data: Any) -> Any:
        """Those that change no weight are kept where nothing enters a key."""
        arguments = data.get("arguments") if isinstance(data, dict) else None
        if not isinstance(arguments, dict) or not (
            quick := {name: arguments[name] for name in arguments if name in SPEED}
        ):
            return data
        execution = dict(data.get("execution") or {})
        execution["speed_arguments"] = {**execution.get("speed_arguments", {}), **quick}
        return {
            **data,
            "arguments": {name: arguments[name] for name in arguments if name not in SPEED},
            "execution": execution,
        }

    @model_validator(mode="after")
    def _usable_quantization(self) -> Self:
        if self.quantization is None:
            return self
        named = f"quantization: {self.quantization}"
        if self.lora is None:
            raise ValueError(
                f"{named} needs an adapter, since weights of four bits cannot be trained; set lora"
            )
        if self.execution.sharding != "none":
            raise ValueError(
                f"{named} cannot be shared among processes; set execution.sharding: none"
            )
        if find_spec("bitsandbytes") is None:
            raise ValueError(
                f"{named} needs a package that is missing; pip install 'selftrain[quantization]'"
            )
        return self

    @model_validator(mode="after")
    def _usable_arguments(self) -> Self:
        require_usable(
            self.arguments | self.execution.speed_arguments,
            self.learning_rate,
            self.warmup,
            self.execution.device,
        )
        return self

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("set steps or epochs, not both")
        return self

    @model_validator(mode="after")
    def _whole_shares(self) -> Self:
        micro, processes = self.execution.micro_batch_size, self.execution.processes
        shares = {
            "execution.micro_batch_size": micro,
            "execution.processes": processes if processes > 1 else None,
        }
        named = {name: number for name, number in shares.items() if number is not None}
        if self.batch_size % math.prod(named.values()):
            product = " x ".join(f"{name} {number}" for name, number in named.items())
            raise ValueError(f"{product} does not divide batch_size {self.batch_size}")
        if self.execution.sharding == "fsdp" and processes == 1:
            raise ValueError(
                "execution.sharding: fsdp shares a model among processes; set execution.processes"
                " to the number of GPUs"
            )
        return self

    @property
    def micro_batch_size(self) -> int:
        """Rows per forward pass of one process.

        Rows of a batch come in order of length, so that two passes of 32 rows have less padding
        than one of 64.
        """
        share = self.batch_size // self.execution.processes
        return self.execution.micro_batch_size or max(
            rows for rows in range(1, min(share, 32) + 1) if share % rows == 0
        )

    def require_fit(self, ref: ModelRef, setting: str) -> None:
        require_device(f"{setting}.execution.device", self.execution.device)
        require_trainable(ref, self.lora, f"{setting}.lora")
        if self.packing:
            require_packable(ref, f"{setting}.packing")

    def for_steps(self, steps: int) -> Self:
        return self.model_copy(update={"steps": steps, "epochs": None})

    def train(self, job: TrainingJob) -> TrainingResult:
        if not job.rows:
            raise TaskError("there is no row to train on")
        from selftrain_assets.trainers.divergence import require_finite_row_weights
        from selftrain_assets.trainers.launched import train

        require_finite_row_weights(job.rows)
        try:
            return (
                self.train_in_this_process(job)
                if self.execution.processes == 1
                else train(self, job)
            )
        except DivergenceError:
            if job.work.exists():
                # states from before it are finite, but what made it diverge may be in them
                remove_folder(job.work)
            raise
        finally:
            release_gpu_memory()

    def train_in_this_process(self, job: TrainingJob) -> TrainingResult:
        """All of the job, or this process's share of it where a group of processes was started."""
        from selftrain_assets.trainers.sft_loop import run

        tokenizer = load_tokenizer(job.start)
        examples = [tokenize(row, tokenizer, self.max_length) for row in job.rows]
        return run(self, job, examples, self._trainable(job.start, job.seed), tokenizer)

    def _trainable(self, start: ModelRef, seed: int) -> PreTrainedModel | PeftModel:
        """The start model with everything that is to be trained switched on.

        The seed comes before the adapter's random initialisation; otherwise equal settings give
        unequal adapters.
        """
        from transformers import set_seed

        set_seed(seed)
        execution = self.execution
        # of a shared model each GPU gets its part alone
        device = "cpu" if execution.sharding == "fsdp" else execution.device
        if self.lora is None:
            # small updates vanish in bfloat16 weights
            return load_model(start, device, "float32", attention=execution.kernel).train()
        dtype = "bfloat16" if execution.computes_in_bfloat16 else "float32"
        model = load_model(
            start,
            device,
            dtype,
            merge=False,
            attention=execution.kernel,
            quantization=self.quantization,
        )
        if start.adapter is not None and (rank := model.peft_config["default"].r) != self.lora.r:
            raise UserError(
                f"trainer.lora.r: {self.lora.r} cannot continue from an adapter of rank {rank};"
                f" set {rank}, or recipe.init_from: base"
            )
        if start.adapter is None:
            from peft import get_peft_model

            model = get_peft_model(model, self.lora.config())
        return model.train()
