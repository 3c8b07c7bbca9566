"""Programs that try to forge a pass, for whatever judges programs.

They also try to kill, fill and outlive what runs them: never judge them without a sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest

from selftrain_assets.domain.program_tests import ProgramTests
from selftrain_assets.domain.types import Exchange, Outcome, Problem
from selftrain_assets.testing import forging_programs as programs
from selftrain_assets.testing.programs import JudgesPrograms
from selftrain_assets.verifiers import CodeVerifier, SandboxSettings, Verifier, VerifierContext

CASES = ProgramTests(cases=(("3\n", "4\n"),))
CALLS = ProgramTests("f", calls=(([3], {}, 4), ([10], {}, 11)))
ASSERTS = ProgramTests(
    "f",
    asserts=(
        "assert candidate(3) == 4",
        "assert abs(f(10) - 11) < 1e-9",
        "for n in range(3):\n    assert candidate(n) == n + 1",
    ),
)
LATE = "assert f(2) == 4, 'judged'"
HONEST_SCRIPT, HONEST_FUNCTION = "print(int(input()) + 1)", "def f(x): return x + 1"

Passes = Callable[[Problem, str], bool]
"""Whether a program passes the tests of a problem."""


@dataclass(frozen=True, slots=True)
class Forgery:
    """A wrong program, in Python, and the problem whose tests it tries to pass."""

    name: str
    program: str
    tests: ProgramTests

    @property
    def problem(self) -> Problem:
        return Problem(self.name, "Add one.", "", tests=self.tests.to_json())


FORGERIES: tuple[Forgery, ...] = (
    *(Forgery(f"script: {name}", text, CASES) for name, text in programs.SCRIPTS.items()),
    *(Forgery(f"calls: {name}", text, CALLS) for name, text in programs.RESULTS.items()),
    *(Forgery(f"asserts: {name}", text, ASSERTS) for name, text in programs.RESULTS.items()),
    *(
        Forgery(f"deception: {name}", text, ProgramTests("f", asserts=tests))
        for name, (text, tests) in programs.DECEPTIONS.items()
    ),
    *(
        Forgery(
            f"shadow: {name}",
            text,
            ProgramTests("f", asserts=(programs.LATE_CALLS, LATE), time_limit=5),
        )
        for name, text in programs.SHADOWS.items()
    ),
)


def forged_passes(passes: Passes, forgeries: Iterable[Forgery] = FORGERIES) -> list[Forgery]:
    """The forgeries that pass; none should.

    Args:
        passes: Your judge.
        forgeries: What it is given.
    """
    return [forgery for forgery in forgeries if passes(forgery.problem, forgery.program)]


class ForgeryConformance(JudgesPrograms):
    """The suite of what judges programs.

    Attributes:
        verifier: A verifier of programs. For a sandbox without one, override the fixture `passes`.
        forgeries: What it is tried with.
    """

    verifier: ClassVar[Verifier] = CodeVerifier(cpu_seconds=1, wall_seconds=6)
    forgeries: ClassVar[Sequence[Forgery]] = FORGERIES

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each forgery."""
        if "forgery" in metafunc.fixturenames:
            metafunc.parametrize("forgery", self.forgeries, ids=lambda forgery: forgery.name)

    @pytest.fixture(scope="class")
    @classmethod
    def passes(cls, sandbox: SandboxSettings) -> Iterator[Passes]:
        """The judge: its completion is the program in a fenced block."""
        with cls.verifier.open(VerifierContext(sandbox)) as judge:

            def passes(problem: Problem, program: str) -> bool:
                exchange = Exchange(problem, f"```python\n{program}\n```")
                [(_, verdict)] = judge.stream([exchange])
                return verdict.outcome == Outcome.PASS

            yield passes

    @pytest.mark.parametrize(
        ("tests", "program"),
        [(CASES, HONEST_SCRIPT), (CALLS, HONEST_FUNCTION), (ASSERTS, HONEST_FUNCTION)],
        ids=["script", "calls", "asserts"],
    )
    def test_a_right_program_passes(
        self, passes: Passes, tests: ProgramTests, program: str
    ) -> None:
        assert passes(Forgery("honest", program, tests).problem, program)

    def test_a_forgery_does_not_pass(self, passes: Passes, forgery: Forgery) -> None:
        assert not forged_passes(passes, [forgery])
