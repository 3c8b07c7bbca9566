"""What every verifier offers: problems and completions in, verdicts out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol

from selftrain_assets.domain.settings import Identity
from selftrain_assets.domain.types import Exchange, Problem, Resource, Verdict
from selftrain_assets.plugins import Member, Registry
from selftrain_assets.verifiers.context import VerifierContext
from selftrain_assets.verifiers.guard import judge_all


class Judge(Protocol):
    """An opened verifier."""

    @property
    def name(self) -> str:
        """Who judges, for provenance: name and version, and what else decides."""
        ...

    def stream(self, exchanges: Iterable[Exchange]) -> Iterator[tuple[int, Verdict]]:
        """Position and verdict of each exchange, in the order in which they are done.

        InfraError ends the stream where judging itself fails; what came before stays valid, the
        rest is owed.
        """
        ...


class Verifier(Member, Identity):
    """Settings that can judge.

    `version` is raised whenever the same completion may be judged otherwise, which makes every
    verdict owed again; the older ones stay beside the new.

    Attributes:
        resource: What it needs, from which follows how many verifications run at once.
    """

    registry: ClassVar[Registry[Verifier]] = Registry("verifier")
    resource: ClassVar[Resource] = "cpu"
    type: str = ""

    def check_problem(self, problem: Problem) -> str | None:
        """Why this problem's reference answer cannot be verified against, or None."""
        return None

    def parse(self, completion: str) -> str | None:
        """The answer, or program, that the completion gives; None where it gives none."""
        return None

    def content(self, problem: Problem, completion: str) -> str | None:
        """A hash of all that the verdict depends on, so that equal completions are judged once.

        Args:
            problem: What was asked.
            completion: What was answered.

        Returns:
            Equal texts for what is judged alike; None: judge each completion.
        """
        return None

    def open(self, context: VerifierContext) -> AbstractContextManager[Judge]:
        """Ready to judge.

        Args:
            context: Sandbox, engines and workers that it may use.

        Raises:
            InfraError: What it needs is not there.
        """
        raise NotImplementedError


def verdicts(
    verifier: Verifier, context: VerifierContext, exchanges: Sequence[Exchange]
) -> list[Verdict]:
    """The verdicts of a few completions, in their order."""
    with verifier.open(context) as judge:
        by_position = dict(judge_all(judge, exchanges))
    return [by_position[position] for position in sorted(by_position)]
