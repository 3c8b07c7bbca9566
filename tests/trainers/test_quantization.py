"""An adapter trained on a base of four bits is one for the base as it is."""

import pytest
from pydantic import ValidationError

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.models.loading import load_model
from selftrain_assets.trainers import SftTrainer, loss, sft
from tests.trainers import lab

LORA = lab.SETTINGS[SftTrainer]["lora"]
FOUR_BITS = lab.changed(LORA, quantization="nf4", steps=10)


@pytest.fixture(scope="module")
def trained(train):
    return train(FOUR_BITS)


def test_linear_layers_but_the_head_are_of_four_bits(embedded):
    from bitsandbytes.nn import Linear4bit

    model = load_model(embedded, "cpu", "float32", quantization="nf4")
    of_four_bits = {
        name.split(".")[-1]
        for name, module in model.named_modules()
        if isinstance(module, Linear4bit)
    }
    assert of_four_bits == {
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    }
    assert model.model.layers[0].self_attn.q_proj.weight.quant_state.quant_type == "nf4"
    assert model.model.layers[0].self_attn.q_proj.weight.quant_state.nested


def test_the_adapter_learns_and_belongs_on_the_base_as_it_is(trained, model, tokenizer, rows):
    assert lab.loss(trained.load(), tokenizer, rows) < 0.8 * lab.loss(model, tokenizer, rows)
    assert trained.result.adapter
    assert trained.result.loss == loss.CHUNKED
    assert "bitsandbytes" in trained.result.versions
    assert all("lora" in name for name in trained.weights())


def test_it_is_another_training_under_another_key(train, trained):
    assert lab.furthest(trained, train(lab.changed(LORA, steps=10))) > 1e-4
    assert fingerprint(FOUR_BITS) != fingerprint(lab.changed(LORA, steps=10))
    assert train(FOUR_BITS).ref.digest == trained.ref.digest


def test_a_later_round_goes_on_from_the_adapter(train, trained, tokenizer, rows):
    further = train(FOUR_BITS, start=trained.ref)
    assert lab.loss(further.load(), tokenizer, rows) < lab.loss(trained.load(), tokenizer, rows)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora": None}, "needs an adapter.*set lora"),
        ({"processes": 2, "sharding": "fsdp"}, "set execution.sharding: none"),
        ({"quantization": "int3"}, "nf4"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        lab.changed(FOUR_BITS, **changes)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(sft, "find_spec", lambda name: None)
    with pytest.raises(ValidationError, match=r"pip install 'selftrain\[quantization\]'"):
        lab.changed(FOUR_BITS, steps=3)
