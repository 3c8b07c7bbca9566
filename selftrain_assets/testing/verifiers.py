"""What holds of every verifier."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.types import Exchange, Outcome, Problem, Verdict
from selftrain_assets.testing.programs import JudgesPrograms
from selftrain_assets.verifiers import (
    Judge,
    SandboxSettings,
    Verifier,
    VerifierContext,
    verifier_fingerprint,
)

STRANGE_TEXTS = (
    "",
    " \n\t",
    "\x00",
    "\x1b[31m\x07\x7f",
    "\ud800",
    "a\udfffb ####",
    "\u202e321",
    "\N{ARABIC-INDIC DIGIT THREE}",
    "\N{SUPERSCRIPT TWO}",
    "\N{VULGAR FRACTION ONE HALF}",
    "####",
    r"\boxed{}",
    r"\boxed{{",
    "the answer is",
    "the answer is ####",
    "0/0",
    "1/0",
    "-",
    "$",
    ",",
    "9" * 10_000,
    "1/" + "9" * 10_000,
    "0." + "0" * 10_000 + "1",
    "#" * 50_000,
    "answer " * 20_000,
    "1 " * 20_000,
    "\n" * 50_000,
    "1,235," * 10_000,
    "word " * 20_000,
)
"""Completions as a model may write them that answer nothing."""
LONGEST = 10  # seconds of CPU time for one completion

Judging = Callable[..., list[Verdict]]
"""Verdicts on completions of one problem, in their order: `judged(problem, *completions)`."""


class VerifierConformance(JudgesPrograms):
    """The suite of a verifier.

    Attributes:
        verifier: Its settings.
        problem: The problem that the completions below are for.
        right: Completions that it passes.
        wrong: Completions whose answer is wrong.
        malformed: Completions without an answer, where the verifier tells those from wrong ones.
        equal: Completions with the same wrong or right answer, which are one vote of a majority.
        unusable: Reference answers that it cannot verify against.
        other: The same verifier with settings by which it may judge otherwise.
        graded: Whether a reward may lie between 0 and 1.
    """

    verifier: ClassVar[Verifier]
    problem: ClassVar[Problem] = Problem("p", "What?", "")
    right: ClassVar[Sequence[str]]
    wrong: ClassVar[Sequence[str]]
    malformed: ClassVar[Sequence[str]] = ()
    equal: ClassVar[Sequence[str]] = ()
    unusable: ClassVar[Sequence[str]] = ()
    other: ClassVar[Verifier | None] = None
    graded: ClassVar[bool] = False

    @pytest.fixture(scope="class")
    @classmethod
    def judge(cls, sandbox: SandboxSettings) -> Iterator[Judge]:
        """The verifier, opened once for all of these tests."""
        with cls.verifier.open(VerifierContext(sandbox)) as judge:
            yield judge

    @pytest.fixture(scope="class")
    @classmethod
    def judged(cls, judge: Judge) -> Judging:
        def verdicts(problem: Problem, *completions: str) -> list[Verdict]:
            by_position = dict(
                judge.stream(Exchange(problem, completion) for completion in completions)
            )
            assert sorted(by_position) == list(range(len(completions)))
            return [by_position[position] for position in range(len(completions))]

        return verdicts

    def test_right_answers_pass(self, judged: Judging) -> None:
        for completion, verdict in zip(self.right, judged(self.problem, *self.right), strict=True):
            assert verdict.outcome == Outcome.PASS, completion
            assert 0 < verdict.reward <= 1 if self.graded else verdict.reward == 1, completion
            assert verdict.reason
            assert verdict.parsed or self.verifier.parse(completion) is None, completion

    def test_wrong_answers_are_wrong(self, judged: Judging) -> None:
        for completion, verdict in zip(self.wrong, judged(self.problem, *self.wrong), strict=True):
            assert verdict.outcome == Outcome.WRONG, completion
            assert 0 <= verdict.reward < 1 if self.graded else verdict.reward == 0, completion
            assert verdict.reason
            assert verdict.parsed or self.verifier.parse(completion) is None, completion

    def test_without_an_answer_a_completion_is_malformed(self, judged: Judging) -> None:
        for verdict in judged(self.problem, *self.malformed):
            assert verdict.outcome == Outcome.MALFORMED
            assert (verdict.reward, verdict.parsed) == (0, None)
            assert verdict.reason

    @pytest.mark.parametrize(
        "completion", STRANGE_TEXTS, ids=lambda text: ascii(text[:12]) + f" of {len(text)}"
    )
    def test_no_text_is_too_strange_to_be_judged(self, judged: Judging, completion: str) -> None:
        started = time.process_time()
        [verdict] = judged(self.problem, completion)
        if completion not in self.right:
            assert verdict.outcome in (Outcome.WRONG, Outcome.MALFORMED)
            assert 0 <= verdict.reward < 1 if self.graded else verdict.reward == 0
        assert time.process_time() - started < LONGEST

    def test_nothing_to_judge_gives_nothing(self, judged: Judging) -> None:
        assert judged(self.problem) == []

    def test_verdicts_carry_the_position_of_their_completion(self, judged: Judging) -> None:
        completions = [*self.wrong, *self.malformed, *self.right, *self.wrong]
        assert [verdict.outcome for verdict in judged(self.problem, *completions)] == [
            *[Outcome.WRONG] * len(self.wrong),
            *[Outcome.MALFORMED] * len(self.malformed),
            *[Outcome.PASS] * len(self.right),
            *[Outcome.WRONG] * len(self.wrong),
        ]

    def test_the_same_completion_gets_the_same_verdict(self, judged: Judging) -> None:
        completions = [*self.right, *self.wrong, *self.malformed]
        first, second = judged(self.problem, *completions), judged(self.problem, *completions)
        assert [replace(v, execution=None) for v in first] == [
            replace(v, execution=None) for v in second
        ]

    def test_the_judge_says_the_version(self, judge: Judge) -> None:
        assert str(self.verifier.version) in judge.name

    def test_content_is_shared_only_by_completions_with_the_same_verdict(
        self, judged: Judging
    ) -> None:
        other = Problem("q", self.problem.question, f"{self.problem.answer}5")
        again = replace(self.problem, id="r")
        for completion in (*self.right, *self.wrong):
            content = self.verifier.content(self.problem, completion)
            assert content == self.verifier.content(again, completion)
            assert content is None or content != self.verifier.content(other, completion)
        right, wrong = (
            {self.verifier.content(self.problem, completion) for completion in completions}
            for completions in (self.right, self.wrong)
        )
        assert right & wrong <= {None}

    def test_equal_answers_are_one_vote(self) -> None:
        if self.equal:
            [answer] = {self.verifier.parse(completion) for completion in self.equal}
            assert answer is not None
        right, wrong = (
            {self.verifier.parse(completion) for completion in completions}
            for completions in (self.right, self.wrong)
        )
        assert right & wrong <= {None}

    def test_a_reference_answer_can_be_checked(self) -> None:
        assert self.verifier.check_problem(self.problem) is None
        for answer in self.unusable:
            assert self.verifier.check_problem(replace(self.problem, answer=answer)), answer

    def test_settings_are_read_as_they_were_written(self) -> None:
        for verifier in filter(None, (self.verifier, self.other)):
            settings = verifier.model_dump(mode="json")
            assert parse_experiment({"verifier": settings}, "defs.yaml").verifier == verifier

    def test_version_and_settings_enter_the_identity(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert isinstance(self.verifier.version, str)
        assert self.verifier.version
        identity = verifier_fingerprint(self.verifier)
        assert self.other is None or verifier_fingerprint(self.other) != identity
        monkeypatch.setattr(type(self.verifier), "version", "next")
        assert verifier_fingerprint(self.verifier) != identity
