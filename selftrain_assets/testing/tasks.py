"""What holds of every task."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, get_args

import pytest

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.domain.foreign import storable
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.text import words
from selftrain_assets.domain.types import Exchange, OwnSplit, Problem
from selftrain_assets.tasks import Task
from selftrain_assets.testing.programs import JudgesPrograms
from selftrain_assets.verifiers import SandboxSettings, VerifierContext, verdicts

LEARNT = ("train", "human")
SOLUTIONS = 50  # how many of them are judged


class TaskConformance(JudgesPrograms):
    """The suite of a task.

    Attributes:
        task: Its settings, best for a small set: all problems are loaded a few times.
        verifier: Settings of the verifier that its problems are for; without them the one that the
            task brings, or numbers.
        seeded: Whether its problems, or their splits, depend on its field `seed`.
    """

    task: ClassVar[Task]
    verifier: ClassVar[dict[str, object]] = {}
    seeded: ClassVar[bool] = False

    @pytest.fixture(scope="class")
    @classmethod
    def experiment(cls) -> Experiment:
        verifier = {"verifier": cls.verifier} if cls.verifier else {}
        return parse_experiment({"task": cls.task.model_dump(mode="json"), **verifier}, "defs.yaml")

    @pytest.fixture(scope="class")
    @classmethod
    def problems(cls) -> list[Problem]:
        return cls.task.load()

    def test_settings_are_read_as_they_were_written(self, experiment: Experiment) -> None:
        assert experiment.task == self.task

    def test_the_same_settings_give_the_same_problems(
        self, experiment: Experiment, problems: list[Problem]
    ) -> None:
        assert experiment.task.load() == problems

    def test_another_seed_gives_other_problems_or_other_splits(
        self, problems: list[Problem]
    ) -> None:
        if not self.seeded:
            pytest.skip("it says that its problems depend on no seed")
        other = self.task.model_copy(update={"seed": self.task.model_dump()["seed"] + 1})
        assert other.load() != problems
        assert fingerprint(other) != fingerprint(self.task)

    def test_ids_are_unique_and_texts_can_be_stored(self, problems: list[Problem]) -> None:
        assert max(Counter(problem.id for problem in problems).values()) == 1
        for problem in problems:
            for text in (problem.id, problem.question, problem.answer, problem.group):
                assert text == storable(text), problem.id
            assert problem.question.strip(), problem.id
            assert problem.answer.strip() or problem.tests, problem.id

    def test_some_problems_are_learnt_from_and_others_are_held_out(
        self, problems: list[Problem]
    ) -> None:
        splits = {problem.split for problem in problems}
        assert splits <= set(get_args(OwnSplit))
        assert splits & {"test"}
        questions: dict[bool, set[str]] = {True: set(), False: set()}
        for problem in problems:
            questions[problem.split in LEARNT].add(" ".join(words(problem.question)))
        assert not questions[True] & questions[False]

    def test_the_verifier_can_judge_every_problem(
        self, experiment: Experiment, problems: list[Problem]
    ) -> None:
        for problem in problems:
            assert experiment.verifier.check_problem(problem) is None, problem.id

    def test_solutions_pass(
        self, experiment: Experiment, problems: list[Problem], sandbox: SandboxSettings
    ) -> None:
        solved = [Exchange(p, p.solution) for p in problems if p.solution is not None][:SOLUTIONS]
        if not solved:
            return
        judged = verdicts(experiment.verifier, VerifierContext(sandbox), solved)
        for exchange, verdict in zip(solved, judged, strict=True):
            assert verdict.outcome == "pass", f"{exchange.problem.id}: {verdict.reason}"
