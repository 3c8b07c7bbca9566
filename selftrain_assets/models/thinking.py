"""What a model brings for thinking: its marks, and where an answer begins in its tokens."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from selftrain_assets.domain.thinking import TABLE, UNCLOSED, Marks, known_marks, thought_in
from selftrain_assets.domain.types import Completion
from selftrain_assets.models.loading import ModelRef
from selftrain_assets.models.tokenization import cached_tokenizer, decode

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Answer:
    """Where the answer of a completion begins, and the finish_reason of the sample."""

    start: int | None
    token: int | None
    finish_reason: str


def _may_think(ref: ModelRef) -> bool:
    """Is the start of a thought written in a file of its tokenizer?

    Without it no tokenizer need be loaded, which takes seconds.
    """
    starts = {marks.start.strip() for marks in TABLE}
    starts |= {json.dumps(start)[1:-1] for start in starts}
    for pattern in ("*token*.json", "*template*.json", "**/*.jinja"):
        for path in ref.directory.glob(pattern):
            text = path.read_text(encoding="utf-8", errors="replace")
            text = text.replace("\\u003c", "<").replace("\\u003e", ">")
            if any(start in text for start in starts):
                return True
    return False


@lru_cache(maxsize=16)
def marks_of(ref: ModelRef) -> Marks | None:
    """How this model marks its thoughts; None where it does not.

    These are marks of the table that are in its added tokens or its chat template.
    """
    if not _may_think(ref):
        return None
    tokenizer = cached_tokenizer(ref)
    template = tokenizer.chat_template or ""
    templates = template.values() if isinstance(template, dict) else [template]
    return known_marks([*map(str, tokenizer.added_tokens_encoder), *templates])


def answer_of(
    completion: Completion,
    prompt: str,
    marks: Marks | None,
    tokenizer: PreTrainedTokenizerBase | None,
) -> Answer:
    """The answer of a completion of this prompt.

    Its token is None where it begins within one, and where no tokens are known.
    """
    thought = thought_in(completion.text, marks, marks.opened_by(prompt)) if marks else None
    if thought is None:
        return Answer(None, None, completion.finish_reason)
    token = (
        None
        if tokenizer is None or completion.tokens is None
        else token_at(tokenizer, completion.tokens, thought.answer_start)
    )
    return Answer(
        thought.answer_start, token, completion.finish_reason if thought.closed else UNCLOSED
    )


def token_at(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int], start: int) -> int | None:
    """Index of the token that begins at this character of the decoded text; None where none does.

    It is looked for from the end, since answers are short and thoughts are long.
    """
    whole, count = decode(tokenizer, tokens), len(tokens)
    rest, first, step = whole[start:], count, 1

    def left(place: int) -> int:
        return len(decode(tokenizer, tokens[place:]))

    while left(first) < len(rest):
        first, step = max(0, count - step), 2 * step
    index = (
        first
        + bisect_right(range(first, count + 1), -len(rest), key=lambda place: -left(place))
        - 1
    )
    # bytes of a character that is begun earlier count for more than the one
    for place in range(index, max(-1, index - 4), -1):
        if decode(tokenizer, tokens[place:]) == rest:
            return place
    # some tokenizers leave out the space before the first word that they decode
    begun = (
        f" {decode(tokenizer, tokens[index + 1 :])}" == rest
        and decode(tokenizer, tokens[: index + 1]) == whole[:start]
    )
    return index + 1 if begun else None
