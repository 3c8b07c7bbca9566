"""The embedded model does its arithmetic, and model directories are found, told apart and
refused."""

import json
import random
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.errors import ModelError, UserError
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Request
from selftrain_assets.domain.weights import NOTES_FILE
from selftrain_assets.engines import TransformersSettings
from selftrain_assets.models.digests import weights_digest
from selftrain_assets.models.loading import load_model, resolve_model
from selftrain_assets.models.pretrain import example
from selftrain_assets.models.tokenization import load_tokenizer

GREEDY = DrawSettings(temperature=0, max_tokens=48)


@pytest.fixture(scope="module")
def tokenizer(embedded):
    return load_tokenizer(embedded)


@pytest.fixture
def copy(embedded, tmp_path):
    """A model directory of one's own."""
    return shutil.copytree(embedded.directory, tmp_path / "model")


def change(path, **settings):
    path.write_text(
        json.dumps(
            {k: v for k, v in (json.loads(path.read_text()) | settings).items() if v is not None}
        )
    )


def answers(ref, pairs, sampling=GREEDY):
    requests = [Request(str(i), str(i), prompt, i, 0) for i, (prompt, _) in enumerate(pairs)]
    with TransformersSettings(device="cpu").open(ref) as engine:
        drawn = {c.key: c.text for c in engine.generate(requests, sampling)}
    return [drawn[r.key] for r in requests]


def fresh(count):
    rng = random.Random("not seen in pretraining")
    return [example(rng) for _ in range(count)]


def test_it_evaluates_fresh_expressions(embedded):
    pairs = fresh(100)
    right = sum(
        answer == completion
        for answer, (_, completion) in zip(answers(embedded, pairs), pairs, strict=True)
    )
    assert right >= 90


@given(st.integers(0, 10**6), st.sampled_from("+-*/"), st.integers(0, 10**6))
def test_its_tokenizer_gives_numbers_and_operators_back(tokenizer, left, symbol, right):
    for text in (f"{left} {symbol} {right} = 17 ; #### 17", f"( {left} {symbol} {right} ) * 2"):
        ids = tokenizer(text).input_ids
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_its_tokenizer_gives_every_digit_a_token(tokenizer):
    assert tokenizer.convert_ids_to_tokens(tokenizer("120 #### 7").input_ids) == [
        "1",
        "2",
        "0",
        "####",
        "7",
    ]


@pytest.mark.parametrize("name", ["no-such-model", "./no/such", "/no/such", "owner/no-such-model"])
def test_a_model_that_is_nowhere_is_named(name):
    with pytest.raises(
        UserError, match=rf'there is no directory "{name}".*give a Hugging Face model directory'
    ):
        resolve_model(name)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [("config.json", "has no config.json; give a"), ("model.safetensors", "holds no weights")],
)
def test_a_directory_that_is_no_model_is_refused(copy, file, sentence):
    (copy / file).unlink()
    with pytest.raises(UserError, match=f"{copy} {sentence}"):
        resolve_model(str(copy))


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_files_that_cannot_be_read_are_a_model_error(copy, file):
    (copy / file).write_bytes((copy / file).read_bytes()[:100])
    with pytest.raises(ModelError, match=str(copy)):
        load_model(resolve_model(str(copy)), "cpu")


def test_a_missing_tokenizer_is_a_model_error(copy):
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=str(copy)):
        load_tokenizer(resolve_model(str(copy)))


def test_a_copy_is_the_same_model(copy, embedded):
    found = resolve_model(str(copy))
    assert found.directory != embedded.directory
    assert found.digest == embedded.digest


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_the_digest_changes_with_every_byte_that_shapes_the_output(copy, embedded, file):
    content = bytearray((copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / file).write_bytes(content)
    assert weights_digest(copy) != embedded.digest


@pytest.mark.parametrize("file", [NOTES_FILE, "README.md", "training_log.txt"])
def test_the_digest_does_not_change_with_notes_beside_the_weights(copy, embedded, file):
    (copy / file).write_text("{}")
    assert weights_digest(copy) == embedded.digest


def test_a_model_without_a_padding_token_answers_the_same(copy, embedded):
    change(copy / "config.json", pad_token_id=None)
    change(copy / "generation_config.json", pad_token_id=None)
    change(copy / "tokenizer_config.json", pad_token=None)
    change(copy / "tokenizer.json", padding=None)
    bare = resolve_model(str(copy))
    assert load_tokenizer(bare).pad_token_id == load_tokenizer(embedded).eos_token_id
    assert answers(bare, fresh(6)) == answers(embedded, fresh(6))


def test_a_models_own_generation_defaults_do_not_bend_the_draws(copy, embedded):
    change(
        copy / "generation_config.json",
        repetition_penalty=5.0,
        max_new_tokens=2,
        do_sample=True,
        temperature=9.0,
    )
    assert answers(resolve_model(str(copy)), fresh(6)) == answers(embedded, fresh(6))
