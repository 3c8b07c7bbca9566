"""The tasks that ship, each by the suite that every task passes; published ones on small files in
their formats."""

import json

import pytest

from selftrain_assets.tasks import (
    TASKS,
    MultistepArithmetic,
    ProblemFile,
    StringRewriting,
    WordProblems,
    WordSorting,
)
from selftrain_assets.testing.tasks import TaskConformance
from tests.tasks import published_sets

SIZES = {"train": 50, "human": 20, "validation": 10, "test": 30, "transfer": 20}


class TestWordProblems(TaskConformance):
    task = WordProblems(**SIZES)
    seeded = True


class TestMultistepArithmetic(TaskConformance):
    task = MultistepArithmetic(**SIZES)
    seeded = True


class TestWordSorting(TaskConformance):
    task = WordSorting(**SIZES)
    seeded = True


class TestStringRewriting(TaskConformance):
    task = StringRewriting(**SIZES, rules=10, unseen_rules=5)
    seeded = True


@pytest.fixture(scope="session")
def problem_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("problems") / "sums.jsonl"
    rows = [{"id": f"{n}", "question": f"{n} + {n}?", "answer": 2 * n} for n in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class TestProblemFile(TaskConformance):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _task(cls, problem_file):
        cls.task = ProblemFile(path=str(problem_file))
        cls.seeded = True  # their splits


class PublishedSet(TaskConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls, programs):
        return programs


for name in published_sets.NAMES:
    globals()[f"Test_{name}"] = type(name, (PublishedSet,), {"task": published_sets.task(name)})


def test_every_task_has_a_suite():
    suites = (*TaskConformance.__subclasses__(), *PublishedSet.__subclasses__())
    tested = {suite.task.type for suite in suites if "task" in vars(suite)}
    assert tested | {"file"} >= set(TASKS.built_in)
