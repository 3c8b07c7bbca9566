"""The generated problems: disjoint splits, right reference solutions, and nothing that the
embedded model has seen."""

import random
import re

import pytest

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.domain.prompts import build_prompt
from selftrain_assets.domain.types import Outcome
from selftrain_assets.models.pretrain import example
from selftrain_assets.tasks import WordProblems
from selftrain_assets.verifiers import NumericVerifier

SEEDS = range(5)


@pytest.fixture(scope="module")
def by_seed():
    """The default problems of several seeds."""
    return {seed: WordProblems(seed=seed).load() for seed in SEEDS}


def test_the_same_seed_gives_the_same_problems(by_seed):
    assert WordProblems(seed=0).load() == by_seed[0]
    assert len({tuple(p.question for p in problems) for problems in by_seed.values()}) == len(SEEDS)


def test_splits_have_the_sizes_asked_for():
    sizes = {"train": 7, "human": 0, "validation": 3, "test": 5, "transfer": 2}
    problems = WordProblems(**sizes).load()
    assert {split: sum(p.split == split for p in problems) for split in sizes} == sizes
    assert len({p.id for p in problems}) == sum(sizes.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_no_question_occurs_twice_in_any_split(by_seed, seed):
    questions = [" ".join(p.question.lower().split()) for p in by_seed[seed]]
    assert len(set(questions)) == len(questions) == 1620


@pytest.mark.parametrize("seed", SEEDS)
def test_unseen_templates_occur_in_transfer_alone(by_seed, seed):
    transfer = {p.group for p in by_seed[seed] if p.split == "transfer"}
    for split in ("train", "human", "validation", "test"):
        seen = {p.group for p in by_seed[seed] if p.split == split}
        assert len(seen) == 14
        assert not seen & transfer
    assert len(transfer) == 4


@pytest.mark.parametrize("seed", SEEDS)
def test_human_solutions_lead_to_the_answer_and_no_one_else_has_one(by_seed, seed):
    human = [p for p in by_seed[seed] if p.split == "human"]
    assert len(human) == 120
    assert all(
        NumericVerifier(require_mark=True).verify(p, p.solution).outcome == Outcome.PASS
        for p in human
    )
    assert all(p.solution is None for p in by_seed[seed] if p.split != "human")


def test_every_step_of_a_human_solution_is_right(by_seed):
    steps = [
        step for p in by_seed[0] if p.split == "human" for step in p.solution.split(" ; ")[:-1]
    ]
    assert len(steps) > 120
    for step in steps:
        expression, value = step.split(" = ")
        assert eval(expression) == int(value)


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_are_positive_whole_numbers(by_seed, seed):
    assert all(re.fullmatch(r"[1-9]\d*", p.answer) for p in by_seed[seed])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_embedded_model_has_seen_no_problem_in_pretraining(by_seed, seed):
    rng = random.Random(f"pretrain:{seed}")
    seen = {example(rng)[0] for _ in range(5000)}
    prompt = build_prompt(Experiment().prompt, by_seed[seed])
    assert not seen & {prompt.render(p) for problems in by_seed.values() for p in problems}
    assert {word for text in seen for word in re.findall(r"[a-z]+", text.lower())} == {"q", "a"}
