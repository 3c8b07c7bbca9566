"""Texts as token ids and back: the same for what is sampled and for what is trained on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from functools import lru_cache
from logging import ERROR, getLogger
from typing import TYPE_CHECKING, Any

from selftrain_assets.domain.errors import ModelError
from selftrain_assets.domain.identity import KEY_LENGTH
from selftrain_assets.models.templates import chat_openings, turn_end

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

    from selftrain_assets.models.loading import ModelRef

WORD = "\N{LOWER ONE EIGHTH BLOCK}"
"""What SentencePiece writes for a space, in front of a word."""
SPACE = "\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}"
"""The same where tokens are of bytes."""
ANCHORS = ("\n", "=", "a", "0", ".", "|")
"""Texts that a completion is put behind to see what it is behind a prompt; the first that does
not grow together with it counts."""


def load_tokenizer(ref: ModelRef) -> PreTrainedTokenizerBase:
    """The tokenizer, padding on the left for decoding.

    Where it names no end token that is the model's first; where it has no padding token, or one
    that the embedding has no row for, that is the end token: padded positions are masked, and any
    id will do.
    """
    from transformers import AutoTokenizer

    quiet()
    try:
        tokenizer = AutoTokenizer.from_pretrained(ref.directory, trust_remote_code=False)
    except Exception as error:  # damaged files raise many unrelated types
        model_config(ref)  # which it reads too, and which says more where it is at fault
        raise ModelError(
            f"model: {ref.directory} holds no tokenizer that can be loaded: {one_line(error)}"
        ) from error
    tokenizer.padding_side = "left"
    if tokenizer.eos_token_id is None and (
        named := [id for id in _named_ends(ref) if tokenizer.convert_ids_to_tokens(id)]
    ):
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(named[0])
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= embedding_rows(ref):
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


@lru_cache(maxsize=16)
def cached_tokenizer(ref: ModelRef) -> PreTrainedTokenizerBase:
    """The same, loaded once; for callers that change nothing in it."""
    return load_tokenizer(ref)


# -- ids of texts ----------------------------------------------------------------------------------


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """Token ids of a prompt, for sampling and training alike.

    Nothing is put before a chat, whose template brings what it is to have, nor before a prompt that
    brings the begin token itself; an empty one becomes the begin token. The end token that some
    tokenizers append is no part of it.
    """
    begun = bool(tokenizer.bos_token) and prompt.startswith(tokenizer.bos_token)
    begun = begun or prompt.startswith(_chat_openings(tokenizer))
    ids = tokenizer(prompt, add_special_tokens=not begun).input_ids
    if not begun and ids and ids[-1] in (tokenizer.eos_token_id, tokenizer.sep_token_id):
        ids = _without_what_is_appended(ids, tokenizer(prompt, add_special_tokens=False).input_ids)
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return ids or [begin]


@lru_cache(maxsize=16)
def _chat_openings(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    return chat_openings(tokenizer)


def _without_what_is_appended(ids: list[int], text: list[int]) -> list[int]:
    """`ids`, which are those of a text among special tokens, up to the end of the text."""
    starts = (n for n in range(len(ids) - len(text) + 1) if ids[n : n + len(text)] == text)
    return ids[: next(starts, len(ids) - len(text)) + len(text)]


def encode_completion(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a text that continues a prompt.

    There is no begin token or space before it that is not in it, and no end token behind it. Added
    tokens in it are tokens, and the text between them is encoded in the same way.
    """
    pattern = _added_tokens(tokenizer)
    ids: list[int] = []
    for place, part in enumerate(pattern.split(text) if pattern else [text]):
        ids += [tokenizer.convert_tokens_to_ids(part)] if place % 2 else _continued(tokenizer, part)
    return ids


@lru_cache(maxsize=16)
def _added_tokens(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str] | None:
    """Finds the tokens that are looked for in a text before it is split into others."""
    names = sorted(
        (token.content for token in tokenizer.added_tokens_decoder.values()), key=len, reverse=True
    )
    return re.compile(f"({'|'.join(map(re.escape, names))})") if names else None


def _continued(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Of a text without added tokens.

    Where the tokenizer may have put a space before it, the ids are those that it has behind another
    text.
    """
    ids = tokenizer(text, add_special_tokens=False).input_ids if text else []
    first = tokenizer.convert_ids_to_tokens(ids[0]) if ids else ""
    if first.startswith(WORD) or (first.startswith(SPACE) and not text.startswith(" ")):
        for anchor in ANCHORS:
            before, both = (
                tokenizer(probe, add_special_tokens=False).input_ids
                for probe in (anchor, anchor + text)
            )
            if before and both[: len(before)] == before and _is_behind(tokenizer, anchor, before):
                return both[len(before) :]
    return ids


def _is_behind(tokenizer: PreTrainedTokenizerBase, anchor: str, ids: list[int]) -> bool:
    """Is the anchor among the ids?

    Some tokenizers drop white space at the start, or do not know it.
    """
    return tokenizer.unk_token_id not in ids and tokenizer.decode(ids).strip(" ") == anchor


def encode_ended(tokenizer: PreTrainedTokenizerBase, text: str, ended_by: str | None) -> list[int]:
    """Token ids of a completion and of what is learnt to end it.

    Args:
        tokenizer: The tokenizer.
        text: The completion.
        ended_by: An end token by its name, or a stop text, which may share a token with what stands
            before it; empty: nothing; None: the tokenizer's own end token.
    """
    end = tokenizer.eos_token_id if ended_by is None else end_id(tokenizer, ended_by)
    return (
        encode_completion(tokenizer, text + (ended_by or ""))
        if end is None
        else [*encode_completion(tokenizer, text), end]
    )


def end_id(tokenizer: PreTrainedTokenizerBase, name: str) -> int | None:
    """The id of an end token; None for a text that is no token.

    The tokenizer may split an end token where it stands in a text.
    """
    token = tokenizer.convert_tokens_to_ids(name) if name else None
    if token is None or tokenizer.convert_ids_to_tokens(token) != name:
        return None
    added = _added_tokens(tokenizer)
    is_one = bool(added and added.fullmatch(name)) or name == tokenizer.eos_token
    return token if is_one or len(encode_completion(tokenizer, name)) > 1 else None


def end_name(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    """What an end token is called where it is kept (`ended_by`), and found again by (`end_id`)."""
    return tokenizer.convert_ids_to_tokens(token)


# -- texts of ids ----------------------------------------------------------------------------------


def decode(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> str:
    """The text of drawn tokens behind a prompt.

    Special tokens that mark a thought or a channel are part of it, as is the space before its first
    word where tokens have spaces: some decoders leave it out, taking it for one that encoding put
    there. Padding, begin and unknown tokens say nothing, and are left out; but for a begin token by
    which the chat template opens turns, as ChatML does: a model that goes on as the next person has
    to stop there.
    """
    silent = {tokenizer.pad_token_id, tokenizer.unk_token_id}
    if tokenizer.bos_token is not None and tokenizer.bos_token not in (
        tokenizer.chat_template or ""
    ):
        silent.add(tokenizer.bos_token_id)
    tokens = [token for token in tokens if token not in silent]
    if tokens and (tokenizer.convert_ids_to_tokens(tokens[0]) or "").startswith(WORD):
        first = tokenizer.decode(tokens[:1], clean_up_tokenization_spaces=False)
        return tokenizer.decode(
            [tokens[0], *tokens], clean_up_tokenization_spaces=False
        ).removeprefix(first)
    return tokenizer.decode(tokens, clean_up_tokenization_spaces=False)


# -- ends ------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def end_tokens(ref: ModelRef) -> list[int]:
    """Ids of the tokens that end a completion.

    They are those that the model's configurations name, the tokenizer's own, and the one that the
    chat template puts behind an assistant's message. An id that no token has, or that the embedding
    has no row for, is never drawn and is left out.
    """
    tokenizer, rows = load_tokenizer(ref), embedding_rows(ref)
    turn = turn_end(tokenizer)
    candidates = [*_named_ends(ref), tokenizer.eos_token_id, turn and end_id(tokenizer, turn)]
    return [
        id
        for id in dict.fromkeys(candidates)
        if id is not None and id < rows and tokenizer.convert_ids_to_tokens(id)
    ]


@lru_cache(maxsize=64)
def learnt_end(ref: ModelRef, chat: bool = False) -> str | None:
    """Name of the token that ends a text which was not drawn; None: the tokenizer's own.

    In a chat it is the one behind an assistant's message, else the tokenizer's own if the model's
    configurations know it, else the first that they name.
    """
    if not chat and _names_its_own_end(ref):
        return None
    tokenizer = load_tokenizer(ref)
    named = [id for id in _named_ends(ref) if id in end_tokens(ref)]
    turn = turn_end(tokenizer) if chat else None
    if turn is None and (tokenizer.eos_token_id in named or not named):
        return None
    end = turn or tokenizer.convert_ids_to_tokens(named[0])
    return None if end == tokenizer.eos_token else end


@lru_cache(maxsize=64)
def _names_its_own_end(ref: ModelRef) -> bool:
    """Do the configurations name the tokenizer's end token?

    Read off the files as far as they say it: a tokenizer takes seconds to load.
    """
    try:
        tokenizer, vocabulary, model = (
            json.loads((ref.directory / f"{name}.json").read_text(encoding="utf-8"))
            for name in ("tokenizer_config", "tokenizer", "config")
        )
        end = tokenizer["eos_token"]
        name = end["content"] if isinstance(end, dict) else end
        return any(
            token["id"] in _ids(ref, "config.json", model["eos_token_id"])
            for token in vocabulary["added_tokens"]
            if token["content"] == name
        )
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _named_ends(ref: ModelRef) -> list[int]:
    """End tokens of generation_config.json, then of config.json. Some files have -1 for none."""
    from transformers import GenerationConfig

    try:
        generation = GenerationConfig.from_pretrained(ref.directory).eos_token_id
    except OSError:  # a model need not bring one
        generation = None
    except Exception as error:  # what a file that holds something else makes it raise
        raise ModelError(
            f"model: generation_config.json of {ref.directory} cannot be used: {one_line(error)}"
        ) from error
    ids = _ids(ref, "generation_config.json", generation)
    ids += _ids(ref, "config.json", getattr(model_config(ref), "eos_token_id", None))
    return [id for id in dict.fromkeys(ids) if id >= 0]


def _ids(ref: ModelRef, file: str, value: Any) -> list[int]:
    ids = [] if value is None else [*value] if isinstance(value, list) else [value]
    if wrong := [id for id in ids if type(id) is not int]:
        raise ModelError(
            f"model: {file} of {ref.directory} names the end token {wrong[0]!r}; eos_token_id is"
            " the number of a token, or a list"
        )
    return ids


# -- tokenizer and model ---------------------------------------------------------------------------


@lru_cache(maxsize=64)
def check_tokenizer(ref: ModelRef) -> None:
    """Check that a tokenizer fits its model.

    Raises:
        ModelError: No token ends a completion, or a token that a text can have is none of the
            model's.
    """
    tokenizer, rows = load_tokenizer(ref), embedding_rows(ref)
    beyond = [(id, token) for token, id in tokenizer.get_vocab().items() if id >= rows]
    padding = _padding_name(ref)
    if beyond := sorted((id, token) for id, token in beyond if token != padding):
        id, token = beyond[0]
        raise ModelError(
            f"model: the tokenizer of {ref.directory} has {len(beyond)} tokens more than the model"
            f' (the first is "{token}", id {id}; vocab_size in config.json is {rows}); give it the'
            " tokenizer that it was trained with, or resize its embedding"
        )
    if not end_tokens(ref):
        raise ModelError(
            f"model: {ref.directory} knows no end token, so that no sample would end before"
            " max_tokens; name one, eos_token in its tokenizer_config.json"
        )


def tokenless(ref: ModelRef) -> list[int]:
    """Ids within the embedding that the tokenizer has no token for; they must never be drawn.

    The size of an embedding is often padded.
    """
    return sorted(set(range(embedding_rows(ref))) - set(load_tokenizer(ref).get_vocab().values()))


def embedding_rows(ref: ModelRef) -> int:
    """How many ids the model knows."""
    return model_config(ref).vocab_size


def _padding_name(ref: ModelRef) -> str | None:
    """The padding token that the tokenizer's files name, whatever `load_tokenizer` makes of it."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(ref.directory, trust_remote_code=False).pad_token


@lru_cache(maxsize=64)
def model_config(ref: ModelRef) -> PreTrainedConfig:
    """The configuration of a model, or of the part of it that goes on with text.

    ModelError where it cannot be used.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(ref.directory, trust_remote_code=False).get_text_config()
    except Exception as error:  # values of other types than a model's have many of their own
        raise ModelError(
            f"model: config.json of {ref.directory} cannot be used: {one_line(error)}"
        ) from error


def one_line(error: Exception) -> str:
    """What an error says, on one line and not too long for a sentence."""
    return " ".join(str(error).split())[:200]


@lru_cache(maxsize=8)
def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """Identifies what token ids mean.

    With equal digests, equal ids have equal texts and equal texts have equal ids.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content: Any = (
        json.loads(backend.to_str())
        if backend is not None
        else sorted(tokenizer.get_vocab().items())
    )
    if isinstance(content, dict):  # what depends on the batch is no part of it
        content = {k: v for k, v in content.items() if k not in ("padding", "truncation")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]


def quiet() -> None:
    """Silence what libraries print while they load.

    Our own progress bar is enough. bitsandbytes, which peft imports where it is installed, asks for
    a kernel that nobody needs.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    getLogger("bitsandbytes").setLevel(ERROR)
