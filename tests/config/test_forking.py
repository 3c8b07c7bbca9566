"""The file of a fork: the other's own text, and what is different after a round."""

import pytest
import yaml

from selftrain_assets.config.experiment_files import COMPONENT, load_experiment, write_experiment
from selftrain_assets.config.fork_file import assignments, fork
from selftrain_assets.config.scaffold import scaffold
from selftrain_assets.domain.errors import UserError
from selftrain_assets.recipes import all_presets


@pytest.fixture(autouse=True)
def defs(tmp_path, monkeypatch):
    """An empty defs folder, which the command also runs in."""
    monkeypatch.setenv("SELFTRAIN_DEFS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def experiment(attributes: str) -> str:
    return f"# what it is for\ntype: {COMPONENT}\nattributes:\n{attributes}"


def settings(text: str):
    return yaml.safe_load(text)["attributes"]


def test_assignments_are_a_tree_of_settings():
    assert assignments(
        [
            "recipe.cap=8",
            "trainer.lora={r: 4}",
            "recipe.sampling.stop=['Q:', 'a=b']",
            "seed=3",
            "trainer.steps=null",
        ]
    ) == {
        "recipe": {"cap": 8, "sampling": {"stop": ["Q:", "a=b"]}},
        "trainer": {"lora": {"r": 4}, "steps": None},
        "seed": 3,
    }
    assert assignments([]) == {}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            ["recipe.cap"],
            (
                '--set "recipe.cap": write the path of a setting, "=" and its value, as in'
                " recipe.cap=8"
            ),
        ),
        (["=8"], '--set "=8": write the path'),
        (["recipe..cap=8"], '--set "recipe..cap=8": write the path'),
        (["recipe.cap=["], '--set recipe.cap: "[" is not valid YAML'),
        (
            ["recipe.cap=8", "recipe.cap=9"],
            "--set recipe.cap: recipe.cap is set too; give each setting once",
        ),
        (["recipe={cap: 8}", "recipe.cap=9"], "--set recipe.cap: recipe is set too"),
    ],
)
def test_what_is_no_assignment_is_told(given, reason):
    with pytest.raises(UserError) as caught:
        assignments(given)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, (recipe, preset) in all_presets().items()
        if preset.needs is None and recipe.most_rounds is None
    ],
)
def test_the_text_of_the_other_is_kept_and_the_fork_comes_last(name):
    write_experiment("mine", scaffold(name))
    text = fork("mine", 1, {"trainer": {"learning_rate": 0.5}})
    assert text.startswith(scaffold(name))
    write_experiment("other", text)
    made, mine = load_experiment("other"), load_experiment("mine")
    assert made.model_copy(update={"forks": ()}).model_dump() == mine.model_dump()
    assert (
        made.forks[0].experiment,
        made.forks[0].iteration,
        made.phases[2].trainer.learning_rate,
    ) == ("mine", 1, 0.5)


@pytest.mark.parametrize(
    "attributes",
    [
        "  rounds: 3   # three\n  seed: 1",
        "  # first\n  seed: 1\n\n  # last\n",
        "    recipe:\n        cap: 2\n    seed: 1\n...\n",
        (
            "  seed: 1\n  forks:\n  - experiment: before\n    iteration: 1\n  # what follows\n "
            " trainer: {steps: 4}\n"
        ),
    ],
)
@pytest.mark.parametrize("rounds", [None, 7])
def test_forks_follow_one_another_whatever_the_layout(attributes, rounds):
    text = experiment(attributes)
    write_experiment("mine", text)
    once = fork("mine", 1, {"recipe": {"cap": 8}}, rounds)
    write_experiment("once", once)
    twice = fork("once", 2, {}, rounds)
    first, second = (
        {"experiment": "mine", "iteration": 1, "changes": {"recipe": {"cap": 8}}},
        {"experiment": "once", "iteration": 2},
    )
    wanted = settings(text) | ({"rounds": rounds} if rounds else {})
    assert settings(once) == wanted | {"forks": [*settings(text).get("forks", []), first]}
    assert settings(twice) == wanted | {"forks": [*settings(text).get("forks", []), first, second]}
    comments = [line.split("#", 1)[1] for line in text.splitlines() if "#" in line]
    assert all(comment in twice for comment in comments)


@pytest.mark.parametrize(
    "attributes", ["attributes: {seed: 1}\n", "attributes:\n", "", "attributes:\n  forks: []\n"]
)
def test_a_file_in_braces_is_refused(attributes):
    write_experiment("mine", f"type: {COMPONENT}\n{attributes}")
    with pytest.raises(
        UserError,
        match=(
            r"mine/defs.yaml: a fork is written below the settings; write those .* without braces"
        ),
    ):
        fork("mine", 1, {})


@pytest.mark.parametrize(
    ("source", "iteration", "changes", "rounds", "reason"),
    [
        ("mien", 1, {}, None, 'there is no experiment "mien"; did you mean "mine"?'),
        (
            "mine-seed-3",
            1,
            {},
            None,
            "mine-seed-3 has no file of its own: fork mine, and run the fork with --seeds 3",
        ),
        (
            "mine",
            3,
            {},
            None,
            (
                "a fork changes the rounds after round 3, and there are 3; name an earlier round,"
                " or set --rounds"
            ),
        ),
        ("mine", 2, {}, 2, "a fork changes the rounds after round 2, and there are 2"),
        (
            "mine",
            1,
            {"recipe": {"capp": 8}},
            None,
            '--set: unknown field "forks[0].changes.recipe.capp"; did you mean "cap"?',
        ),
        ("mine", 1, {"model": "x"}, None, "--set: forks[0].changes.model: all rounds share it"),
    ],
)
def test_what_cannot_be_forked_is_told(source, iteration, changes, rounds, reason):
    write_experiment("mine", scaffold("rest_em"))
    with pytest.raises(UserError) as caught:
        fork(source, iteration, changes, rounds)
    assert reason in str(caught.value)
