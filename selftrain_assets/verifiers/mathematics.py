"""The verifier of mathematical answers, in LaTeX or plain text.

Fractions, surds, sets, intervals, matrices and equations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal

from pydantic import Field

from selftrain_assets.domain.identity import fingerprint, problem_digest
from selftrain_assets.domain.mathematics.comparison import at_once, same
from selftrain_assets.domain.mathematics.reading import normal_form, read, vote
from selftrain_assets.domain.types import Exchange, Outcome, Problem, Verdict
from selftrain_assets.verifiers.answers import NO_ANSWER
from selftrain_assets.verifiers.context import VerifierContext
from selftrain_assets.verifiers.math_pool import Finding, MathPool
from selftrain_assets.verifiers.math_text import answer_text
from selftrain_assets.verifiers.protocol import Judge, Verifier

MOST_WORKERS = 4


class MathVerifier(Verifier):
    r"""The completion's final expression against the reference answer, exactly.

    Where the answer stands in a completion is said in verifiers/extraction.py. Numbers are compared
    exactly: 1/3 is not 0.333, and `2^{-60}` not `2^{-61}`. A unit, a name (`x = `) and a base are
    left out of account unless both have one; 50% is 0.5 and, as in MATH,
    50. Comparisons that texts and exact numbers do not decide run in worker processes. One that
        uses up its CPU time or memory is ended:
    its outcome is `timeout` or `resource`, which earns nothing, and the others go on. Such an
    answer is not called wrong, since nobody knows, nor owed again, since it would come out the
    same. Not covered: rounding, conversion of units, and whether the steps are right.
    """

    type: Literal["math"] = "math"
    version: ClassVar[str] = "3"
    cpu_seconds: float = Field(5.0, gt=0, description="CPU time of one comparison")
    wall_seconds: float = Field(60.0, gt=0, description="wall time of one comparison, a backstop")
    memory_mib: int = Field(512, ge=64, description="memory that a comparison may take, in MiB")

    def check_problem(self, problem: Problem) -> str | None:
        if normal_form(problem.answer) is None:
            return f'the answer "{problem.answer}" holds no expression'
        opened, closed = (
            problem.answer.replace("\\{", "").replace("\\}", "").count(brace) for brace in "{}"
        )
        return (
            None
            if opened == closed
            else f'the answer "{problem.answer}" has {opened} opening and {closed} closing braces'
        )

    def parse(self, completion: str) -> str | None:
        normal = self.normal_form(completion)
        return None if normal is None else vote(normal)

    def normal_form(self, completion: str) -> str | None:
        """The completion's answer with all that a verdict depends on."""
        text = answer_text(completion)
        return None if text is None else normal_form(text)

    def content(self, problem: Problem, completion: str) -> str | None:
        return fingerprint(
            "mathematical answer", problem_digest(problem), self.normal_form(completion)
        )

    @contextmanager
    def open(self, context: VerifierContext) -> Iterator[Judge]:
        workers = min(MOST_WORKERS, context.workers)
        with MathPool(workers, self.cpu_seconds, self.wall_seconds, self.memory_mib) as pool:
            yield _MathJudge(self, pool)


class _MathJudge:
    """What cannot be told at once goes to the workers."""

    def __init__(self, verifier: MathVerifier, pool: MathPool) -> None:
        self._verifier, self._pool = verifier, pool
        self.name = f"{verifier.type} {verifier.version}"

    def stream(self, exchanges: Iterable[Exchange]) -> Iterator[tuple[int, Verdict]]:
        waiting: list[tuple[int, str]] = []
        questions: list[tuple[str, str]] = []
        for position, exchange in enumerate(exchanges):
            problem = exchange.problem
            answer_form = self._verifier.normal_form(exchange.completion)
            reference_form = normal_form(problem.answer) or ""
            answer, reference = read(answer_form or ""), read(reference_form)
            if answer_form is None or answer is None:
                yield position, NO_ANSWER
                continue
            equal = same(answer, reference, at_once) if reference else False
            if equal is None:
                waiting.append((position, problem.answer))
                questions.append((reference_form, answer_form))
            else:
                finding = Finding("equal" if equal else "unequal")
                yield position, _verdict(finding, answer_form, problem.answer)
        for place, finding in self._pool.stream(questions):
            position, reference_answer = waiting[place]
            yield position, _verdict(finding, questions[place][1], reference_answer)


def _verdict(finding: Finding, normal: str, reference: str) -> Verdict:
    parsed = vote(normal)
    if finding.outcome == "unreadable":
        return Verdict(Outcome.MALFORMED, 0.0, None, f"{parsed} cannot be read as mathematics")
    outcome, reason = {
        "equal": (Outcome.PASS, f"{parsed} equals the reference answer {reference}"),
        "unequal": (Outcome.WRONG, f"{parsed} differs from the reference answer {reference}"),
        "timeout": (Outcome.TIMEOUT, f"comparing {parsed} {finding.detail}"),
        "memory": (Outcome.RESOURCE, f"comparing {parsed} {finding.detail}"),
    }[finding.outcome]
    return Verdict(outcome, float(outcome == Outcome.PASS), parsed, reason)
