"""Tasks that are functions."""

from collections import Counter

import pytest

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.types import Problem
from selftrain_assets.tasks import TASKS, task


@task(version="1", defaults={"verifier": {"type": "text"}}, licence="CC0")
def doubles(*, count: int = 100, split: str = "train"):
    """Numbers to double.

    Nothing else.
    """
    for n in range(count):
        yield Problem(f"double-{n}", f"What is {n} + {n}?", str(2 * n), split)


@task
def odd_ones(*, what: str):
    """Tasks with faults."""
    if what == "text":
        return ["What is 1 + 1?"]
    return [Problem("a", "What is 1 + 1?", "2"), Problem("a", "What is 1 + 2?", "3")]


def test_its_parameters_are_settings_and_its_docstring_describes_it():
    assert list(doubles.model_fields)[-2:] == ["count", "split"]
    assert doubles.__doc__.startswith("Numbers to double.")
    assert doubles.card.summary == "Numbers to double."
    assert doubles.card.licence == "CC0"
    assert len(list(doubles.function(count=3))) == 3


def test_problems_without_any_split_are_held_out_by_their_ids():
    splits = Counter(p.split for p in doubles(count=1000).load())
    assert set(splits) == {"train", "validation", "test"}
    assert 150 < splits["test"] < 250
    assert {p.id: p.split for p in doubles(count=10).load()}.items() <= {
        p.id: p.split for p in doubles(count=1000).load()
    }.items()
    assert {p.split for p in doubles(split="transfer").load()} == {"transfer"}


def test_an_experiment_names_it_and_has_its_defaults():
    settings = {"task": {"type": f"{__name__}:doubles", "count": 7}}
    experiment = parse_experiment(settings, "mine")
    assert experiment.task == doubles(count=7)
    assert experiment.verifier.type == "text"
    assert Experiment(task=doubles(count=7)).task == experiment.task
    assert fingerprint(doubles(count=7)) != fingerprint(doubles(count=8))
    assert TASKS[f"{__name__}:doubles"] is doubles


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"count": "x"}, "task.count: should be a valid integer"),
        ({"cuont": 1}, 'unknown field "task.cuont"; did you mean "count"?'),
    ],
)
def test_settings_are_validated(settings, words):
    with pytest.raises(UserError, match=words):
        parse_experiment({"task": {"type": f"{__name__}:doubles", **settings}}, "mine")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("text", "task odd_ones yields str in place 0, not a Problem"),
        ("ids", 'task odd_ones yields two problems with the id "a"'),
    ],
)
def test_what_is_no_set_of_problems_is_refused(what, words):
    with pytest.raises(UserError, match=words):
        odd_ones(what=what).load()
