"""The model that `selftrain new` names can run what it writes: prompts and completions fit."""

import json
import shutil

import jsonschema
import pytest
import yaml

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.config.scaffold import needs_problems, scaffold, studies
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.types import Problem
from selftrain_assets.models.lengths import prompt_tokens
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.recipes import all_presets
from selftrain_assets.tasks import TASKS, Published, read
from tests.models.thinker import TEMPLATE, with_template
from tests.tasks.published_sets import NAMES, settings

OWN_MODEL = {"diversification"}


def written(text):
    return parse_experiment(yaml.safe_load(text)["attributes"], "test")


def fits(config, problems, positions):
    ways = [(m.prompt, m.sampling) for m in config.recipe.methods] or [
        (config.prompt, config.recipe.drawn)
    ]
    ref = resolve_model(config.model)
    hint = getattr(config.recipe, "rationalize", False)
    return all(
        prompt_tokens(ref, prompt, problems, hint) + sampling.max_tokens <= positions
        for prompt, sampling in ways
    )


def with_positions(folder, embedded, count, template=None):
    """A copy of the embedded model that has another number of positions."""
    if template:
        with_template(embedded, folder, template)
    else:
        shutil.copytree(embedded.directory, folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"max_position_embeddings": count}))
    return str(folder)


@pytest.fixture(scope="module")
def tiny(embedded, tmp_path_factory):
    """A model with 128 positions."""
    return with_positions(tmp_path_factory.mktemp("models") / "tiny", embedded, 128)


@pytest.fixture
def problems(tmp_path):
    """A file whose longest question has about 80 tokens."""
    path = tmp_path / "mine.jsonl"
    questions = [f"What is {n} + {n} ?" + " 1 + 1 = 2 ." * n for n in range(1, 12)]
    rows = [{"id": n, "question": q, "answer": 2 * n} for n, q in enumerate(questions, 1)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.parametrize("preset", all_presets())
def test_every_preset_fits_the_embedded_model(preset, problems):
    config = written(scaffold(preset))
    limit = 64 if preset in OWN_MODEL else 512
    file = config.task.type == "file"
    if file:
        config = written(scaffold(preset, path=str(problems)))
    assert fits(config, read(config.task).problems, limit)
    if preset not in OWN_MODEL:
        scaffold(preset, "embedded")  # which is as good as leaving it out


@pytest.mark.parametrize("name", NAMES)
def test_every_published_task_fits_a_model_of_512_positions(name):
    named = settings(name)
    plain = written(scaffold("rest_em", task=named["type"], path=named["path"]))
    assert fits(plain, read(plain.task).problems, 512)
    assert plain.recipe.sampling.max_tokens >= 64


@pytest.mark.parametrize("task", [name for name in TASKS if issubclass(TASKS[name], Published)])
def test_a_task_that_is_not_there_yet_leaves_room_for_its_questions(task):
    config = written(scaffold("rest_em", task=task))
    examples = prompt_tokens(resolve_model("embedded"), config.prompt, [Problem("", "", "")])
    assert examples + config.recipe.sampling.max_tokens + 64 <= 512


@pytest.mark.parametrize("preset", ["rest_em", "star"])
def test_completions_get_what_the_measured_prompts_leave(tiny, problems, preset):
    config = written(scaffold(preset, tiny, path=str(problems)))
    loaded = read(config.task).problems
    longest = prompt_tokens(resolve_model(tiny), config.prompt, loaded, preset == "star")
    assert 64 < longest < 128
    assert config.recipe.sampling.max_tokens == 128 - longest


def test_a_thinking_model_gets_no_more_than_its_positions(embedded, tmp_path):
    model = with_positions(tmp_path / "thinks", embedded, 512, TEMPLATE)
    assert written(scaffold("rest_em", model)).recipe.sampling.max_tokens < 512 - 200


def test_a_long_completion_can_be_trained_on(embedded, tmp_path):
    model = with_positions(tmp_path / "thinks", embedded, 8192, TEMPLATE)
    config = written(scaffold("rest_em", model))
    assert config.recipe.sampling.max_tokens == 4096
    assert config.trainer.max_length >= 4096 + 1024


def test_prompts_that_do_not_fit_are_refused(embedded, tmp_path, problems):
    model = with_positions(tmp_path / "dwarf", embedded, 64)
    with pytest.raises(UserError, match=r"the longest prompt has \d+ tokens, and .* has 64 positi"):
        scaffold("rest_em", model, path=str(problems))
    with pytest.raises(UserError, match="a prompt of mmst and its completion take"):
        scaffold("mmst", model)


def test_what_a_preset_brings_is_not_asked_for():
    for arguments in ({"task": "gsm8k"}, {"path": "x"}):
        with pytest.raises(UserError, match=r"mmst brings a task of its own; leave it out"):
            scaffold("mmst", **arguments)
    with pytest.raises(UserError, match=r'--task: there is no task "gsm"; did you mean "gsm8k"'):
        scaffold("rest_em", task="gsm")


def test_a_file_that_names_its_problems_needs_none():
    assert needs_problems(scaffold("rest_em"))
    assert not needs_problems(scaffold("rest_em", path="other.jsonl"))
    assert not needs_problems(scaffold("mmst"))


@pytest.mark.parametrize("preset", [*all_presets(), *studies()])
def test_dagster_accepts_what_is_written_by_the_schema_of_an_experiment(preset):
    """`dg check defs` validates a file before anything is loaded."""
    settings = yaml.safe_load(scaffold(preset))["attributes"]
    jsonschema.validate(settings, Experiment.model_json_schema())
    settings.setdefault("recipe", {})["preset"] = "rest-em"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(settings, Experiment.model_json_schema())
