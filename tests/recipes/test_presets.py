"""Each preset shows the behaviour that defines its algorithm in the paper."""

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.prompts import PromptSettings, build_prompt
from selftrain_assets.domain.selection import make_row, take_share
from selftrain_assets.domain.types import Problem, Sample
from selftrain_assets.recipes import RECIPES, RestEM, all_presets
from tests.selecting import Drawn, selected

PROBLEM = Problem("p", "What is 3 + 4 ?", "7")
PROMPT = build_prompt(PromptSettings(), []).render(PROBLEM)
HINTED = build_prompt(PromptSettings(), [], hint=True).render(PROBLEM)
HUMAN = [make_row(f"human {n}", "worked out", 1.0, "human", f"h{n}", 0) for n in range(5)]


def preset(name, **own):
    return RestEM.model_validate({"preset": name, **own})


def drawn(completion, iteration=1, prompt=PROMPT, outcome="pass", reward=1.0):
    """A sample with its verdict."""
    sample = Sample(
        f"{iteration}/{prompt}/{completion}",
        "p",
        prompt,
        completion,
        0,
        0,
        "stop",
        1,
        1,
        "policy",
        "engine",
    )
    return Drawn(iteration, sample, outcome, reward)


def select(recipe, drawn, human=()):
    """The rows that a recipe selects."""
    shared = take_share(human, recipe.mix_human, 0)
    return selected(recipe, drawn, shared, prompt=PROMPT)


def distinct(count, iteration=1):
    return [drawn(f"{n} + 7 - {n} = 7, in round {iteration}", iteration) for n in range(count)]


def test_rest_em_samples_the_last_policy_afresh_and_trains_from_the_base():
    """Singh et al. 2023, section 3 and 5: 32 samples at 0.7 with top-40, at most 10 solutions
    per problem, the model's own data alone."""
    recipe = preset("rest_em")
    assert [recipe.policy_round(i) for i in (1, 2, 3)] == [0, 1, 2]
    assert [recipe.sample_rounds(i) for i in (1, 3)] == [[1], [3]]
    assert recipe.init_from == "base"
    assert (
        recipe.sampling.samples_per_problem,
        recipe.sampling.temperature,
        recipe.sampling.top_k,
    ) == (32, 0.7, 40)
    rows = select(recipe, [*distinct(32), drawn("8", outcome="wrong", reward=0.0)], HUMAN)
    assert len(rows) == 10
    assert {(r.source, r.weight, r.prompt) for r in rows} == {("self", 1.0, PROMPT)}
    assert recipe == RestEM()


def test_rest_improves_several_times_per_grow_and_mixes_in_all_human_data():
    """Gulcehre et al. 2023: Improve steps share one Grow step's policy and go on from the last
    checkpoint."""
    recipe = preset("rest")
    assert [recipe.policy_round(i) for i in (1, 2, 3, 4, 5)] == [0, 0, 2, 2, 4]
    assert recipe.init_from == "previous"
    rows = select(recipe, [*distinct(15), drawn("7")], HUMAN)
    assert [r for r in rows if r.source == "human"] == HUMAN
    assert sum(r.source == "self" for r in rows) == 16


def test_rest_weighs_rows_by_their_reward():
    rows = select(
        preset("rest", threshold=0.25),
        [drawn("half", reward=0.5), drawn("full"), drawn("none", reward=0.0)],
    )
    assert {r.completion: r.weight for r in rows} == {"half": 0.5, "full": 1.0}


def test_star_decodes_once_greedily_and_rationalizes():
    """Zelikman et al. 2022, section 3: the rationale is trained on as if it had been found
    without the hint."""
    recipe = preset("star")
    assert (recipe.sampling.samples_per_problem, recipe.sampling.temperature) == (1, 0.0)
    assert [recipe.policy_round(i) for i in (1, 2, 3)] == [0, 1, 2]
    assert recipe.init_from == "pretrained"
    assert recipe.rationalize
    assert "answer is 7" in HINTED
    [row] = select(
        recipe,
        [drawn("8", outcome="wrong", reward=0.0), drawn("3 + 4 = 7 #### 7", prompt=HINTED)],
        HUMAN,
    )
    assert (row.source, row.prompt, row.completion) == ("rationalized", PROMPT, "3 + 4 = 7 #### 7")
    [row] = select(recipe, [drawn("3 + 4 = 7")], HUMAN)
    assert row.source == "self"


def test_rft_keeps_every_distinct_equation_path_of_the_first_policy():
    """Yuan et al. 2023, section 3.3: 100 samples of the fine-tuned model, distinct by their
    equations, beside the human data."""
    recipe = preset("rft")
    assert [recipe.policy_round(i) for i in (1, 2, 3)] == [0, 0, 0]
    assert recipe.init_from == "pretrained"
    assert recipe.sampling.samples_per_problem == 100
    same, other = (
        [drawn("So 3 + 4 = 7"), drawn("Then 3+4=7 of them")],
        [drawn("4 + 3 = 7"), drawn("3 + 3 = 6 ; 6 + 1 = 7")],
    )
    rows = select(recipe, [*same, *other, *distinct(20)], HUMAN)
    assert sum(r.source == "self" for r in rows) == 1 + 2 + 20
    assert sum(r.source == "human" for r in rows) == 5


def test_expert_iteration_pools_every_round_and_restarts_from_the_pretrained_model():
    recipe = preset("expert_iteration")
    assert [recipe.policy_round(i) for i in (1, 2, 3)] == [0, 1, 2]
    assert recipe.sample_rounds(3) == [3, 2, 1]
    assert recipe.init_from == "pretrained"
    rows = select(
        recipe,
        [drawn(f"in round {i}, 3 + 4 = 7", iteration=i) for i in recipe.sample_rounds(3)],
        HUMAN,
    )
    assert sorted(r.iteration for r in rows if r.source == "self") == [1, 2, 3]
    many = select(recipe, [*distinct(5, iteration=2), *distinct(5, iteration=1)], [])
    assert len(many) == 4


def test_lmsi_goes_on_with_every_correct_attempt_of_its_own():
    """As the baseline of Yu et al. 2023: five passes at 1.2, nothing but what is right, from the
    checkpoint before."""
    recipe = preset("lmsi")
    assert (recipe.sampling.samples_per_problem, recipe.sampling.temperature, recipe.init_from) == (
        5,
        1.2,
        "previous",
    )
    rows = select(recipe, [*distinct(15), drawn("8", outcome="wrong", reward=0.0)], HUMAN)
    assert {r.source for r in rows} == {"self"}
    assert len(rows) == 15


def test_no_preset_is_left_without_a_test():
    # test_mmst.py
    of_methods = {"mmst", "mmst_st_size", "st_text", "st_code", "mixed_distillation"}
    # test_tripost.py
    of_corrections = {
        "tripost",
        "tripost_unbalanced",
        "tripost_unweighted",
        "tripost_unmasked",
        "si_demo",
        "gold",
    }
    of_rows = {"diversification"}  # test_diversification.py
    assert (
        set(all_presets())
        == {"rest_em", "rest", "star", "rft", "expert_iteration", "lmsi"}
        | of_methods
        | of_corrections
        | of_rows
    )


@pytest.mark.parametrize("name", RECIPES["rest_em"].presets)
def test_own_fields_override_the_preset_and_leave_the_rest_of_it(name):
    plain = preset(name)
    own = preset(name, cap=3, sampling={"max_tokens": 40})
    assert own == plain.model_copy(
        update={"cap": 3, "sampling": plain.sampling.model_copy(update={"max_tokens": 40})}
    )


def test_accumulating_a_number_of_rounds():
    recipe = RestEM(accumulate=1)
    assert [recipe.sample_rounds(i) for i in (1, 2, 4)] == [[1], [2, 1], [4, 3]]


def test_a_sample_that_rounds_share_takes_one_place_under_the_cap():
    """Rounds of one policy have their samples in common; pooling them must not fill the cap with
    copies."""
    recipe = RestEM(improve_steps=2, accumulate="all", dedup="none", cap=2)
    first = distinct(4)
    rows = select(recipe, [*(d._replace(iteration=2) for d in first), *first])
    assert len(rows) == 2
    assert {r.iteration for r in rows} == {2}


@pytest.mark.parametrize("name", ["sta", ["star"], None], ids=repr)
def test_an_unknown_preset_is_told_in_one_sentence(name):
    with pytest.raises(
        UserError, match=r"^defs\.yaml: recipe: there is no preset .*star"
    ) as caught:
        parse_experiment({"recipe": {"preset": name}}, "defs.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("recipe", "name"), [("mmst", "star"), ("rest_em", "st_text")])
def test_a_preset_of_another_recipe_is_told_as_such(recipe, name):
    owner = all_presets()[name][0].model_fields["type"].default
    with pytest.raises(
        UserError, match=f'there is no preset "{name}"; it is one of recipe {owner}'
    ):
        parse_experiment({"recipe": {"type": recipe, "preset": name}}, "defs.yaml")
