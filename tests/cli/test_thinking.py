"""Room for thoughts: what `new --model` writes, and what is said before a run that leaves too
little."""

import json

import pytest
import yaml

from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.models.lengths import intended_length, remarks, suitable_max_tokens
from tests.cli.command import selftrain
from tests.models.thinker import TEMPLATE, with_template


@pytest.fixture(scope="module")
def thinks(embedded, tmp_path_factory):
    """A model whose chat template knows thoughts."""
    return with_positions(
        with_template(embedded, tmp_path_factory.mktemp("models") / "thinks", TEMPLATE)
    )


@pytest.fixture(scope="module")
def says_its_length(embedded, tmp_path_factory):
    """A model without a chat template, whose generation config says how long its completions
    are."""
    model = with_template(embedded, tmp_path_factory.mktemp("models") / "long", "")
    path = model.directory / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_new_tokens": 32768}))
    return with_positions(model)


def with_positions(model, count=40960):
    """The same model, as if it had so many positions."""
    path = model.directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_position_embeddings": count}))
    return model


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("SELFTRAIN_DEFS", str(tmp_path / "defs"))
    monkeypatch.setenv("SELFTRAIN_STORE", str(tmp_path / "runs"))
    return tmp_path


def test_a_models_own_length_and_thoughts_say_how_much_room_is_needed(
    embedded, thinks, says_its_length
):
    assert [intended_length(m) for m in (embedded, thinks, says_its_length)] == [None, None, 32768]
    assert [suitable_max_tokens(m) for m in (embedded, thinks, says_its_length)] == [
        None,
        4096,
        32768,
    ]
    assert remarks(embedded, {"recipe.sampling": DrawSettings()}) == []
    [told] = remarks(says_its_length, {"recipe.sampling": DrawSettings()})
    assert told.startswith(
        "recipe.sampling.max_tokens is 512, and the model's own generation config says 32768"
    )
    [told] = remarks(thinks, {"recipe.sampling": DrawSettings()})
    assert "the model thinks before it answers (<think> ...)" in told
    for enough in (DrawSettings(max_tokens=4096), DrawSettings(thinking={"budget": 400})):
        assert remarks(thinks, {"recipe.sampling": enough}) == []


def test_new_leaves_room_for_the_model_that_it_names(place, thinks, says_its_length):
    for name, model, chat, length in (
        ("a", thinks, True, 4096),
        ("b", says_its_length, None, 32768),
    ):
        done = selftrain("new", name, "--model", str(model.directory), cwd=place)
        assert done.returncode == 0, done.stderr
        settings = yaml.safe_load(next(place.rglob(f"{name}/defs.yaml")).read_text())["attributes"]
        assert (settings["model"], settings["prompt"].get("chat")) == (str(model.directory), chat)
        assert settings["prompt"]["template"] == ("{question}" if chat else "Q: {question} A:")
        assert settings["recipe"]["sampling"] == {"max_tokens": length}
        assert settings["trainer"]["max_length"] > length


def test_a_run_begins_with_what_leaves_too_little_room(place, thinks):
    assert selftrain("new", "short", "--model", str(thinks.directory), cwd=place).returncode == 0
    path = next(place.rglob("short/defs.yaml"))
    path.write_text(path.read_text().replace("max_tokens: 4096", "max_tokens: 300"))
    done = selftrain("run", "short", cwd=place)
    assert (
        "note: recipe.sampling.max_tokens is 300, and the model thinks before it answers"
        in done.stdout
    )
    assert done.returncode == 2  # it has no problems yet


def test_a_study_keeps_its_model_and_one_that_is_not_there_is_told(place):
    assert (
        "leave --model out"
        in selftrain("new", "c", "--preset", "no_op", "--model", "embedded", cwd=place).stderr
    )
    assert (
        'there is no directory "nowhere"'
        in selftrain("new", "d", "--model", "nowhere", cwd=place).stderr
    )
