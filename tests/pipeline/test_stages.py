"""The order of the stages of a round, and recipes whose code is not as it should be."""

import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest

from selftrain_assets.domain.errors import TaskError, UserError
from selftrain_assets.pipeline import recipe as recipes
from selftrain_assets.pipeline.dataset import DATASET
from selftrain_assets.pipeline.recipe import all_implementations, implementation_of, own_stages
from selftrain_assets.pipeline.stage import StageSpec, in_order
from selftrain_assets.pipeline.stages import every_table, round_stages
from selftrain_assets.recipes import MMST, RECIPES, RestEM


def stage(name: str, *after: str) -> StageSpec:
    return replace(DATASET, name=name, after=after)


def names(*stages: StageSpec) -> str:
    return " ".join(spec.name for spec in in_order(stages, absent={"base"}))


def test_a_stage_follows_those_that_it_depends_on_and_else_keeps_its_place():
    assert names(stage("d", "b"), stage("a"), stage("b", "a", "base"), stage("c")) == "a b d c"


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (
            [stage("samples"), stage("tallies", "sampels")],
            'stage tallies comes after "sampels", which no stage is called; did you mean "samples"',
        ),
        ([stage("a"), stage("b", "zzz")], r"comes after \"zzz\".*; known: a, base$"),
        ([stage("a"), stage("a")], 'two stages are called "a"'),
        (
            [stage("a"), stage("b", "a", "d"), stage("c", "b"), stage("d", "c"), stage("e", "d")],
            "in a circle: (b after d after c after b|c after b after d after c|d after c after b"
            " after d)$",
        ),
    ],
)
def test_what_has_no_order_is_refused_in_one_sentence(stages, message):
    with pytest.raises(TaskError, match=message):
        names(*stages)


@pytest.mark.parametrize("recipe", [RestEM(), RestEM(preset="star"), MMST()])
def test_every_stage_of_a_round_has_the_result_that_it_is_read_as(recipe):
    assert all(spec.result.model_fields for spec in round_stages(recipe))


@pytest.fixture
def broken(monkeypatch):
    """Register a recipe whose module is not as it should be."""

    def register(**module):
        class Broken(RestEM):
            implementation = "broken_recipe"

        def load(name):
            return SimpleNamespace(**module) if name == "broken_recipe" else real(name)

        real = recipes.import_module
        RECIPES.validate(Broken)
        monkeypatch.setattr(recipes, "import_module", load if module else real)
        recipes._loaded.cache_clear()
        recipes._warn.cache_clear()
        return Broken

    met = dict(RECIPES._met)
    yield register
    RECIPES._met.clear()
    RECIPES._met.update(met)
    recipes._loaded.cache_clear()


def test_a_recipe_that_cannot_be_loaded_stops_only_what_needs_it(broken, caplog):
    recipe = broken()
    with caplog.at_level(logging.WARNING):
        assert len(all_implementations()) == len(RECIPES.in_use) - 1
        assert {table.name for table in every_table()} >= {"samples", "turns", "translations"}
    (warning,) = caplog.messages
    assert "Broken is left out: recipe: its implementation, module broken" in warning
    with pytest.raises(UserError, match="module broken_recipe, cannot be imported"):
        implementation_of(recipe)


def test_two_stages_of_one_name_are_refused(broken):
    twice = replace(implementation_of(RestEM), stages=(stage("look"), stage("look")))
    with pytest.raises(UserError, match='module broken_recipe offers two stages called "look"'):
        own_stages(broken(IMPLEMENTATION=twice)())


def test_a_user_error_within_a_module_is_told_as_it_is(monkeypatch):
    def refuse(name):
        raise UserError('there is a recipe "rest_em" already')

    monkeypatch.setattr(recipes, "import_module", refuse)
    recipes._loaded.cache_clear()
    with pytest.raises(UserError, match=r'^there is a recipe "rest_em" already$'):
        implementation_of(RestEM)
