"""Rows as token sequences, and sequences as padded or packed batches.

Packed rows do not attend to one another.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selftrain_assets.domain.errors import IntegrityError, ModelError
from selftrain_assets.domain.types import Row
from selftrain_assets.models.thinking import token_at
from selftrain_assets.models.tokenization import (
    encode_completion,
    encode_ended,
    encode_prompt,
    tokenizer_digest,
)

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

IGNORED = -100


Batch = dict[str, "torch.Tensor"]
"""Tensors of shape (rows, tokens), by the names that the model and the loss know them by."""


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids, labels and loss weights of one row, all of one length.

    Labels of the prompt are ignored, so the loss is on the completion alone.
    """

    input_ids: list[int]
    labels: list[int]
    weights: list[float]


FILLER = Example([0, 0], [IGNORED, IGNORED], [0.0, 0.0])
"""No row: what a process is given where a step has no row left for it. Nothing is learned from
it and no normaliser counts it."""


def tokenize(row: Row, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Example:
    """Tokens of a row, with the weight of each in the loss.

    The tokens that were drawn are taken where they are of this tokenizer. Otherwise prompt and
    completion, and the sections of a completion, are tokenized apart, so that borders lie where
    sampling had them.
    """
    prompt = encode_prompt(tokenizer, row.prompt)
    completion, weights = _as_drawn(row, tokenizer) or _of_text(row, tokenizer)
    length = len(prompt) + len(completion)
    if length > max_length:
        raise ModelError(
            f"problem {row.problem_id}: a training row has {length} tokens, more than max_length"
            f" {max_length}; raise trainer.max_length or lower max_tokens"
        )
    labels = [
        IGNORED if weight is None else token
        for token, weight in zip(completion, weights, strict=True)
    ]
    return Example(
        prompt + completion,
        [IGNORED] * len(prompt) + labels,
        [row.weight] * len(prompt) + [weight or 0.0 for weight in weights],
    )


Weighted = tuple[list[int], list[float | None]]
"""Tokens of a completion, each with its weight; None for one that is not learnt."""


def _as_drawn(row: Row, tokenizer: PreTrainedTokenizerBase) -> Weighted | None:
    if row.tokens is None or row.tokenizer != tokenizer_digest(tokenizer):
        return None
    weights: list[float | None] = [row.weight] * len(row.tokens)
    if row.forced is not None:
        start, stop = (token_at(tokenizer, row.tokens, place) for place in row.forced)
        if start is None or stop is None:
            return None
        weights[start:stop] = [None] * (stop - start)
    return row.tokens, weights


def _of_text(row: Row, tokenizer: PreTrainedTokenizerBase) -> Weighted:
    completion: list[int] = []
    weights: list[float | None] = []
    *before, (last, weight_of_last) = _sections(row)
    for text, weight in before:
        completion += encode_completion(tokenizer, text)
        weights += [weight] * (len(completion) - len(weights))
    completion += encode_ended(tokenizer, last, row.ended_by)
    return completion, [*weights, *[weight_of_last] * (len(completion) - len(weights))]


def _sections(row: Row) -> list[tuple[str, float | None]]:
    """Parts of the completion with their weights, in order; what was forced into it has none."""
    if row.forced is not None:
        start, stop = row.forced
        return [
            (row.completion[:start], row.weight),
            (row.completion[start:stop], None),
            (row.completion[stop:], row.weight),
        ]
    if row.sections is None:
        return [(row.completion, row.weight)]
    sections: list[tuple[str, float | None]] = []
    start = 0
    for section in row.sections:
        end = start + section["length"]
        sections.append((row.completion[start:end], row.weight * section["factor"]))
        start = end
    if start != len(row.completion):
        raise IntegrityError(
            f"row {row.key}: its sections cover {start} of {len(row.completion)} characters; make"
            " its dataset again"
        )
    return sections


def pad(examples: Sequence[Example], pad_id: int) -> Batch:
    """A batch of shape (rows, longest), padded on the right."""
    import torch

    width = max(len(e.input_ids) for e in examples)

    def filled(rows: Iterable[Sequence[float]], value: float) -> torch.Tensor:
        return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows])

    return {
        "input_ids": filled((e.input_ids for e in examples), pad_id),
        "attention_mask": filled(([1] * len(e.input_ids) for e in examples), 0),
        "labels": filled((e.labels for e in examples), IGNORED),
        "loss_weights": filled((e.weights for e in examples), 0.0),
    }


def pack(examples: Sequence[Example]) -> Batch:
    """A batch of shape (1, all tokens).

    Position ids start again at each row and there is no attention mask: that, with the cache off,
    is how transformers learns where rows end. With an all-ones mask rows would silently see each
    other. The first label of each row is ignored, because the token before it belongs to another
    row.
    """
    import torch

    return {
        "input_ids": torch.tensor([[t for e in examples for t in e.input_ids]]),
        "position_ids": torch.tensor([[i for e in examples for i in range(len(e.input_ids))]]),
        "labels": torch.tensor([[t for e in examples for t in (IGNORED, *e.labels[1:])]]),
        "loss_weights": torch.tensor([[w for e in examples for w in e.weights]]),
    }


class BatchOrder:
    """Order of one epoch: shuffled, then sorted by length inside each batch.

    Batches are drawn without regard to length, so that every optimizer step sees the whole
    dataset's mix, and their micro-batches still hold rows of like length, which need little
    padding. Depends on seed and epoch alone, so a resumed run sees the same order.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths, self._batch_size, self._seed, self._epoch = lengths, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        order = list(range(len(self._lengths)))
        random.Random(f"{self._seed}:{self._epoch}").shuffle(order)
        for start in range(0, len(order), self._batch_size):
            yield from sorted(
                order[start : start + self._batch_size], key=lambda i: self._lengths[i]
            )
