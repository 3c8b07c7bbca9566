"""Where models come from: the embedded one, a local directory, or a hub name.

Each with or without an adapter on top.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from selftrain_assets.domain.errors import ModelError, UserError
from selftrain_assets.domain.random_init import ScratchModel
from selftrain_assets.models import scratch, smollm2
from selftrain_assets.models.digests import weights_digest
from selftrain_assets.models.tokenization import end_tokens, load_tokenizer, quiet, tokenless
from selftrain_assets.project import data_path

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# Read by the OpenMP runtime when torch is imported, which happens below: threads that wait for one
# another sleep instead of spinning. Beside any other busy process, spinning makes small models many
# times slower (benchmarks/waiting.py).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

EMBEDDED = "embedded"
EMBEDDED_DIRECTORY = Path(__file__).parent / "arithmetic"
SHIPPED: dict[str, Callable[[], Path]] = {
    EMBEDDED: lambda: EMBEDDED_DIRECTORY,
    smollm2.SMOLLM2: smollm2.directory,
}
"""Models that come without a hub: their names, and what finds or makes their directories."""


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Weights that can be loaded.

    Attributes:
        path: A full model directory.
        adapter: An adapter directory to be put on it, or None.
        digest: Identifies the weights by their bytes; it is what `policy` and `checkpoint` share.
    """

    directory: Path
    digest: str
    adapter: Path | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What is sampled from and trained on: one model for every method, under None, or one for each.

    Of a model that only a server has there are no weights here, but the name under which it is
    `served`.
    """

    digest: str
    models: Mapping[str | None, ModelRef]
    served: str | None = None

    def by(self, method: str | None) -> ModelRef:
        """The model that solves by this method.

        UserError where these weights were trained for other methods.
        """
        ref = self.models.get(method) or self.models.get(None)
        if ref is None:
            known = ", ".join(map(str, self.models))
            raise UserError(
                f"the weights {self.digest[:12]} are of the methods {known}, and none of them is of"
                f" {method or 'all'}"
            )
        return ref


def resolve_model(model: str | ScratchModel) -> ModelRef:
    """Find a model by the name used in an experiment, or make the one that is described there.

    UserError where there is none.
    """
    if isinstance(model, ScratchModel):
        directory = scratch.directory(model)
    elif model in SHIPPED:
        directory = SHIPPED[model]()
    elif not (directory := data_path(model)).is_dir():
        directory = _from_hub(model)
    if not (directory / "config.json").is_file():
        raise UserError(
            f"model: {directory} has no config.json; give a Hugging Face model directory"
        )
    return ModelRef(directory.resolve(), weights_digest(directory))


def hub_name(model: str | ScratchModel) -> str | None:
    """The public name of this model on the hub.

    None for a model that is made or shipped here and for a directory.
    """
    if isinstance(model, ScratchModel):
        return None
    is_local = model in SHIPPED or data_path(model).is_dir()
    return model if not is_local and _may_be_on_the_hub(model) else None


def _may_be_on_the_hub(model: str) -> bool:
    return not model.startswith((".", "/", "~")) and model.count("/") == 1


def _from_hub(model: str) -> Path:
    if not _may_be_on_the_hub(model):
        raise UserError(
            f'model: there is no directory "{model}"; give a Hugging Face model directory, a hub'
            ' name like "owner/name", or one of '
            f"{', '.join(SHIPPED)}"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model))
    except Exception as error:  # the hub client raises many unrelated types
        raise UserError(
            f'model: there is no directory "{model}", and the hub did not give a model of that name'
            f" ({type(error).__name__}); give a Hugging Face model directory"
        ) from error


def device_named(device: str) -> str:
    """The device itself where `auto` is asked for: cuda where there is one, else cpu."""
    import torch

    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def load_model(
    ref: ModelRef,
    device: str = "auto",
    dtype: str = "auto",
    merge: bool = True,
    attention: str | None = None,
    quantization: Literal["nf4"] | None = None,
) -> PreTrainedModel:
    """The model on its device, in evaluation mode.

    `merge` folds an adapter into the weights, which is what sampling wants; training goes on with
    the adapter apart. `attention` names the kernel; None is the best one that torch brings.
    `quantization` keeps the weights of linear layers but the head in four bits, which an adapter
    can be trained on.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, GenerationConfig

    from selftrain_assets.models.fitness import require_usable

    require_usable(ref)
    quiet()
    device = device_named(device)
    dtype = ("bfloat16" if device == "cuda" else "float32") if dtype == "auto" else dtype
    try:
        model = AutoModelForCausalLM.from_pretrained(
            ref.directory,
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            trust_remote_code=False,
            **(_in_four_bits(quantization, device, getattr(torch, dtype)) if quantization else {}),
        )
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        raise ModelError(
            f"model: {ref.directory} cannot be loaded: {str(error).splitlines()[0]}"
        ) from error
    for layer in model.modules() if quantization else ():
        # Or on some CPUs bitsandbytes would pack weights anew at the first evaluation, and fail
        # where a width is no multiple of 64.
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False
    # A model's own generation defaults (penalties, temperature) would bend the declared sampling
    # distribution.
    model.generation_config = GenerationConfig(
        eos_token_id=end_tokens(ref) or None, suppress_tokens=tokenless(ref) or None
    )
    if ref.adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(ref.adapter), is_trainable=not merge)
        model = model.merge_and_unload() if merge else model
    return model.to(device).eval()


def _in_four_bits(kind: str, device: str, dtype: torch.dtype) -> dict[str, Any]:
    """How transformers is told to quantise what it loads, as QLoRA does (arXiv 2305.14314)."""
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=kind,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return {"quantization_config": config, "device_map": {"": device}}


def merge_adapter(ref: ModelRef, folder: Path, dtype: str) -> None:
    """Write the model with its adapter folded into the weights, in that precision."""
    load_model(ref, "cpu", dtype).save_pretrained(folder)
    load_tokenizer(ref).save_pretrained(folder)
