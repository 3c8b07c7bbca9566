"""Settings that were renamed: the former name works for one release, and keys keep it."""

import warnings

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.config.fork_file import assignments
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.identity import canonical
from selftrain_assets.domain.settings import _warn_once

RENAMED = [
    ("rest_em", "start", "init_from", "previous"),
    ("rest_em", "inner_stop", "early_stopping", {"rule": "best", "every": 5}),
    ("tripost", "own_from", "self_feedback_from_round", 3),
]


def experiment(**settings):
    recipe = {"type": "rest_em"} | settings.pop("recipe", {})
    return parse_experiment({"recipe": recipe, "rounds": 4} | settings, "here")


@pytest.mark.parametrize(("kind", "former", "name", "value"), RENAMED)
def test_the_former_name_means_the_same_and_is_what_keys_have(kind, former, name, value):
    _warn_once.cache_clear()
    with pytest.warns(FutureWarning, match=f"{former} is called {name} now"):
        before = experiment(recipe={"type": kind, former: value})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        after = experiment(recipe={"type": kind, name: value})
    assert before == after
    assert former in canonical(after.recipe)
    assert name not in canonical(after.recipe)


@pytest.mark.parametrize(("kind", "former", "name", "value"), RENAMED)
def test_a_former_name_beside_the_current_one_is_refused(kind, former, name, value):
    with pytest.raises(UserError, match=f"{former} is the former name of {name}, and both"):
        experiment(recipe={"type": kind, former: value, name: value})


def test_a_preset_gives_way_to_the_former_name():
    assert experiment(recipe={"preset": "star", "start": "previous"}).recipe.init_from == "previous"


@pytest.mark.parametrize("names", [("start", "init_from"), ("init_from", "start")])
def test_a_fork_may_use_the_other_name_than_its_file(names):
    first, second = names
    forked = experiment(
        recipe={first: "previous"},
        forks=[{"experiment": "e", "iteration": 1, "changes": {"recipe": {second: "pretrained"}}}],
    )
    assert [phase.recipe.init_from for phase in forked.phases.values()] == [
        "previous",
        "pretrained",
    ]


def test_both_names_in_what_a_fork_sets_are_refused():
    changes = assignments(["recipe.start=previous", "recipe.init_from=base"])
    with pytest.raises(UserError, match="start is the former name of init_from"):
        experiment(forks=[{"experiment": "e", "iteration": 1, "changes": changes}])


@pytest.mark.parametrize("names", [("start", "init_from"), ("init_from", "start")])
def test_a_sweep_may_use_the_other_name_than_its_file(names):
    first, second = names
    swept = experiment(
        recipe={first: "previous"}, sweep={"grid": {f"recipe.{second}": ["base", "pretrained"]}}
    )
    points = [parse_experiment(values, "point") for values in swept.sweep.point_settings.values()]
    assert [point.recipe.init_from for point in points] == ["base", "pretrained"]


def test_both_names_in_a_point_of_a_sweep_are_refused():
    point = {"recipe.start": "base", "recipe.init_from": "previous"}
    with pytest.raises(UserError, match="start is the former name of init_from"):
        experiment(sweep={"points": [point, {}]})
