"""Batching, packing and weighting of sft change only what they declare."""

import gc
import json
import shutil
import weakref
from dataclasses import replace

import pytest
from pydantic import ValidationError

from selftrain_assets.domain.errors import UserError
from selftrain_assets.trainers import SftTrainer, sft
from selftrain_assets.trainers.callbacks import newest_state
from selftrain_assets.trainers.early_stopping import EarlyStopping
from selftrain_assets.trainers.examples import tokenize
from tests.trainers import lab

FULL = lab.SETTINGS[SftTrainer]["full"]
WEIGHTS = (1.0, 0.5, 0.0, 2.0, 0.0)


@pytest.fixture(scope="module", params=lab.VARIANTS)
def settings(request):
    """Ten steps, of which the mean loss is reported; no dropout, whose draws depend on the shape
    of a batch."""
    chosen = lab.SETTINGS[SftTrainer][request.param]
    lora = chosen.lora and chosen.lora.model_copy(update={"dropout": 0.0})
    return lab.changed(chosen, steps=10, lora=lora)


@pytest.fixture(scope="module")
def plain(train, settings):
    return train(settings)


@pytest.fixture(scope="module")
def weighted(rows):
    return [replace(row, weight=WEIGHTS[i % len(WEIGHTS)]) for i, row in enumerate(rows)]


def assert_same_training(one, other):
    assert lab.furthest(one, other) < 2e-4
    assert one.result.losses == [
        (step, pytest.approx(loss, rel=1e-4)) for step, loss in other.result.losses
    ]
    assert len(one.result.losses) == 1


def test_an_adapter_is_the_same_wherever_its_base_lies(train, embedded, tmp_path):
    """Its digest must be: another store, or another process, whose sets have another order, is
    no other training."""
    moved = replace(embedded, directory=shutil.copytree(embedded.directory, tmp_path / "moved"))
    lora = lab.changed(lab.SETTINGS[SftTrainer]["lora"], steps=1)
    here, there = train(lora), train(lora, start=moved)
    assert here.ref.digest == there.ref.digest
    modules = json.loads((here.output / "adapter_config.json").read_text())["target_modules"]
    assert modules == sorted(modules)
    assert len(modules) > 1


@pytest.mark.parametrize(
    "changes",
    [{"micro_batch_size": 1}, {"packing": True}, {"packing": True, "micro_batch_size": 2}],
    ids=str,
)
def test_the_shape_of_a_batch_does_not_change_the_training(train, settings, plain, changes):
    assert_same_training(train(lab.changed(settings, **changes)), plain)


@pytest.mark.parametrize("packing", [False, True], ids=["padded", "packed"])
def test_the_attention_kernel_does_not_change_the_training(train, settings, plain, packing):
    assert_same_training(train(lab.changed(settings, attention="eager", packing=packing)), plain)


@pytest.mark.parametrize("variant", lab.VARIANTS)
def test_gradient_checkpointing_computes_again_and_changes_nothing(train, monkeypatch, variant):
    from transformers import modeling_utils

    checkpoint, calls = modeling_utils.checkpoint, []
    monkeypatch.setattr(
        modeling_utils,
        "checkpoint",
        lambda *args, **how: calls.append(how) or checkpoint(*args, **how),
    )
    plain = lab.SETTINGS[SftTrainer][variant]  # dropout too is drawn again
    done = train(lab.changed(plain, gradient_checkpointing=True))
    assert calls == [{"use_reentrant": False}] * len(calls)
    assert len(calls) == 4 * done.load().config.num_hidden_layers
    assert done.ref.digest == train(plain).ref.digest


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        (
            "flash_attention_2",
            "attention: flash_attention_2 is not installed; pip install flash-attn",
        ),
        ("flex_attention", "attention: flex_attention trains on GPUs alone; set auto"),
    ],
)
def test_a_kernel_that_cannot_train_here_is_refused(train, attention, message):
    with pytest.raises(UserError, match=message):
        train(lab.changed(FULL, attention=attention))


@pytest.mark.parametrize("packing", [False, True], ids=["padded", "packed"])
def test_rows_of_weight_zero_change_nothing(train, settings, weighted, packing):
    whole = lab.changed(
        settings, batch_size=len(weighted), normaliser="weighted_tokens", packing=packing
    )
    assert_same_training(
        train(whole, weighted), train(whole, [row for row in weighted if row.weight])
    )


def test_a_batch_of_weight_zero_rows_alone_does_no_harm(train, rows):
    done = train(
        lab.changed(FULL, batch_size=1, normaliser="weighted_tokens"),
        [replace(rows[0], weight=0.0), rows[1]],
    )
    assert all(tensor.isfinite().all() for tensor in done.weights().values())


@pytest.mark.parametrize("packing", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("normaliser", ["tokens", "weighted_tokens", "rows"])
def test_the_loss_is_divided_by_what_the_settings_name(
    train, model, tokenizer, weighted, normaliser, packing
):
    losses = [lab.surprise(model, tokenizer, row)[1] for row in weighted]
    total = sum(row.weight * sum(loss) for row, loss in zip(weighted, losses, strict=True))
    amount = {
        "tokens": sum(map(len, losses)),
        "weighted_tokens": sum(
            row.weight * len(loss) for row, loss in zip(weighted, losses, strict=True)
        ),
        "rows": len(weighted),
    }[normaliser]
    unmoved = lab.changed(
        FULL,
        steps=10,
        batch_size=10,
        micro_batch_size=5,
        learning_rate=1e-12,
        normaliser=normaliser,
        packing=packing,
    )
    assert train(unmoved, weighted).result.losses == [(10, pytest.approx(total / amount, rel=1e-3))]


def test_steps_and_epochs_exclude_each_other():
    with pytest.raises(ValidationError, match="set steps or epochs, not both"):
        SftTrainer(steps=3, epochs=1)


@pytest.mark.parametrize(
    ("length", "steps"), [({"steps": 5}, 5), ({"epochs": 2}, 6), ({"epochs": 0.5}, 2), ({}, 9)]
)
def test_the_length_of_a_training(train, length, steps):
    totals = []

    def leave(done, total):
        totals.append(total)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(lab.changed(FULL, **{"steps": None} | length), on_step=leave)
    assert totals == [steps]


@pytest.mark.parametrize("batch_size", [4, 64])
def test_tokens_are_those_that_went_through_the_model(train, tokenizer, rows, batch_size):
    done = train(lab.changed(FULL, steps=None, epochs=2, batch_size=batch_size))
    assert done.result.tokens == 2 * sum(
        len(tokenize(row, tokenizer, 512).input_ids) for row in rows
    )


def test_a_micro_batch_has_to_divide_the_batch():
    with pytest.raises(ValueError, match="micro_batch_size 3 does not divide batch_size 4"):
        lab.changed(FULL, micro_batch_size=3)


@pytest.mark.parametrize(
    "scores", [[0.1, 0.2, 0.3, 0.4], [0.5, 0.1]], ids=["last step", "first drop"]
)
def test_a_training_killed_after_its_last_step_is_not_trained_further(train, tmp_path, scores):
    def start(**more):
        script = iter(scores)
        watched = {
            "early_stopping": EarlyStopping(rule="first_drop", every=1),
            "validate": lambda *_: next(script),
        }
        return train(lab.changed(FULL, save_steps=len(scores)), **watched, **more)

    start(work=tmp_path / "work")
    seen = []
    again = start(work=tmp_path / "work", on_step=lambda *step: seen.append(step))
    assert seen == [(len(scores), 4)]
    assert again.result == start().result


def test_bfloat16_learns_as_much(train, tokenizer, rows):
    # steps smaller than what bfloat16 tells apart
    slow = lab.changed(FULL, steps=20, batch_size=10, learning_rate=1e-4)
    exact, rounded = (
        lab.loss(train(lab.changed(slow, dtype=dtype)).load(), tokenizer, rows)
        for dtype in ("float32", "bfloat16")
    )
    assert rounded == pytest.approx(exact, rel=0.05)


def test_the_model_is_gone_when_its_memory_is_given_back_to_the_gpu(train, monkeypatch):
    """torch gives back what nothing refers to, and the engine that starts next needs the room."""
    trained, left, build = [], [], SftTrainer._trainable

    def remembered(*arguments):
        model = build(*arguments)
        trained.append(weakref.ref(model))
        return model

    monkeypatch.setattr(SftTrainer, "_trainable", remembered)
    monkeypatch.setattr(
        sft,
        "release_gpu_memory",
        lambda: (gc.collect(), left.extend(model() for model in trained)),
    )
    train(lab.changed(FULL, steps=1))
    assert left == [None]


def test_a_state_that_was_not_written_to_its_end_is_not_resumed_from(train, tmp_path):
    def interrupt(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(lab.changed(FULL, save_steps=2), work=tmp_path, on_step=interrupt)
    assert newest_state(tmp_path)
    (state,) = tmp_path.glob("checkpoint-2")
    for path in state.iterdir():
        if path.suffix in (".safetensors", ".pt", ".pth") or path.name == "trainer_state.json":
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            assert newest_state(tmp_path) is None, path.name
            path.write_bytes(whole)
    (state / "optimizer.pt").write_bytes(b"")
    seen = []
    assert (
        train(FULL, work=tmp_path, on_step=lambda done, total: seen.append(done)).ref.digest
        == train(FULL).ref.digest
    )
    assert seen == [0, 1, 2, 3, 4]
