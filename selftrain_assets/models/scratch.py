"""`model: {architecture: ...}`: random weights and a tokenizer of bytes, as a model directory.

The same settings give the same weights, and so the same digest, with the same version of torch; a
directory that is there is never made anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.random_init import ScratchModel
from selftrain_assets.models.smollm2 import cache
from selftrain_assets.runtime.files import prepared_folder

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedConfig

END = "<end>"


def directory(spec: ScratchModel) -> Path:
    """The model; made where it is not there yet."""
    folder = cache() / f"scratch-{fingerprint(spec)}"
    if not (folder / "config.json").is_file():
        with prepared_folder(folder) as temporary:
            _make(spec, temporary)
    return folder


def _make(spec: ScratchModel, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    from selftrain_assets.models.tokenization import quiet

    quiet()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_bytes(), eos_token=END, pad_token=END, model_max_length=spec.positions
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        model = AutoModelForCausalLM.from_config(
            _config(spec, len(tokenizer), tokenizer.eos_token_id), dtype=torch.float32
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _bytes() -> Tokenizer:
    """A tokenizer with one token for each byte, and one for the end."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(
        models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(END, special=True)])
    return tokenizer


def _config(spec: ScratchModel, tokens: int, end: int) -> PreTrainedConfig:
    from transformers import GPT2Config, LlamaConfig

    inner = spec.inner or 4 * spec.width
    shared = {
        "vocab_size": tokens,
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "initializer_range": spec.initial,
        "tie_word_embeddings": False,
    }
    if spec.architecture == "gpt2":
        sizes = {
            "n_positions": spec.positions,
            "n_embd": spec.width,
            "n_inner": inner,
            "n_layer": spec.layers,
            "n_head": spec.heads,
        }
        return GPT2Config(**sizes, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, **shared)
    return LlamaConfig(
        max_position_embeddings=spec.positions,
        hidden_size=spec.width,
        intermediate_size=inner,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        **shared,
    )
