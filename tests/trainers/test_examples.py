"""Rows become tokens, batches and an order of batches without changing what is learned from
them."""

import random
import statistics
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.errors import ModelError
from selftrain_assets.models.loading import load_model
from selftrain_assets.models.tokenization import tokenizer_digest
from selftrain_assets.trainers.examples import IGNORED, BatchOrder, Example, pack, pad, tokenize

LENGTHS = random.Random(0).choices(range(5, 100), k=403)
BATCH = 8


@pytest.fixture
def examples(rows, tokenizer):
    """Rows of unequal length and weight."""
    return [
        tokenize(replace(row, weight=weight), tokenizer, 512)
        for row, weight in zip(rows, (1.0, 0.5, 0.0, 2.0), strict=False)
    ]


def test_only_the_completion_and_its_end_are_learned(rows, tokenizer):
    row = replace(rows[0], weight=0.5)
    example = tokenize(row, tokenizer, 512)
    learned = [
        token
        for token, label in zip(example.input_ids, example.labels, strict=True)
        if label != IGNORED
    ]
    prompt = tokenizer(row.prompt).input_ids
    assert example.input_ids == prompt + learned
    assert [label for label in example.labels if label != IGNORED] == learned
    assert tokenizer.decode(learned[:-1]) == row.completion
    assert learned[-1] == tokenizer.eos_token_id
    assert example.weights == [0.5] * len(example.input_ids)


def learned(row, tokenizer):
    example = tokenize(row, tokenizer, 512)
    assert len(example.input_ids) == len(example.labels) == len(example.weights)
    return [label for label in example.labels if label != IGNORED]


def test_tokens_are_learned_as_they_were_drawn(rows, tokenizer):
    """Even where the same text would be tokenized otherwise, and with no end token but the one
    that was drawn."""
    drawn = replace(rows[0], tokens=[5, 6, 7], tokenizer=tokenizer_digest(tokenizer))
    assert learned(drawn, tokenizer) == [5, 6, 7]


def test_tokens_of_another_tokenizer_are_not(rows, tokenizer):
    other = replace(rows[0], tokens=[5, 6, 7], tokenizer="another")
    assert learned(other, tokenizer) == learned(rows[0], tokenizer)


@pytest.mark.parametrize("known", [True, False])
def test_what_was_forced_is_read_and_not_learned(rows, tokenizer, known):
    """Whether its tokens are known, or the text is tokenized, as for a student with another
    tokenizer."""
    before, mark, after = "9 + 4 =", " ;", " 13"
    tokens = [
        id
        for text in (before, mark, after)
        for id in tokenizer(text, add_special_tokens=False).input_ids
    ]
    text = tokenizer.decode(tokens)
    start = text.index(";") - len(mark.removesuffix(";"))
    row = replace(
        rows[0], completion=text, forced=[start, start + len(mark)], ended_by="", tokens=tokens
    )
    row = replace(row, tokenizer=tokenizer_digest(tokenizer) if known else "another")
    forced = tokenizer.convert_tokens_to_ids(";")
    example = tokenize(row, tokenizer, 512)
    assert example.input_ids[-len(tokens) :] == tokens
    assert forced in tokens
    assert learned(row, tokenizer) == [token for token in tokens if token != forced]


@pytest.mark.parametrize(
    ("ended_by", "learnt"),
    [(None, ["<eos>"]), ("<eos>", ["<eos>"]), ("", []), (";", [";"]), ("; 7", [";", "7"])],
)
def test_what_ended_a_completion_is_what_is_learned_to_end_it(rows, tokenizer, ended_by, learnt):
    text = learned(replace(rows[0], ended_by=""), tokenizer)
    assert tokenizer.decode(text) == rows[0].completion
    assert learned(
        replace(rows[0], ended_by=ended_by), tokenizer
    ) == text + tokenizer.convert_tokens_to_ids(learnt)


def test_a_row_that_is_too_long_is_refused_by_name(rows, tokenizer):
    length = len(tokenize(rows[0], tokenizer, 512).input_ids)
    assert len(tokenize(rows[0], tokenizer, length).input_ids) == length
    with pytest.raises(
        ModelError, match=rf"{rows[0].problem_id}.* {length} tokens.* {length - 1};"
    ):
        tokenize(rows[0], tokenizer, length - 1)


def test_padding_is_neither_seen_nor_learned():
    batch = pad(
        [Example([5, 6, 7], [IGNORED, 6, 7], [0.5] * 3), Example([8], [8], [2.0])], pad_id=9
    )
    assert {name: tensor.tolist() for name, tensor in batch.items()} == {
        "input_ids": [[5, 6, 7], [8, 9, 9]],
        "attention_mask": [[1, 1, 1], [1, 0, 0]],
        "labels": [[IGNORED, 6, 7], [8, IGNORED, IGNORED]],
        "loss_weights": [[0.5, 0.5, 0.5], [2.0, 0.0, 0.0]],
    }


def test_packing_restarts_positions_and_learns_nothing_across_rows():
    batch = pack(
        [Example([5, 6, 7], [IGNORED, 6, 7], [0.5] * 3), Example([8, 9], [8, 9], [2.0] * 2)]
    )
    assert {name: tensor.tolist() for name, tensor in batch.items()} == {
        "input_ids": [[5, 6, 7, 8, 9]],
        "position_ids": [[0, 1, 2, 0, 1]],
        "labels": [[IGNORED, 6, 7, IGNORED, 9]],
        "loss_weights": [[0.5, 0.5, 0.5, 2.0, 2.0]],
    }


def forward(model, batch, **more):
    import torch

    names = ("input_ids", "attention_mask", "position_ids")
    with torch.inference_mode():
        return model(
            **{name: batch[name] for name in names if name in batch}, **more, use_cache=False
        ).logits


def weighted_loss(logits, batch):
    import torch

    losses = torch.nn.functional.cross_entropy(
        logits[0, :-1], batch["labels"][0, 1:], reduction="none", ignore_index=IGNORED
    )
    return (losses * batch["loss_weights"][0, 1:]).sum().item()


# compiled at first
@pytest.mark.parametrize(
    "kernel", ["sdpa", "eager", pytest.param("flex_attention", marks=pytest.mark.kills)]
)
def test_packed_rows_do_not_see_each_other(embedded, tokenizer, examples, kernel):
    import torch

    model = load_model(embedded, "cpu", "float32", attention=kernel)
    alone = [pad([example], tokenizer.pad_token_id) for example in examples]
    logits = [forward(model, batch) for batch in alone]
    packed = pack(examples)
    together = forward(model, packed)
    assert torch.allclose(together, torch.cat(logits, dim=1), atol=1e-4)
    assert weighted_loss(together, packed) == pytest.approx(
        sum(map(weighted_loss, logits, alone)), rel=1e-4
    )


def test_packed_rows_would_see_each_other_through_a_mask_of_ones(model, tokenizer, examples):
    import torch

    packed = pack(examples)
    together = forward(model, packed, attention_mask=torch.ones_like(packed["input_ids"]))
    alone = torch.cat(
        [forward(model, pad([example], tokenizer.pad_token_id)) for example in examples], dim=1
    )
    first = len(examples[0].input_ids)
    assert torch.allclose(together[:, :first], alone[:, :first], atol=1e-4)
    assert (together - alone)[:, first:].abs().max() > 1e-2


def order(lengths=LENGTHS, batch=BATCH, seed=0, epoch=0):
    sampler = BatchOrder(lengths, batch, seed)
    sampler.set_epoch(epoch)
    return list(sampler)


@given(
    st.lists(st.integers(1, 50), max_size=80),
    st.integers(1, 9),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_an_epoch_holds_every_row_once(lengths, batch, seed, epoch):
    assert sorted(order(lengths, batch, seed, epoch)) == list(range(len(lengths)))
    assert len(BatchOrder(lengths, batch, seed)) == len(lengths)


def test_the_order_depends_on_seed_and_epoch_alone():
    assert order(seed=1, epoch=2) == order(seed=1, epoch=2)
    assert (
        len({tuple(order(seed=seed, epoch=epoch)) for seed in range(3) for epoch in range(3)}) == 9
    )


def batches(indices):
    return [
        [LENGTHS[i] for i in indices[start : start + BATCH]]
        for start in range(0, len(indices), BATCH)
    ]


def test_a_batch_is_drawn_without_regard_to_length():
    means = [
        sum(batch) / len(batch) for epoch in range(20) for batch in batches(order(epoch=epoch))
    ]
    spread = statistics.pstdev(means)
    expected = statistics.pstdev(LENGTHS) / BATCH**0.5
    assert 0.7 * expected < spread < 1.3 * expected


def test_rows_of_a_batch_come_in_order_of_length():
    assert all(batch == sorted(batch) for batch in batches(order()))


def test_batches_are_not_ordered_by_length():
    longest = [max(batch) for batch in batches(order())]
    assert sum(a < b for a, b in pairwise(longest)) < 0.7 * len(longest)
