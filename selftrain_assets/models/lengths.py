"""How long prompts and completions of a model can be, and how long completions are meant to be.

Its configuration has its positions; its generation config, and whether it thinks, say the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from selftrain_assets.domain.prompts import PromptSettings, build_prompt
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Problem
from selftrain_assets.models.chat import chat_frame
from selftrain_assets.models.loading import ModelRef
from selftrain_assets.models.thinking import marks_of
from selftrain_assets.models.tokenization import cached_tokenizer, encode_prompt, model_config

FAR_BELOW = 0.5  # of what the model's own generation config says
# tokens that a thought and its answer need, where a model that thinks says nothing itself
THINKING = 4096


def intended_length(model: ModelRef) -> int | None:
    """Tokens of a completion by the model's generation config.

    `max_new_tokens`, or `max_length`, which counts the prompt too.
    """
    path = model.directory / "generation_config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a model need not bring one
        return None
    if not isinstance(config, dict):
        return None
    length = config.get("max_new_tokens") or config.get("max_length")
    return length if isinstance(length, int) and length > 0 else None


def suitable_max_tokens(model: ModelRef) -> int | None:
    """What `max_tokens` should be for this model.

    None where the model neither has a length in its configuration nor thinks.
    """
    return intended_length(model) or (THINKING if marks_of(model) else None)


def positions(model: ModelRef) -> int | None:
    """Tokens that a prompt and its completion can have together; None where nothing limits them."""
    return getattr(model_config(model), "max_position_embeddings", None)


def prompt_tokens(
    model: ModelRef, settings: PromptSettings, problems: Sequence[Problem], hint: bool = False
) -> int:
    """Tokens of the longest prompt of these problems, with a hint if there is one."""
    prompt = build_prompt(
        settings,
        list(problems),
        hint,
        frame=(lambda turns: chat_frame(model, settings, datetime.now(), turns))
        if settings.chat
        else None,
    )
    tokenizer = cached_tokenizer(model)
    return max(len(encode_prompt(tokenizer, prompt.render(problem))) for problem in problems)


def remarks(model: ModelRef, ways: Mapping[str, DrawSettings]) -> list[str]:
    """A warning for each way of drawing that leaves this model far too little room.

    `ways` has their settings by the name of their section.
    """
    warnings = []
    own = marks_of(model)
    for setting, sampling in ways.items():
        intended, marks = intended_length(model), sampling.thinking.marks(own)
        if intended is not None and sampling.max_tokens < FAR_BELOW * intended:
            warnings.append(
                f"{setting}.max_tokens is {sampling.max_tokens}, and the model's own generation"
                f" config says {intended}: what would be longer is cut off, and not learnt"
            )
        elif (
            marks is not None
            and sampling.thinking.budget is None
            and sampling.max_tokens < FAR_BELOW * THINKING
        ):
            warnings.append(
                f"{setting}.max_tokens is {sampling.max_tokens}, and the model thinks before it"
                f" answers ({marks.start.strip()} ...), which takes thousands of tokens: raise it,"
                f" or end thoughts in time by {setting}.thinking.budget"
            )
    return warnings
