"""Supervised fine-tuning: the M-step. transformers' Trainer with weighted completion loss, full weights or LoRA."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from selftrain_assets.core.errors import TaskError, UserError
from selftrain_assets.core.files import needs_room
from selftrain_assets.core.settings import Execution, Identity
from selftrain_assets.models.loading import ModelRef, load_model, load_tokenizer
from selftrain_assets.trainers.examples import tokenize
from selftrain_assets.trainers.protocol import TrainingJob, TrainingResult

Normaliser = Literal["tokens", "weighted_tokens", "rows"]


class Lora(Identity):
    """A low-rank adapter (arXiv 2106.09685) instead of full weights."""

    r: int = Field(16, ge=1, description="rank")
    alpha: int = Field(32, ge=1, description="scale; the update is multiplied by alpha / r")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout on the adapter's input")
    target_modules: tuple[str, ...] | Literal["all-linear"] = Field("all-linear", description="layers that get an adapter")


class SftExecution(Execution):
    """How training runs; none of it enters the identity of a checkpoint."""

    micro_batch_size: int | None = Field(None, ge=1, description="rows per forward pass; None: the whole batch at once")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: cuda where there is one")
    dtype: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: bfloat16 on cuda, float32 on cpu")
    save_steps: int = Field(200, ge=1, description="optimizer steps between two states that a killed run resumes from")

    def computes_in_bfloat16(self, device: str) -> bool:
        """Is the arithmetic, not the weights, to be in bfloat16?"""
        return self.dtype == "bfloat16" or (self.dtype == "auto" and device == "cuda")


class SftTrainer(Identity):
    """Fine-tuning on weighted rows. Exactly one of `steps` and `epochs` is set."""

    type: Literal["sft"] = "sft"
    steps: int | None = Field(None, ge=1, description="optimizer steps of one M-step")
    epochs: float | None = Field(None, gt=0, description="passes over the dataset; default 3 where steps is not set")
    learning_rate: float = Field(1e-4, gt=0, description="peak learning rate, cosine to zero")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps over which the rate rises")
    batch_size: int = Field(64, ge=1, description="rows per optimizer step")
    weight_decay: float = Field(0.01, ge=0, description="AdamW weight decay")
    max_grad_norm: float = Field(1.0, gt=0, description="gradient clipping")
    max_length: int = Field(2048, ge=8, description="longest row in tokens; a longer one is refused, never cut")
    packing: bool = Field(False, description="rows side by side without padding; gains on GPUs, loses on CPUs")
    normaliser: Normaliser = Field(
        "tokens",
        description="what the summed loss of a batch is divided by: its completion tokens, the same times their weights, or its rows",
    )
    lora: Lora | None = Field(None, description="adapter settings; None trains all weights")
    execution: SftExecution = Field(SftExecution(), exclude=True, description="where and how fast")

    @model_validator(mode="after")
    def _one_length(self):
        if self.steps is not None and self.epochs is not None:
            raise ValueError("set steps or epochs, not both")
        micro = self.execution.micro_batch_size
        if micro is not None and self.batch_size % micro:
            raise ValueError(f"execution.micro_batch_size {micro} does not divide batch_size {self.batch_size}")
        return self

    def train(self, job: TrainingJob) -> TrainingResult:
        from selftrain_assets.trainers.sft_loop import run

        if not job.rows:
            raise TaskError("there is no row to train on")
        tokenizer = load_tokenizer(job.start)
        examples = [tokenize(row, tokenizer, self.max_length) for row in job.rows]
        model = self._trainable(job.start, job.seed)
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad) * 4
        with needs_room(job.work, 3 * trained):  # a state: the weights, and two moments of each
            result = run(self, job, examples, model, tokenizer)
        for adapter in getattr(model, "peft_config", {}).values():  # its digest must not depend on where and in which process it was made
            adapter.base_model_name_or_path = ""  # peft puts a path of this machine for None; the store knows what the adapter belongs on
            adapter.target_modules = sorted(adapter.target_modules)  # a set, in an order that changes from process to process
        with needs_room(job.output, trained):
            model.save_pretrained(job.output)
            tokenizer.save_pretrained(job.output)
        return result

    def _trainable(self, start: ModelRef, seed: int):
        """The start model with everything that is to be trained switched on. The seed comes before the adapter's
        random initialisation; otherwise equal settings give unequal adapters."""
        from transformers import set_seed

        set_seed(seed)
        if self.lora is None:
            return load_model(start, self.execution.device, "float32").train()  # small updates vanish in bfloat16 weights
        model = load_model(start, self.execution.device, self.execution.dtype, merge=False)
        if start.adapter is not None and (rank := model.peft_config["default"].r) != self.lora.r:
            raise UserError(f"trainer.lora.r: {self.lora.r} cannot go on from an adapter of rank {rank}; set {rank}, or start: base")
        if start.adapter is None:
            from peft import LoraConfig, get_peft_model

            model = get_peft_model(
                model,
                LoraConfig(
                    r=self.lora.r,
                    lora_alpha=self.lora.alpha,
                    lora_dropout=self.lora.dropout,
                    task_type="CAUSAL_LM",
                    target_modules=self.lora.target_modules
                    if isinstance(self.lora.target_modules, str)
                    else list(self.lora.target_modules),
                ),
            )
        return model.train()
