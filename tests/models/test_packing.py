"""Rows side by side are refused where a model would let them see one another, before anything is
drawn."""

import pytest

from selftrain_assets.domain.errors import ModelError
from selftrain_assets.models import finiteness, packing
from selftrain_assets.models.digests import weights_digest
from selftrain_assets.models.loading import ModelRef
from selftrain_assets.models.packing import require_packable
from selftrain_assets.models.tokenization import load_tokenizer
from selftrain_assets.pipeline.loop import run_rounds

SIZES = {
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "head_dim": 4,
}
EXPERTS = {"num_local_experts": 2, "num_experts_per_tok": 1}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(finiteness, "_noted", set())


@pytest.fixture
def made(tmp_path, embedded):
    """Returns a function that makes a tiny model with the tokenizer of the embedded one."""
    import torch
    import transformers

    def make(name, sizes):
        transformers.set_seed(0)
        kind = getattr(transformers, name)
        tokenizer = load_tokenizer(embedded)
        model = kind(kind.config_class(vocab_size=len(tokenizer), pad_token_id=0, **sizes))
        with torch.no_grad():
            # as initialised, tokens hardly change what others give
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
        return ModelRef(tmp_path / name, weights_digest(tmp_path / name))

    return make


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("MambaForCausalLM", SIZES | {"state_size": 4}),
        ("BloomForCausalLM", {"hidden_size": 8, "n_layer": 1, "n_head": 2}),
        (
            "Lfm2ForCausalLM",
            SIZES | {"num_key_value_heads": 2, "layer_types": ["conv", "full_attention"]},
        ),
        ("GptOssForCausalLM", SIZES | EXPERTS | {"num_key_value_heads": 2}),
        (
            "OPTForCausalLM",
            {**SIZES, "ffn_dim": 16, "word_embed_proj_dim": 8, "max_position_embeddings": 64},
        ),
    ],
)
def test_a_model_that_takes_no_notice_of_where_rows_begin_is_not_packed(made, name, sizes):
    with pytest.raises(
        ModelError,
        match=(
            r"trainer\.packing: rows that lie side by side would see one another in the model .*;"
            r" set false"
        ),
    ):
        require_packable(made(name, sizes), "trainer.packing")


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("Qwen3ForCausalLM", SIZES | {"num_key_value_heads": 1}),
        ("GPT2LMHeadModel", {"n_embd": 8, "n_layer": 1, "n_head": 2}),
    ],
)
def test_one_that_does_is_tried_once(made, name, sizes, monkeypatch):
    ref = made(name, sizes)
    require_packable(ref, "trainer.packing")
    monkeypatch.setattr(finiteness, "_noted", set())  # as in another process
    monkeypatch.setattr(packing, "_keeps_rows_apart", lambda ref: 1 / 0)
    require_packable(ref, "trainer.packing")


def test_a_round_with_rows_side_by_side_asks_for_it(opened, monkeypatch):
    monkeypatch.setattr(packing, "_keeps_rows_apart", lambda ref: False)
    run = opened(trainer={"steps": 1, "batch_size": 4, "packing": True})
    with pytest.raises(ModelError, match=r"trainer\.packing"):
        run_rounds(run, [1])
    assert not run.manifest("base", "evaluation")
