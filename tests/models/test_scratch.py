"""Models of random weights, described in an experiment."""

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.random_init import ScratchModel
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Request
from selftrain_assets.engines import TransformersSettings
from selftrain_assets.models.loading import load_model, resolve_model
from selftrain_assets.models.tokenization import encode_prompt, load_tokenizer

SMALL = {"layers": 2, "width": 16, "heads": 2, "positions": 64}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_the_same_settings_give_the_same_weights_wherever_they_are_made(
    architecture, tmp_path, monkeypatch
):
    first = resolve_model(ScratchModel(architecture=architecture, **SMALL))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    again, other = (
        resolve_model(ScratchModel(architecture=architecture, seed=seed, **SMALL))
        for seed in (0, 1)
    )
    assert again.directory != first.directory
    assert again.digest == first.digest != other.digest
    config = load_model(first, "cpu").config
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (2, 16, 2)


def test_making_one_leaves_the_state_of_chance_alone():
    import torch

    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    resolve_model(ScratchModel(**SMALL))
    assert torch.equal(torch.rand(3), expected)


def test_its_defaults_are_the_model_of_the_paper():
    """arXiv 2410.04717, section 2: GPT-2 with 6 layers, width 256 and 4 heads."""
    config = load_model(resolve_model(ScratchModel()), "cpu").config
    assert (config.model_type, config.n_layer, config.n_embd, config.n_head) == ("gpt2", 6, 256, 4)


@pytest.mark.parametrize(
    "text", ["ab>c:xaby", " leading and trailing ", "tabs\tand\nlines", "żółw 🐢", ""]
)
def test_any_text_is_written_as_its_bytes_and_read_back(text):
    tokenizer = load_tokenizer(resolve_model(ScratchModel(**SMALL)))
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert len(ids) == len(text.encode())
    assert tokenizer.decode(ids) == text
    assert tokenizer.eos_token_id not in ids
    assert encode_prompt(tokenizer, text)


def test_it_can_be_sampled():
    with TransformersSettings(device="cpu").open(resolve_model(ScratchModel(**SMALL))) as engine:
        [drawn] = engine.generate(
            [Request("k", "p", "ab>c:", 0, 0)], DrawSettings(temperature=1.0, max_tokens=5)
        )
    assert drawn.prompt_tokens == 5
    assert drawn.completion_tokens <= 5


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"architecture": "rnn"}, 'model.architecture: there is no "rnn"'),
        (
            {"architecture": "gpt2", "layer": 2},
            'unknown field "model.layer"; did you mean "layers"?',
        ),
        (
            {"width": 30, "heads": 4},
            "model: width 30 does not divide into 4 heads of an even size; give a multiple of 8",
        ),
        ({"layers": 0}, "model.layers: should be greater than or equal to 1, not 0"),
    ],
)
def test_bad_settings_are_one_sentence(model, told):
    with pytest.raises(UserError) as error:
        parse_experiment({"model": model}, "defs.yaml")
    assert str(error.value).startswith(f"defs.yaml: {told}")
