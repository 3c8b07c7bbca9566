"""Rounds whose verifier is a function in a file."""

import pytest

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.types import Row
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.results import EvaluationResult
from tests import lab

GRADED = """\
from selftrain_assets.verifiers import verifier

@verifier(threshold=0.9)
def graded(problem, completion, prompt):
    assert problem.question in prompt
    print("noise")
    if "no idea" in completion:
        return 0.0
    return 1.0 if completion == f"#### {problem.answer}" else 0.5
"""


@pytest.fixture
def grading(tmp_path):
    """A file with a verifier."""
    path = tmp_path / "grading.py"
    path.write_text(GRADED)
    return path


def experiment(opened, grading):
    recipe = {**lab.SETTINGS["recipe"], "threshold": 0.5, "weight": "reward"}
    verifier = {"type": f"{grading}:graded"}
    return opened("graded", rounds=1, recipe=recipe, verifier=verifier)


def test_rewards_are_weights_and_have_a_mean(opened, grading):
    run = experiment(opened, grading)
    run_rounds(run, range(1, 2))
    dataset = run.need("iter-001", "dataset")
    rows = [row for row in run.store.read_table(dataset, "rows", Row) if row.sample_key]
    assert {row.weight for row in rows} == {0.5, 1.0}
    answers = {problem.id: problem.answer for problem in run.problems}
    for row in rows:
        assert "no idea" not in row.completion
        assert row.weight == (1.0 if row.completion == f"#### {answers[row.problem_id]}" else 0.5)
    measured = run.need("iter-001", "evaluation").result(EvaluationResult)
    assert measured.mean_reward is not None
    assert measured.mean_reward.mean > measured.greedy_accuracy.mean


def test_a_function_that_always_fails_ends_the_round_and_a_right_one_goes_on(opened, grading):
    grading.write_text(GRADED.replace('print("noise")', "problem.anser"))
    with pytest.raises(TaskError, match=r"graded fails for every completion.*has no attribute"):
        run_rounds(experiment(opened, grading), range(1, 2))
    grading.write_text(GRADED)
    run = experiment(opened, grading)
    run_rounds(run, range(1, 2))
    assert run.need("iter-001", "verifications").counts["infra_error"] == 0
