"""Can a model be sampled from and trained as the settings say?

Asked before anything is drawn, and answered in one sentence.

Nothing of a model is executed but transformers' own classes, and no weights are read for it: it is
built on torch's meta device.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selftrain_assets.domain.errors import ModelError, UserError, nearest
from selftrain_assets.models.finiteness import require_finite, weight_files
from selftrain_assets.models.tokenization import one_line, quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from selftrain_assets.models.loading import ModelRef
    from selftrain_assets.trainers.sft import Lora

OTHER_SENSES = ("vision_config", "audio_config")
DTYPES = ("F64", "F32", "F16", "BF16")
"""Of weights as safetensors names them; any other is quantised."""
SHOWN = 3  # names of weights

FileStates = tuple[tuple[str, int, int], ...]
"""Names, sizes and times of change of the files of a model, in order."""


def require_usable(ref: ModelRef) -> None:
    """Check that a model can be sampled from.

    Raises:
        ModelError: This is no causal language model whose weights are all there, fit its
            configuration and are finite.
    """
    _inspected(ref.directory, _state(ref.directory))
    require_finite(ref)


def require_trainable(ref: ModelRef, lora: Lora | None, setting: str) -> None:
    """Check that a usable model can be trained, with this adapter if there is one.

    Args:
        ref: The model.
        lora: The adapter; None: all weights are trained.
        setting: The setting that names the adapter's section, for the message.

    Raises:
        ModelError: The model cannot be trained so.
    """
    require_usable(ref)
    if method := _quantisation(_config(ref.directory)):
        raise ModelError(
            f"model: {ref.directory} has quantised weights ({method}), which cannot be trained;"
            " give the original, unquantized model"
        )
    if _config(ref.directory).get("output_router_logits"):
        raise ModelError(
            f"model: {ref.directory}/config.json asks for a loss of its router"
            " (output_router_logits), which the loss here does not have; set it to false there"
        )
    if lora is not None:
        _require_targets(ref.directory, _state(ref.directory), lora, setting)


def require_device(setting: str, device: str) -> None:
    """UserError where the machine lacks it."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(f"{setting}: cuda, and torch finds no GPU on this machine; set auto or cpu")


def _state(directory: Path) -> FileStates:
    return tuple(
        sorted(
            (p.name, p.stat().st_size, p.stat().st_mtime_ns)
            for p in directory.iterdir()
            if p.is_file()
        )
    )


def _config(directory: Path) -> dict[str, Any]:
    try:
        config = json.loads((directory / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ModelError(
            f"model: {directory}/config.json cannot be read as JSON ({error}); give a Hugging Face"
            " model directory"
        ) from error
    if not isinstance(config, dict):
        raise ModelError(
            f"model: {directory}/config.json holds no object; give a Hugging Face model directory"
        )
    return config


def _quantisation(config: dict[str, Any]) -> str | None:
    settings = config.get("quantization_config")
    return None if not settings else str(settings.get("quant_method", "of no named method"))


@lru_cache(maxsize=64)
def _inspected(directory: Path, state: FileStates) -> None:
    config = _config(directory)
    if (directory / "adapter_config.json").exists():
        raise ModelError(
            f"model: {directory} holds an adapter (adapter_config.json) beside a model, and nothing"
            " says which of the two is meant; give the directory of a model, with the adapter"
            " merged into it or without"
        )
    _require_language_model(directory, config)
    if not _quantisation(config):  # what its quantiser makes of the tensors is its own affair
        _require_float_weights(directory)
        _require_all_weights(directory)


def _require_language_model(directory: Path, config: dict[str, Any]) -> None:
    from transformers import CONFIG_MAPPING
    from transformers.models.auto import modeling_auto

    kind, named = config.get("model_type"), config.get("architectures") or []
    causal = {*modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()}
    if kind not in CONFIG_MAPPING and (config.get("auto_map") or not kind):
        own = "comes with Python code of its own (auto_map in config.json), which is never run here"
        why = own if kind else "has no model_type in its config.json"
        raise ModelError(
            f"model: {directory} {why}; give a model of an architecture that transformers has"
        )
    if kind not in CONFIG_MAPPING:
        raise ModelError(
            f'model: {directory} is of the architecture "{kind}", which the installed transformers'
            " does not have; install a newer transformers, or give another model"
        )
    is_no = f"model: {directory} is no causal language model but"
    give = "give a model that goes on with a text, such as one of architecture LlamaForCausalLM"
    if senses := [name.removesuffix("_config") for name in OTHER_SENSES if name in config]:
        raise ModelError(
            f"{is_no} one with {' and '.join(senses)} ({kind}), which is neither sampled nor"
            f" trained here; {give}"
        )
    if config.get("is_encoder_decoder"):
        raise ModelError(f"{is_no} an encoder with a decoder ({kind}); {give}")
    if named and not any(
        name in causal or name.endswith(("ForCausalLM", "LMHeadModel")) for name in named
    ):
        raise ModelError(f"{is_no} {named[0]}; {give}")
    if kind in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not config.get("is_decoder"):
        raise ModelError(
            f"{is_no} an encoder, whose words see those behind them ({kind} without is_decoder in"
            f" config.json); {give}"
        )


def _require_float_weights(directory: Path) -> None:
    from safetensors import safe_open

    for path in weight_files(directory):
        if path.suffix != ".safetensors":
            continue
        try:
            with safe_open(path, framework="pt") as file:
                names = file.keys()
                dtypes = {name: file.get_slice(name).get_dtype() for name in names}
        except Exception as error:  # damaged files raise many unrelated types
            raise ModelError(f"model: {path} cannot be read: {one_line(error)}") from error
        for name, dtype in dtypes.items():
            if dtype not in DTYPES and name.endswith(("weight", "bias")):
                raise ModelError(
                    f"model: {path}: the weight {name} is of type {dtype}, and config.json names no"
                    " quantization_config that would say what its numbers stand for; give the"
                    " model in float32, float16 or bfloat16"
                )


def _on_meta(directory: Path) -> tuple[PreTrainedModel, dict[str, Any]]:
    """The model without its numbers, and what transformers reports about loading its weights."""
    from transformers import AutoModelForCausalLM

    quiet()
    try:
        return AutoModelForCausalLM.from_pretrained(
            directory,
            device_map="meta",
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            trust_remote_code=False,
        )
    except Exception as error:
        # configurations that contradict themselves raise many unrelated types
        raise ModelError(f"model: {directory} cannot be loaded: {one_line(error)}") from error


def _require_all_weights(directory: Path) -> None:
    """Refuse missing weights: transformers would fill them in at random, with a warning."""
    _, report = _on_meta(directory)
    wrong = {
        "lack": sorted(report["missing_keys"]),
        "hold, beyond what config.json describes,": sorted(report["unexpected_keys"]),
        "have another shape than config.json describes:": [
            f"{name} ({'x'.join(map(str, actual))}, not {'x'.join(map(str, expected))})"
            for name, actual, expected in sorted(report["mismatched_keys"])
        ],
    }
    if faults := [f"{verb} {_some(names)}" for verb, names in wrong.items() if names]:
        raise ModelError(
            f"model: the weights in {directory} {' and '.join(faults)}; restore its files, or give"
            " another model"
        )


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


@lru_cache(maxsize=64)
def _require_targets(directory: Path, state: FileStates, lora: Lora, setting: str) -> None:
    from peft import inject_adapter_in_model
    from torch.nn import Embedding, Linear
    from transformers.pytorch_utils import Conv1D

    model, _ = _on_meta(directory)
    tied = {
        weight.rpartition(".")[0] for pair in model.all_tied_weights_keys.items() for weight in pair
    }
    layers = [
        name
        for name, module in model.named_modules()
        if isinstance(module, Linear | Embedding | Conv1D)
    ]
    for target in lora.target_modules if lora.target_modules != "all-linear" else ():
        if not any(name == target or name.endswith(f".{target}") for name in layers):
            known = {name.rpartition(".")[2] for name in layers}
            raise UserError(
                f"{setting}.target_modules: the model has no layer {target} that takes an"
                f" adapter{nearest(target, known)}"
            )
        if shared := {name for name in tied if name == target or name.endswith(f".{target}")}:
            raise UserError(
                f"{setting}.target_modules: {target} shares its weight with another layer"
                f" ({_some(sorted(tied - shared))}), so that an adapter on one of them cannot be"
                " folded into it for sampling; leave it out"
            )
    try:
        inject_adapter_in_model(lora.config(), model, low_cpu_mem_usage=True)
    except Exception as error:  # of peft, for layers that it has no adapter for
        raise UserError(
            f"{setting}: no adapter can be put on this model: {one_line(error)}"
        ) from error
