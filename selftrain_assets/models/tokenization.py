"""Texts as token ids and back: the same for what is sampled and for what is trained on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from selftrain_assets.core.errors import ModelError
from selftrain_assets.core.identity import KEY_LENGTH

if TYPE_CHECKING:
    from selftrain_assets.models.loading import ModelRef


def load_tokenizer(ref: ModelRef):
    """The tokenizer, padding on the left for decoding; a missing padding token becomes the end token."""
    from transformers import AutoTokenizer

    quiet()
    try:
        tokenizer = AutoTokenizer.from_pretrained(ref.directory)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"model: {ref.directory} holds no tokenizer that can be loaded: {str(error).splitlines()[0]}") from error
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def encode_prompt(tokenizer, prompt: str) -> list[int]:
    """Token ids of a prompt, for sampling and training alike; an empty one becomes the begin token, which a chat may bring itself."""
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    begun = bool(tokenizer.bos_token) and prompt.startswith(tokenizer.bos_token)
    return tokenizer(prompt, add_special_tokens=not begun).input_ids or [begin]


def encode_completion(tokenizer, text: str) -> list[int]:
    """Token ids of a text that goes on from a prompt: no begin token before it, no end token behind it."""
    return tokenizer(text, add_special_tokens=False).input_ids


def encode_ended(tokenizer, text: str, ended_by: str | None) -> list[int]:
    """Token ids of a completion and of what is learnt to end it: the tokenizer's own end token for None, nothing where it is empty, an end
    token by its text, or a stop text, which may share a token with what stands before it."""
    if ended_by is None:
        return [*encode_completion(tokenizer, text), tokenizer.eos_token_id]
    if ended_by in tokenizer.get_added_vocab():
        return [*encode_completion(tokenizer, text), tokenizer.convert_tokens_to_ids(ended_by)]
    return encode_completion(tokenizer, text + ended_by)


def decode(tokenizer, tokens: Sequence[int]) -> str:
    """The text of drawn tokens, special ones included: what marks a thought or a channel is part of what was drawn."""
    return tokenizer.decode(tokens, skip_special_tokens=False)


def end_tokens(ref: ModelRef) -> list[int]:
    """Ids of the tokens that end a completion."""
    from transformers import AutoConfig, GenerationConfig

    try:
        found = GenerationConfig.from_pretrained(ref.directory).eos_token_id
    except OSError:  # a model need not bring one
        found = None
    if found is None:
        found = AutoConfig.from_pretrained(ref.directory).eos_token_id
    return found if isinstance(found, list) else [] if found is None else [found]


@lru_cache(maxsize=8)
def tokenizer_digest(tokenizer) -> str:
    """Identifies what token ids mean: equal digests, equal texts of the same ids and equal ids of the same texts."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content: Any = json.loads(backend.to_str()) if backend is not None else sorted(tokenizer.get_vocab().items())
    if isinstance(content, dict):
        content = {name: value for name, value in content.items() if name not in ("padding", "truncation")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]


def quiet() -> None:
    """One progress bar is enough: ours."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
