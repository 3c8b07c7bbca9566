"""Experiments as files: a fault becomes one line that names the file, the field, and what to do."""

import math

import pytest
import yaml

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.config.experiment_files import (
    COMPONENT,
    experiment_names,
    load_experiment,
    write_experiment,
)
from selftrain_assets.config.scaffold import scaffold, studies
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.settings import merged
from selftrain_assets.recipes import all_presets


def fault(values):
    """What a person reads when these settings are wrong."""
    with pytest.raises(UserError) as caught:
        parse_experiment(values, "defs/mine/defs.yaml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("defs/mine/defs.yaml: ")
    return message.removeprefix("defs/mine/defs.yaml: ")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rouds": 3}, 'unknown field "rouds"; did you mean "rounds"?'),
        ({"zzz": 3}, 'unknown field "zzz"; known: base, contamination, engine, evaluation'),
        (
            {"recipe": {"sampling": {"temperatur": 1}}},
            'unknown field "recipe.sampling.temperatur"; did you mean "temperature"?',
        ),
        (
            {"recipe": {"preset": "star", "sampling": {"top": 1}}},
            'unknown field "recipe.sampling.top"; did you mean "stop"?',
        ),
        (
            {"base": {"trainer": {"learning_rat": 1}}},
            'unknown field "base.trainer.learning_rat"; did you mean "learning_rate"?',
        ),
        (
            {"task": {"type": "file", "pth": "x.jsonl"}},
            'unknown field "task.pth"; did you mean "path"?',
        ),
        (
            {"verifier": {"type": "text", "case_sensitiv": 1}},
            'unknown field "verifier.case_sensitiv"; did you mean "case_sensitive"?',
        ),
        ({"trainer": {"lora": {"rank": 8}}}, 'unknown field "trainer.lora.rank"'),
    ],
    ids=str,
)
def test_a_misspelt_field_names_the_nearest_right_one(values, message):
    assert fault(values).startswith(message)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"recipe": {"type": "rest_en"}},
            'recipe.type: there is no "rest_en"; did you mean "rest_em"?',
        ),
        ({"task": {"type": "files"}}, 'task.type: there is no "files"; did you mean "file"?'),
        (
            {"engine": {"type": "script"}},
            'engine.type: there is no "script"; did you mean "scripted"?',
        ),
        (
            {"verifier": {"type": "numbers"}},
            'verifier.type: there is no "numbers"; did you mean "numeric"?',
        ),
        ({"trainer": {"type": "zzz"}}, 'trainer.type: there is no "zzz"; known: '),
        ({"recipe": {"preset": "raft"}}, 'recipe: there is no preset "raft"; did you mean "rft"?'),
        (
            {"base": {"fine_tune": "humn"}},
            'base.fine_tune: there is no "humn"; did you mean "human"?',
        ),
    ],
    ids=str,
)
def test_an_unknown_name_says_what_is_known(values, message):
    assert fault(values).startswith(message)


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ({"rounds": 0}, "rounds", "greater than or equal to 1, not 0"),
        ({"rounds": "many"}, "rounds", "valid integer"),
        ({"seed": -1}, "seed", "greater than or equal to 0, not -1"),
        (
            {"recipe": {"sampling": {"temperature": "hot"}}},
            "recipe.sampling.temperature",
            "valid number",
        ),
        (
            {"recipe": {"sampling": {"temperature": math.inf}}},
            "recipe.sampling.temperature",
            "finite",
        ),
        ({"recipe": {"accumulate": -1}}, "recipe.accumulate", "-1"),
        ({"recipe": {"accumulate": "every"}}, "recipe.accumulate", "every"),
        (
            {"evaluation": {"pass_at": [1, 16]}},
            "evaluation",
            "pass_at [1, 16] must lie between 1 and samples_per_problem 8; draw more",
        ),
        (
            {"evaluation": {"majority_at": [0]}},
            "evaluation",
            "majority_at [0] must lie between 1 and",
        ),
        ({"trainer": {"steps": 10, "epochs": 1}}, "trainer", "set steps or epochs, not both"),
        ({"trainer": {"lora": {"target_modules": 3}}}, "trainer.lora.target_modules", "not 3"),
        ({"prompt": {"template": "Question:"}}, "prompt.template", "must contain {question}"),
        ({"task": {"type": "file"}}, "task.path", "required"),
        ({"task": "file"}, "task", "dictionary"),
        ({"recipe": None}, "recipe", "dictionary"),
        (["rounds"], "the file", "dictionary"),
    ],
    ids=str,
)
def test_a_wrong_value_names_its_field_and_what_is_asked(values, field, reason):
    found, _, message = fault(values).partition(": ")
    assert found == field
    assert reason in message


@pytest.mark.parametrize("nothing", [None, {}])
def test_the_defaults_are_a_valid_experiment(nothing):
    assert parse_experiment(nothing, "defs.yaml") == Experiment()
    assert Experiment.model_validate(Experiment().model_dump(mode="json")) == Experiment()


def test_a_section_without_type_is_of_its_default_type():
    parsed = parse_experiment(
        {
            "task": {"train": 5},
            "recipe": {"cap": 2},
            "verifier": {"tolerance": 0.5},
            "trainer": {"steps": 3},
            "engine": {"batch_size": 4},
        },
        "defs.yaml",
    )
    types = [
        getattr(parsed, section).type
        for section in ("task", "recipe", "verifier", "trainer", "engine")
    ]
    assert types == ["word_problems", "rest_em", "numeric", "sft", "transformers"]
    assert (parsed.task.train, parsed.trainer.steps, parsed.engine.batch_size) == (5, 3, 4)


def test_decoding_for_evaluation_keeps_length_and_stops_of_the_recipe():
    sampling = {"max_tokens": 7, "stop": ["Q:"], "top_k": 3}
    parsed = parse_experiment(
        {"recipe": {"sampling": sampling}, "evaluation": {"temperature": 0.5}}, "defs.yaml"
    )
    greedy, sampled = (
        parsed.recipe.sampling.greedy(),
        parsed.evaluation.draws(parsed.recipe.sampling),
    )
    assert (greedy.temperature, greedy.max_tokens, greedy.stop) == (0.0, 7, ("Q:",))
    assert (sampled.temperature, sampled.top_k, sampled.max_tokens, sampled.stop) == (
        0.5,
        0,
        7,
        ("Q:",),
    )


# -- files -----------------------------------------------------------------------------------------


@pytest.fixture
def defs(tmp_path, monkeypatch):
    """An empty defs folder, which the command also runs in."""
    monkeypatch.setenv("SELFTRAIN_DEFS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(text: str | bytes):
    """What a person reads when the file of experiment `mine` holds this."""
    path = write_experiment("mine", text)
    with pytest.raises(UserError) as caught:
        load_experiment("mine")
    assert str(caught.value).startswith("mine/defs.yaml")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == (text if isinstance(text, bytes) else text.encode())
    return str(caught.value)


@pytest.mark.parametrize("name", all_presets())
def test_the_file_that_new_writes_is_valid(defs, name):
    write_experiment("mine", scaffold(name))
    experiment = load_experiment("mine")
    recipe, settings = experiment.recipe, {"preset": name}
    if recipe.type == "mmst":
        settings |= {"mix_human": 1.0, "accumulate": "all"}
    if recipe.type == "diversification":
        settings |= {"init_from": "pretrained", "sampling": {"max_tokens": 8}}
    if experiment.task.type == "file":
        settings |= {"sampling": {"max_tokens": recipe.sampling.max_tokens}}
    if all_presets()[name][1].needs == "teacher":
        settings |= {"teacher": {"experiment": recipe.type, "iteration": 3}}
    own = {
        field: value
        for field, value in experiment.task.defaults.items()
        if field in type(recipe).model_fields
    }
    assert recipe == type(recipe).model_validate(merged(own, settings))
    assert type(recipe) is all_presets()[name][0]
    assert experiment_names() == ["mine"]


@pytest.mark.parametrize("name", studies())
def test_a_study_is_a_valid_experiment_and_so_is_each_of_its_points(defs, name):
    write_experiment("mine", scaffold(name))
    points = load_experiment("mine").sweep.named
    assert len(points) > 3
    assert {load_experiment(f"mine-{point}").sweep for point in points} == {None}


def test_a_repetition_has_another_seed_and_other_problems_and_nothing_else(defs):
    write_experiment("mine", scaffold("mixed_distillation"))
    plain, again = load_experiment("mine"), load_experiment("mine-seed-7")
    assert (again.seed, again.task.seed) == (7, 7)
    assert again.recipe.teacher.experiment == "mmst-seed-7"
    teacher = plain.recipe.teacher.model_copy(update={"experiment": "mmst-seed-7"})
    assert again == plain.model_copy(
        update={
            "seed": 7,
            "task": plain.task.model_copy(update={"seed": 7}),
            "recipe": plain.recipe.model_copy(update={"teacher": teacher}),
        }
    )
    write_experiment("mine-seed-7", scaffold("star"))
    assert load_experiment("mine-seed-7").recipe.type == "rest_em"


def test_new_knows_its_presets():
    with pytest.raises(UserError, match=r'--preset: there is no "sta"; did you mean "star"'):
        scaffold("sta")


def test_the_experiments_that_ship_are_valid(monkeypatch):
    monkeypatch.delenv("SELFTRAIN_DEFS", raising=False)
    assert "quickstart" in experiment_names()
    for name in experiment_names():
        load_experiment(name)


@pytest.mark.parametrize("name", ["a/b", "../up", "", "-first", "two words", "dot.ted", "a\n"])
def test_a_name_that_cannot_be_a_folder_and_a_key_is_refused(defs, name):
    with pytest.raises(UserError, match=r"use letters, digits"):
        write_experiment(name, scaffold("star"))
    with pytest.raises(UserError, match=r"use letters, digits"):
        load_experiment(name)
    assert list(defs.iterdir()) == []


def test_an_unknown_experiment_suggests_the_nearest(defs):
    write_experiment("quickstart", scaffold("star"))
    with pytest.raises(
        UserError,
        match=(
            r'no experiment "quickstrat"; did you mean "quickstart"\?; .* selftrain new quickstrat'
        ),
    ):
        load_experiment("quickstrat")


def test_an_existing_experiment_is_never_overwritten(defs):
    path = write_experiment("mine", scaffold("star"))
    with pytest.raises(UserError, match=r"mine/defs\.yaml is there already"):
        write_experiment("mine", scaffold("rft"))
    assert path.read_text() == scaffold("star")


def test_broken_yaml_gives_its_line(defs):
    assert "mine/defs.yaml, line 3: not valid YAML" in refused(
        f"type: {COMPONENT}\nattributes:\n  rounds: ]\n  seed: 0\n"
    )


def test_a_file_that_is_no_text_is_refused(defs):
    refused(b"type: \xff\xfe")


@pytest.mark.parametrize(
    "text", ["type: selftrain_assets.Other\n", "attributes: {}\n", "- a\n- list\n", ""]
)
def test_another_type_is_refused(defs, text):
    assert f"must begin with `type: {COMPONENT}`" in refused(text)


def test_settings_beside_attributes_are_refused(defs):
    assert 'unknown field "rounds" beside `type` and `attributes`' in refused(
        f"type: {COMPONENT}\nrounds: 3\n"
    )


def test_a_wrong_setting_in_a_file_is_told_with_its_place(defs):
    assert (
        refused(f"type: {COMPONENT}\nattributes:\n  recipe: {{capp: 1}}\n")
        == 'mine/defs.yaml: unknown field "recipe.capp"; did you mean "cap"?'
    )


# -- forks -----------------------------------------------------------------------------------------


METHODS = [{"name": "text"}, {"name": "code", "prompt": {"template": "{question} ="}}]


def forked(iteration=1, **changes):
    return [{"experiment": "mine", "iteration": iteration, "changes": changes}]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"forks": forked(recipe={"capp": 8})},
            'unknown field "forks[0].changes.recipe.capp"; did you mean "cap"?',
        ),
        (
            {"forks": forked(recip={"cap": 8})},
            'unknown field "forks[0].changes.recip"; did you mean "recipe"?',
        ),
        (
            {"forks": forked() + forked(trainer={"lora": {"rank": 1}})},
            'unknown field "forks[1].changes.trainer.lora.rank"',
        ),
        (
            {"forks": [{"experiment": "mine", "iteration": 1, "change": {}}]},
            'unknown field "forks[0].change"; did you mean "changes"?',
        ),
        (
            {"forks": forked(recipe={"cap": "x"})},
            "forks[0].changes.recipe.cap: should be a valid integer",
        ),
        (
            {"forks": forked(recipe={"preset": "rets"})},
            'forks[0].changes.recipe: there is no preset "rets"; did you mean "rest"?',
        ),
        ({"forks": forked(recipe=3)}, "forks[0].changes.recipe: should be a valid dictionary"),
        (
            {"trainer": {"steps": 9}, "forks": forked(trainer={"epochs": 1})},
            "forks[0].changes.trainer: set steps or epochs, not both",
        ),
        (
            {"forks": forked(recipe={"type": "mmst"})},
            "forks[0].changes.recipe.type: a fork stays with its recipe, rest_em; for another",
        ),
        (
            {"forks": forked(verifier={"type": "text"})},
            "forks[0].changes.verifier: all rounds share it; after a fork only recipe, trainer, ",
        ),
        (
            {"forks": forked(model="x")},
            (
                "forks[0].changes.model: all rounds share it; after a fork only recipe, trainer,"
                " seed can change; for "
            ),
        ),
        (
            {"forks": forked(rounds=9)},
            (
                "forks[0].changes.rounds: all rounds share it; after a fork only recipe, trainer,"
                " seed can change; set"
            ),
        ),
        (
            {"forks": forked(recipe={"rationalize": True})},
            "forks[0].changes.recipe: all rounds of an experiment have the same stages; these",
        ),
        (
            {"recipe": {"type": "mmst"}, "forks": forked(recipe={"cross_training": {}})},
            "forks[0].changes.recipe: all rounds of an experi",
        ),
        (
            {"recipe": {"type": "mmst"}, "forks": forked(recipe={"weights": "per_method"})},
            "forks[0].changes.recipe: weights: one model",
        ),
        (
            {"recipe": {"type": "mmst"}, "forks": forked(recipe={"methods": METHODS})},
            "forks[0].changes.recipe: methods: names, prompts and",
        ),
        (
            {"rounds": 2, "forks": forked(2)},
            (
                "forks[0].iteration: should be less than rounds, which is 2, or no round comes"
                " after it"
            ),
        ),
        ({"forks": forked(-1)}, "forks[0].iteration: should be greater than or equal to 0, not -1"),
        ({"forks": [*forked(), {"experiment": "a/b", "iteration": 1}]}, "forks[1].experiment: "),
        ({"forks": [{"iteration": 1}]}, "forks[0].experiment: Field required"),
        ({"forks": 3}, "forks: should be a valid tuple, not 3"),
    ],
    ids=str,
)
def test_a_fork_that_does_not_fit_is_told_with_its_field(values, message):
    assert fault(values).startswith(message)


def test_changes_are_merged_into_what_the_file_says_and_hold_from_the_next_round_on():
    lora = {"r": 4, "dropout": 0.1}
    recipe = {"preset": "rest", "cap": 5, "sampling": {"max_tokens": 9}}
    changes = {
        "recipe": {"preset": "expert_iteration", "sampling": {"temperature": 0.5}},
        "trainer": {"lora": {"r": 8}, "steps": 7},
    }
    trainer = {"lora": lora, "execution": {"micro_batch_size": 8}}
    config = parse_experiment(
        {"recipe": recipe, "trainer": trainer, "forks": forked(2, **changes)}, "defs.yaml"
    )
    assert list(config.phases) == [1, 3]
    assert config.phases[1] is config
    later = config.phases[3]
    assert later.recipe == type(later.recipe).model_validate(merged(recipe, changes["recipe"]))
    assert (
        later.recipe.cap,
        later.recipe.init_from,
        later.recipe.sampling.max_tokens,
        later.recipe.sampling.temperature,
    ) == (
        5,
        "pretrained",
        9,
        0.5,
    )
    assert (later.trainer.lora.r, later.trainer.lora.dropout, later.trainer.steps) == (8, 0.1, 7)
    assert later.trainer.execution.micro_batch_size == 8
    assert (
        str(config.forks[0]) == "mine after iteration 2, with recipe.preset expert_iteration and"
        " recipe.sampling.temperature 0.5 and trainer.lora.r 8 and trainer.steps 7"
    )
    assert (
        parse_experiment(
            {"forks": forked(1, trainer={"lora": None})} | {"trainer": trainer}, "defs.yaml"
        )
        .phases[2]
        .trainer.lora
        is None
    )


def test_a_repetition_of_a_fork_goes_on_from_the_repetition_of_its_source(defs):
    teacher = {"teacher": {"experiment": "mmst", "iteration": 3}}
    text = yaml.safe_dump(
        {"type": COMPONENT, "attributes": {"forks": forked(1, recipe=teacher | {"cap": 2})}}
    )
    write_experiment("fork", text)
    again = load_experiment("fork-seed-7")
    assert (again.seed, again.task.seed, again.forks[0].experiment) == (7, 7, "mine-seed-7")
    later = again.phases[2]
    assert (later.seed, later.task.seed, later.recipe.cap, later.recipe.teacher.experiment) == (
        7,
        7,
        2,
        "mmst-seed-7",
    )
    write_experiment(
        "reseeded", yaml.safe_dump({"type": COMPONENT, "attributes": {"forks": forked(1, seed=3)}})
    )
    with pytest.raises(
        UserError,
        match=(
            r"reseeded/defs.yaml: forks\[0\].changes.seed gives later rounds one seed for all"
            r" repetitions"
        ),
    ):
        load_experiment("reseeded-seed-7")
