"""The loss in chunks has the value and the gradients of the plain one, whatever a family does to
its logits."""

import random
import re
from dataclasses import dataclass

import pytest
import torch
import transformers

from selftrain_assets.trainers import loss
from selftrain_assets.trainers.examples import IGNORED, Example, pack, pad

VOCABULARY, ROWS_AT_ONCE = 61, 7
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


@dataclass(frozen=True)
class Family:
    """A model family, and what it does to its logits."""

    config: str
    more: dict


FAMILIES = {
    "plain": Family("LlamaConfig", {"tie_word_embeddings": False}),
    "tied": Family("LlamaConfig", {"tie_word_embeddings": True}),
    "bias": Family("PhiConfig", {}),
    "capped": Family("Gemma2Config", {"final_logit_softcapping": 0.5}),
    "divided": Family("GraniteConfig", {"logits_scaling": 3.0}),
    "multiplied": Family("CohereConfig", {"logit_scale": 0.25}),
    "multiplied by the backbone's": Family(
        "FalconH1Config", {"lm_head_multiplier": 0.3, "mamba_d_ssm": 16, "mamba_n_heads": 2}
    ),
    "experts": Family(
        "Qwen3MoeConfig", {"num_experts": 4, "moe_intermediate_size": 8, "num_experts_per_tok": 2}
    ),
    "other names": Family(
        "GPT2Config",
        {
            "n_embd": 16,
            "n_layer": 2,
            "n_head": 2,
            "resid_pdrop": 0,
            "embd_pdrop": 0,
            "attn_pdrop": 0,
        },
    ),
    "recurrent": Family("MambaConfig", {"state_size": 4}),
}


def model_of(family: Family):
    transformers.set_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(
        getattr(transformers, family.config)(**SIZES | family.more)
    )
    with torch.no_grad():
        for parameter in model.parameters():  # zeros would hide a bias
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.train()


def batch_of(shape) -> dict:
    """Rows of unequal length and weight, one of them with two sections, one with nothing to
    learn."""
    rng, examples = random.Random(0), []
    for prompt, weights in (
        (4, [1.0] * 9),
        (2, [0.5] * 4 + [2.0] * 8),
        (6, [0.0] * 3),
        (5, []),
        (3, [1.5]),
    ):
        ids = [rng.randrange(3, VOCABULARY) for _ in range(prompt + len(weights))]
        examples.append(Example(ids, [IGNORED] * prompt + ids[prompt:], [1.0] * prompt + weights))
    return shape(examples)


def taken(model, batch, chunked: bool):
    """How the loss was taken, its value and all gradients."""
    how = loss.give_loss(model, list(range(3, 30)), chunked=chunked)
    model.zero_grad()
    result = model(**batch, use_cache=False).loss
    (result / 3).backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    del base.forward
    return how, result.detach(), gradients


def assert_equal(model, batch):
    plain_way, value, gradients = taken(model, batch, chunked=False)
    way, other, others = taken(model, batch, chunked=True)
    assert plain_way.startswith(loss.WHOLE)
    assert way == loss.CHUNKED
    assert other.item() == pytest.approx(value.item(), rel=1e-5)
    assert gradients.keys() == others.keys()
    for name, gradient in gradients.items():
        assert (gradient - others[name]).norm() <= 1e-5 * gradient.norm() + 1e-12, name
    assert any(gradient.any() for gradient in others.values())


@pytest.fixture(autouse=True)
def chunks(monkeypatch):
    """Each of a few positions; the numbers of them that were projected."""
    projected, forward = [], loss._ChunkedLoss.forward
    monkeypatch.setattr(loss, "LOGITS_AT_ONCE", ROWS_AT_ONCE * VOCABULARY)
    monkeypatch.setattr(
        loss._ChunkedLoss,
        "forward",
        staticmethod(
            lambda ctx, project, rows, *more: (
                projected.append(rows) or forward(ctx, project, rows, *more)
            )
        ),
    )
    return projected


@pytest.mark.parametrize("shape", [lambda rows: pad(rows, 0), pack], ids=["padded", "packed"])
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_value_and_gradients_are_those_of_the_plain_loss(family, shape, chunks):
    assert_equal(model_of(family), batch_of(shape))
    assert chunks == [ROWS_AT_ONCE]


@pytest.mark.parametrize("family", ["plain", "capped"])
@pytest.mark.parametrize(
    "where",
    [
        {"target_modules": ["v_proj"]},
        {"target_modules": ["lm_head"]},
        {"modules_to_save": ["lm_head"]},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`")
def test_an_adapter_may_lie_on_the_head(family, where, chunks):
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(
        model_of(FAMILIES[family]),
        LoraConfig(r=2, task_type="CAUSAL_LM", **{"target_modules": ["q_proj"]} | where),
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    assert_equal(model.train(), batch_of(pack))
    assert chunks == [ROWS_AT_ONCE]


def test_weights_may_be_whole_numbers(chunks):
    batch = batch_of(pack)
    assert_equal(
        model_of(FAMILIES["tied"]), batch | {"loss_weights": batch["loss_weights"].ceil().long()}
    )
    assert chunks


def test_few_logits_are_one_chunk(monkeypatch, chunks):
    monkeypatch.setattr(loss, "LOGITS_AT_ONCE", 1000 * VOCABULARY)
    assert_equal(model_of(FAMILIES["tied"]), batch_of(pack))
    assert not chunks


def test_a_batch_with_nothing_to_learn_has_gradients_of_zero():
    model = model_of(FAMILIES["tied"])
    nothing = pad([Example([5, 6, 7], [IGNORED] * 3, [1.0] * 3)], 0)
    _, value, gradients = taken(model, nothing, chunked=True)
    assert value == 0
    assert gradients.keys() == dict(model.named_parameters()).keys()
    assert not any(gradient.any() for gradient in gradients.values())


def test_activations_may_be_computed_again():
    model = model_of(FAMILIES["capped"])
    model.gradient_checkpointing_enable({"use_reentrant": False})
    assert_equal(model, batch_of(pack))


def test_bfloat16_arithmetic_has_the_same_rounding():
    model, batch = model_of(FAMILIES["tied"]), batch_of(pack)
    with torch.autocast("cpu", torch.bfloat16):
        _, value, gradients = taken(model, batch, chunked=False)
        way, other, others = taken(model, batch, chunked=True)
    assert way == loss.CHUNKED
    assert other.item() == pytest.approx(value.item(), rel=1e-2)
    assert all(
        (gradient - others[name]).norm() <= 0.02 * gradient.norm()
        for name, gradient in gradients.items()
    )


def test_the_model_goes_on_giving_logits():
    model, ids = model_of(FAMILIES["capped"]).eval(), torch.tensor([[3, 4, 5]])
    before = model(ids).logits, model.generate(ids, max_new_tokens=4, do_sample=False)
    loss.give_loss(model, [3, 4, 5])
    assert torch.equal(model(ids).logits, before[0])
    assert torch.equal(model.generate(ids, max_new_tokens=4, do_sample=False), before[1])


def shifted(forward):
    def other(*args, **inputs):
        outputs = forward(*args, **inputs)
        outputs.logits = outputs.logits + outputs.logits.shape[1]
        return outputs

    return other


def raising(forward):
    def other(*args, **inputs):
        if inputs["input_ids"].any():
            return forward(*args, **inputs)
        raise RuntimeError("zeros")

    return other


@pytest.mark.parametrize(
    ("changed", "why"),
    [(shifted, "gives other logits"), (raising, r"cannot be run apart \(RuntimeError\)")],
)
def test_a_head_that_cannot_be_run_apart_is_trained_from_all_logits(changed, why, chunks):
    model, batch = model_of(FAMILIES["plain"]), batch_of(pack)
    _, value, gradients = taken(model, batch, chunked=False)
    model.forward = changed(type(model).forward.__get__(model))
    way, other, others = taken(model, batch, chunked=True)
    assert way.startswith(loss.WHOLE)
    assert changed is shifted or (value, gradients.keys()) == (other, others.keys())
    assert re.search(why, way)
    assert not chunks
