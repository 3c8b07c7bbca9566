"""The verifier of programs: what a completion's code prints, returns or does, in the sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from numbers import Number
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from selftrain_assets.core.identity import fingerprint, problem_digest
from selftrain_assets.core.program_tests import ProgramTests
from selftrain_assets.core.settings import Identity
from selftrain_assets.core.types import Execution, Outcome, Problem, Verdict
from selftrain_assets.verifiers.answers import NumericVerifier, TextVerifier
from selftrain_assets.verifiers.guard import failed, guarded
from selftrain_assets.verifiers.protocol import Judge, Pair
from selftrain_assets.verifiers.sandboxed import SandboxSettings, sandbox_errors

if TYPE_CHECKING:
    import sandbox

FENCE = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*(\w*)[^\n]*\n(.*?)(?:^[ \t]*\1|\Z)", re.DOTALL | re.MULTILINE)
PYTHON = ("", "python", "py", "python3")
MIB = 1024 * 1024


def _definition(entry: str, code: str) -> re.Match[str] | None:
    """Where `entry`, a function or Class.method, begins to be defined."""
    return re.search(rf"^[ \t]*(?:def|class)\s+{re.escape(entry.partition('.')[0])}\b", code, re.MULTILINE) if entry else None


class CodeVerifier(Identity):
    """The completion's program, run in the sandbox: against the problem's tests, or for its result.

    A problem with tests (core/program_tests.py) is passed by passing all of them. A problem with an answer alone is
    passed if the program's result, the value of its last line or else what it printed, is that answer. Equal programs
    for equal problems are run once. CPU time decides about `timeout`, so a busy machine changes no verdict as
    long as it runs a program at more than `cpu_seconds` / `wall_seconds` of its speed, by default a quarter; on a slower one
    the wall limit comes first.
    Not covered: whether the tests are good ones; a program may hard-code what weak tests ask for.
    """

    type: Literal["code"] = "code"
    version: ClassVar[str] = "3"
    program: Literal["auto", "fenced", "whole"] = Field(
        "auto", description="fenced: in a fenced block; whole: the completion as it is; auto: in a block if there is one"
    )
    continues: bool = Field(False, description="the question is code that goes on: with a completion, or with a block as its function")
    answers: Literal["numeric", "text"] = Field("numeric", description="how a result is compared with an answer")
    tolerance: float = Field(0.0, ge=0, description="accepted difference of numbers; asserts say their own")
    words: bool = Field(False, description="compare printed text word by word, so that line breaks do not count")
    cpu_seconds: float = Field(5.0, gt=0, description="CPU time of one case")
    wall_seconds: float = Field(20.0, gt=0, description="wall time of one case, a backstop for programs that wait")
    memory_mib: int = Field(512, ge=32, le=700, description="address space of each process of a program, in MiB")

    def check_problem(self, problem: Problem) -> str | None:
        if problem.tests is not None:
            return None
        return self._answer().check_problem(problem)

    def parse(self, completion: str, entry: str = "") -> str | None:
        """The program. Of several blocks the last one that defines `entry`, since models correct themselves; else the last."""
        blocks = [m[3] for m in FENCE.finditer(completion) if m[2].lower() in PYTHON] if self.program != "whole" else []
        if not blocks:
            return None if self.program == "fenced" or not completion.strip() else completion
        return next((block for block in reversed(blocks) if _definition(entry, block)), blocks[-1])

    def content(self, problem: Problem, completion: str) -> str | None:
        return fingerprint("program", problem_digest(problem), self._program(problem, completion))

    @contextmanager
    def open(self, sandbox: SandboxSettings) -> Iterator[Judge]:
        with sandbox.pool() as pool:
            yield _CodeJudge(self, pool)

    def _answer(self) -> NumericVerifier | TextVerifier:
        return NumericVerifier(tolerance=self.tolerance) if self.answers == "numeric" else TextVerifier()

    def _program(self, problem: Problem, completion: str) -> str | None:
        """With `continues`, what the question has before its function, imports and helpers, stands before a block too: a model that is
        asked in a chat writes the function again, and rarely what it was given besides."""
        entry = ProgramTests.from_json(problem.tests).entry if problem.tests else ""
        program = self.parse(completion, entry)
        if program is None or not self.continues:
            return program
        if program == completion or program[:1].isspace():
            return problem.question + program
        asked = _definition(entry, problem.question)
        return problem.question[: asked.start()] + program if asked else program

    def task(self, problem: Problem, program: str) -> sandbox.Task:
        """What the sandbox is asked."""
        from sandbox import Call, FuncTask, Limits, RpcTask, RunTask, StdinCase, StdinTask, TextRule, lower

        limits = Limits(cpu_seconds=self.cpu_seconds, wall_seconds=self.wall_seconds, memory_bytes=self.memory_mib * MIB)
        if problem.tests is None:
            return RunTask(program, limits=limits)
        tests = ProgramTests.from_json(problem.tests)
        if tests.cases:
            cases = tuple(StdinCase(given, printed) for given, printed in tests.cases)
            return StdinTask(program, cases, TextRule(self.words, self.tolerance or None), limits)
        calls = lower(tests.asserts, tests.entry) if tests.asserts else tuple(Call(tuple(a), e, k) for a, k, e in tests.calls)
        if calls:
            return FuncTask(program, tests.entry, calls, 0.0 if tests.asserts else self.tolerance, limits)
        return RpcTask(program, tests.entry, tests.asserts, tests.context, limits)

    def verdict(self, problem: Problem, program: str, found: sandbox.Verdict) -> Verdict:
        """The sandbox's word on it; for a problem without tests, its result against the answer."""
        execution = Execution(found.case, found.cpu_seconds, found.wall_seconds, found.peak_memory_bytes, found.output)
        outcome = Outcome(found.outcome)
        if problem.tests is not None:
            reason = found.reason or f"passes all {found.cases} tests"
            return Verdict(outcome, float(outcome == Outcome.PASS), program, reason, execution)
        if outcome != Outcome.PASS:
            return Verdict(outcome, 0.0, None, found.reason, execution)
        compared = self._answer()
        result = compared.parse(found.output) if found.value is None else self._result(found.value)
        if result is None:
            shown = "prints nothing" if found.value is None else f"gives a value of type {type(found.value).__name__}, nothing"
            return Verdict(Outcome.MALFORMED, 0.0, None, f"the program {shown} that could be an answer", execution)
        right = compared.same(result, problem.answer)
        relation = "equals" if right else "differs from"
        reason = f"the program's {result} {relation} the reference answer {problem.answer}"
        return Verdict(Outcome.PASS if right else Outcome.WRONG, float(right), result, reason, execution)

    def _result(self, value: object) -> str | None:
        """A value as an answer. A list that holds the right number is not that number."""
        if self.answers == "numeric" and (isinstance(value, bool) or not isinstance(value, (Number, str))):
            return None
        try:
            return self._answer().parse(str(value))
        except (ValueError, RecursionError):  # an integer of more digits than Python writes; a list nested too deep
            return None


class _CodeJudge:
    """A pool of containers at work for one verifier."""

    def __init__(self, verifier: CodeVerifier, pool: sandbox.Pool) -> None:
        self._verifier, self._pool = verifier, pool
        images = sorted({f"{w.image}, Python {w.hello['python']}" for w in pool.workers})
        self.name = f"{verifier.type} {verifier.version} ({'; '.join(images)})"

    def stream(self, pairs: Iterable[Pair]) -> Iterator[tuple[int, Verdict]]:
        """Programs are given to the containers as these become free; a completion without one needs none."""
        running: list[tuple[int, Problem, str]] = []
        without: list[tuple[int, Verdict]] = []

        def tasks() -> Iterator[sandbox.Task]:
            for position, (problem, completion) in enumerate(pairs):
                try:
                    program = self._verifier._program(problem, completion)
                    task = self._verifier.task(problem, program) if program is not None else None
                except Exception as error:
                    without.append((position, failed(error)))
                    continue
                if program is None or task is None:
                    without.append((position, Verdict(Outcome.MALFORMED, 0.0, None, "no program found in the completion")))
                    continue
                running.append((position, problem, program))
                yield task

        with sandbox_errors():
            for place, found in self._pool.stream(tasks()):
                position, problem, program = running[place]
                yield position, guarded(partial(self._verifier.verdict, problem, program, found))
        yield from without
