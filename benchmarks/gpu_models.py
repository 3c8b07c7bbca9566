"""Models of random weights for benchmarks/gpu.py, and rows to train them on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import LlamaConfig, PretrainedConfig, Qwen3Config, set_seed

from selftrain_assets.domain.selection import make_row
from selftrain_assets.domain.types import Row
from selftrain_assets.models.loading import ModelRef, resolve_model
from selftrain_assets.models.pretrain import vocabulary
from selftrain_assets.models.tokenization import load_tokenizer

SEED = 0
QWEN = Qwen3Config(  # the numbers of Qwen/Qwen3-0.6B
    vocab_size=151_936,
    hidden_size=1024,
    intermediate_size=3072,
    num_hidden_layers=28,
    num_attention_heads=16,
    num_key_value_heads=8,
    head_dim=128,
    max_position_embeddings=40_960,
    tie_word_embeddings=True,
)
TINY_QWEN = Qwen3Config(
    vocab_size=4096,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=8,
    tie_word_embeddings=True,
)
SMOLLM2 = LlamaConfig(  # the numbers of SmolLM2-135M
    vocab_size=49_152,
    hidden_size=576,
    intermediate_size=1536,
    num_hidden_layers=30,
    num_attention_heads=9,
    num_key_value_heads=3,
    max_position_embeddings=2048,
    tie_word_embeddings=True,
)
TINY_SMOLLM2 = LlamaConfig(
    vocab_size=2048,
    hidden_size=16,
    intermediate_size=32,
    num_hidden_layers=2,
    num_attention_heads=2,
    tie_word_embeddings=True,
)


def random_model(config: PretrainedConfig, folder: Path) -> ModelRef:
    """A model of this shape with random weights, in bfloat16, and the tokenizer of the embedded
    one, whose ids are those of few words: what a step costs does not depend on which ids they
    are."""
    from transformers import AutoModelForCausalLM

    set_seed(SEED)
    tokenizer = load_tokenizer(resolve_model("embedded"))
    config.eos_token_id = tokenizer.eos_token_id
    # a GPU draws 600 million numbers at once
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return resolve_model(str(folder))


def rows(lengths: Sequence[int]) -> list[Row]:
    """A row of about so many tokens each: random words, a token each, of which a quarter is the
    prompt."""
    rng, words = random.Random(SEED), [word for word in vocabulary() if word.isalpha()]
    found = []
    for i, length in enumerate(lengths):
        text = rng.choices(words, k=length - 1)  # and the end token
        found.append(
            make_row(
                " ".join(text[: length // 4]),
                " ".join(text[length // 4 :]),
                1.0,
                "human",
                f"row-{i}",
                1,
            )
        )
    return found
