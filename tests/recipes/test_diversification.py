"""Diversification (arXiv 2405.19787), and rows of other sources in any recipe, as settings."""

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import UserError

GENERAL = {"general": {"task": {"type": "word_problems"}}}


def recipe(**settings):
    return parse_experiment({"recipe": {"type": "diversification", **settings}}, "x").recipe


def test_it_samples_nothing_and_trains_once():
    config = parse_experiment({"recipe": {"type": "diversification"}}, "x")
    assert config.recipe.stages == ("dataset", "checkpoint", "evaluation")
    assert (config.recipe.learns_from, config.recipe.teachers, config.rounds) == ((), {}, 1)
    assert config.recipe.sample_rounds(1) == []


def test_a_source_asks_as_its_task_does_unless_it_says_otherwise():
    sources = {
        "maths": {"task": {"type": "gsm8k"}},
        "own": {"task": {"type": "gsm8k"}, "prompt": {"template": "{question}"}},
    }
    config = parse_experiment(
        {"sources": sources, "recipe": {"mix": {"maths": 0.1, "own": 20}}}, "x"
    )
    assert (
        config.sources["maths"].prompt == parse_experiment({"task": {"type": "gsm8k"}}, "x").prompt
    )
    assert config.sources["own"].prompt.template == "{question}"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"recipe": {"mix": {"genral": 0.1}}, "sources": GENERAL},
            'recipe.mix: there is no source "genral"; did you mean "general"?',
        ),
        (
            {"recipe": {"mix": {"general": 0.1}}},
            'recipe.mix: there is no source "general"; name its task in the section `sources`',
        ),
        (
            {"recipe": {"type": "diversification", "budget": 0}},
            (
                "recipe: budget: 0 leaves nothing but rows of other sources; name some in mix, with"
                " mix_by: add"
            ),
        ),
        (
            {"recipe": {"mix": {"human": 0.1}}, "sources": {"human": GENERAL["general"]}},
            "sources.human: human means the human problems",
        ),
        (
            {"recipe": {"mix": {"human": 0.1}, "mix_human": 1.0}},
            "recipe.mix: human and recipe.mix_human both add human rows",
        ),
        (
            {"recipe": {"mix": {"general": 2.5}}, "sources": GENERAL},
            "recipe.mix: general: 2.5 is neither a share below 1 nor",
        ),
        (
            {"recipe": {"mix": {"general": -1}}, "sources": GENERAL},
            "recipe.mix.general: should be greater than or equal to 0, not -1",
        ),
        (
            {"recipe": {"mix": {"general": 0.5, "human": 0.5}}, "sources": GENERAL},
            "recipe.mix: the shares add up to 1, which leaves nothing to the recipe's own rows",
        ),
        ({"recipe": {"mix_by": "adds"}}, 'recipe.mix_by: there is no "adds"; did you mean "add"?'),
        (
            {"recipe": {"type": "diversification", "budget": 1000, "instructions": 300}},
            (
                "recipe: budget: 1000 rows cannot be divided evenly among 300 instructions; 900 or"
                " 1200 can"
            ),
        ),
        (
            {"recipe": {"type": "diversification"}, "rounds": 3},
            "rounds: recipe diversification samples nothing",
        ),
        (
            {"recipe": {"type": "diversification", "samples": 3}},
            'unknown field "recipe.samples"; did you mean "sampling"?',
        ),
        (
            {"sources": {"general": {"task": {"type": "word_problem"}}}},
            'sources.general.task.type: there is no "word_problem"',
        ),
        (
            {"sources": {"general": {"task": {"type": "gsm8k"}, "verifier": {}}}},
            'unknown field "sources.general.verifier"',
        ),
    ],
)
def test_bad_settings_are_one_sentence(settings, told):
    with pytest.raises(UserError) as error:
        parse_experiment(settings, "defs.yaml")
    assert str(error.value).startswith(f"defs.yaml: {told}")
    assert "\n" not in str(error.value)
