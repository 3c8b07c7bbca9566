"""What every verifier offers: a problem and a completion in, a verdict out."""

from __future__ import annotations

from typing import Protocol

from selftrain_assets.core.types import Problem, Verdict


class Verifier(Protocol):
    """Settings that can judge. `version` is raised whenever the same completion may be judged otherwise, which
    makes every verdict owed again; the older ones stay beside the new."""

    @property
    def type(self) -> str: ...

    @property
    def version(self) -> str: ...

    def check_problem(self, problem: Problem) -> str | None:
        """Why this problem's reference answer cannot be verified against, or None."""
        ...

    def parse(self, completion: str) -> str | None:
        """The answer that the completion gives, in a form that votes can be counted on; None where it gives none."""
        ...

    def verify(self, problem: Problem, completion: str) -> Verdict:
        """Judge one completion."""
        ...
