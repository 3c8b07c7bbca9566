"""The verifier of programs: what a completion's code prints, returns or does, in the sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from selftrain_assets.domain.identity import fingerprint, problem_digest
from selftrain_assets.domain.numbers import number, plain
from selftrain_assets.domain.program_tests import ProgramTests
from selftrain_assets.domain.types import Exchange, Execution, Outcome, Problem, Resource, Verdict
from selftrain_assets.verifiers.answers import NumericVerifier, Reading, TextVerifier
from selftrain_assets.verifiers.context import VerifierContext
from selftrain_assets.verifiers.guard import failure_verdict, guard
from selftrain_assets.verifiers.program_text import Sought, entry_of, find_program
from selftrain_assets.verifiers.protocol import Judge, Verifier
from selftrain_assets.verifiers.python_source import facts, join_sources
from selftrain_assets.verifiers.sandboxed import SandboxSettings, sandbox_errors
from selftrain_assets.verifiers.source_text import find_source_block

if TYPE_CHECKING:
    import sandbox

MIB = 1024 * 1024
LEAST_MEMORY = 64  # MiB of address space: in less there is no room for the interpreter
NO_PROGRAM = Verdict(Outcome.MALFORMED, 0.0, None, "no program found in the completion")


class CodeVerifier(Verifier):
    """The completion's program, run in the sandbox: against the problem's tests, or for its result.

    A problem with tests (domain/program_tests.py) is passed by passing all of them. A problem with
    an answer alone is passed if the program's result, the value of its last line or else what it
    printed, is that answer. Equal programs for equal problems are run once. CPU time decides about
    `timeout`, so a busy machine changes no verdict as long as it runs a program at more than
    `cpu_seconds` / `wall_seconds` of its speed, by default a quarter; on a slower one the wall
    limit comes first. What counts as the program is said in program_text.py, how texts and values
    are compared in sandbox/protocol.py. Not covered: whether the tests are good ones; a program may
    hard-code what weak tests ask for.
    """

    type: Literal["code"] = "code"
    version: ClassVar[str] = "3"
    resource: ClassVar[Resource] = "sandbox"
    language: Literal["python", "cpp", "javascript"] = Field(
        "python",
        description=(
            "language of the programs; programs in another language than Python are judged by"
            " their printed output, and need a compiler in the image"
        ),
    )
    program: Literal["auto", "fenced", "whole"] = Field(
        "auto",
        description=(
            "fenced: in a fenced block; whole: the completion as it is; auto: in a block if there"
            " is one, else Python in the text"
        ),
    )
    continues: bool = Field(
        False,
        description=(
            "the question is code that the completion continues, or whose function a block in it"
            " defines"
        ),
    )
    answers: Literal["numeric", "text"] = Field(
        "numeric", description="how a result is compared with an answer"
    )
    prelude: str = Field(
        "",
        description=("code that is put before every program, for instance imports"),
    )
    tolerance: float = Field(
        0.0,
        ge=0,
        description=(
            "accepted absolute or relative difference of numbers that are not integers; asserts"
            " have their own"
        ),
    )
    words: bool = Field(
        False, description="compare printed text word by word, so that line breaks do not count"
    )
    decimals: bool = Field(
        False, description="compare printed numbers by value, line by line: 1.0 is 1"
    )
    any_order: bool = Field(
        False, description="printed lines may come in any order, and so may the words of a line"
    )
    any_status: bool = Field(
        False,
        description="a program that printed the right text may leave by sys.exit with any status",
    )
    partial_credit: bool = Field(
        False,
        description=(
            "the reward is the share of cases that a program passes; it still has to pass all of"
            " them to be right"
        ),
    )
    cpu_seconds: float = Field(
        5.0, gt=0, description="CPU time of one case, where its problem sets no time_limit"
    )
    wall_seconds: float = Field(
        20.0, gt=0, description="wall time of one case, a backstop for programs that wait"
    )
    memory_mib: int = Field(
        512,
        ge=32,
        description=(
            "address space of each process of a program, in MiB, where its problem sets no"
            " memory_limit; fits in execution.sandbox.memory_mib"
        ),
    )
    environment: str = Field(
        "",
        description=(
            "any text; another one judges everything again, for instance after"
            " execution.sandbox.packages has changed"
        ),
    )

    @model_validator(mode="after")
    def _python_alone(self) -> Self:
        if self.language != "python" and self.continues:
            raise ValueError(
                f"continues: a question that goes on is Python; programs in {self.language} are"
                " whole"
            )
        return self

    def check_problem(self, problem: Problem) -> str | None:
        if problem.tests is not None:
            tests = ProgramTests.from_json(problem.tests)
            if self.language == "python" or tests.cases:
                return None
            kind = "calls" if tests.calls else "asserts"
            return (
                f"its tests are {kind}, which are for Python; programs in {self.language} are"
                " judged by a list of {input, output}"
            )
        return self._answer().check_problem(problem)

    def parse(self, completion: str, entry: str = "") -> str | None:
        """The program of a completion (program_text.py).

        `entry` is the function that it shall define.
        """
        return self._find_program(completion, Sought(entry))

    def content(self, problem: Problem, completion: str) -> str | None:
        return fingerprint("program", problem_digest(problem), self._program(problem, completion))

    @contextmanager
    def open(self, context: VerifierContext) -> Iterator[Judge]:
        context.sandbox.require_room(self.memory_mib)
        with context.sandbox.pool(self.languages) as pool:
            yield _CodeJudge(self, pool, context.sandbox)

    @property
    def languages(self) -> tuple[str, ...]:
        """Which its programs are in, besides Python."""
        return () if self.language == "python" else (self.language,)

    def _answer(self) -> NumericVerifier | TextVerifier:
        return (
            NumericVerifier(tolerance=self.tolerance)
            if self.answers == "numeric"
            else TextVerifier()
        )

    def _find_program(self, completion: str, sought: Sought) -> str | None:
        if self.program == "whole":
            return completion if completion.strip() else None
        if self.language != "python":
            from sandbox.languages import LANGUAGES

            language = LANGUAGES[self.language]
            return find_source_block(
                completion, language.tags, language.whole, fenced=self.program == "fenced"
            )
        return find_program(completion, sought, fenced=self.program == "fenced")

    def _program(self, problem: Problem, completion: str) -> str | None:
        """The program to run; None where the completion holds none.

        With `continues`, what the question has before its function, imports and helpers, stands
        before a program that writes the function again: a model that is asked in a chat does so,
        and rarely repeats what it was given besides.
        """
        tests = ProgramTests.from_json(problem.tests) if problem.tests else None
        question = problem.question if self.continues else None
        reads = tests is not None and any(stdin.strip() for stdin, _ in tests.cases)
        program = self._find_program(
            completion, Sought(tests.entry if tests else "", reads, tests is None, question)
        )
        if program is None or question is None:
            return program
        if tests is None or not facts(program).defines(tests.entry):
            return question + program
        definition = re.search(
            rf"^[ \t]*(?:async[ \t]+)?(?:def|class)\s+{re.escape(tests.entry.partition('.')[0])}\b",
            question,
            re.MULTILINE,
        )
        return join_sources(question[: definition.start()] if definition else question, program)

    def task(self, problem: Problem, program: str) -> sandbox.Task:
        """What the sandbox is asked."""
        from sandbox import (
            Call,
            FuncTask,
            Limits,
            RpcTask,
            RunTask,
            StdinCase,
            StdinTask,
            TextRule,
            lower,
        )

        tests = (
            ProgramTests.from_json(problem.tests) if problem.tests is not None else ProgramTests()
        )
        cpu = tests.time_limit or self.cpu_seconds
        limit = tests.memory_limit
        memory = max(limit, LEAST_MEMORY) if limit else self.memory_mib
        limits = Limits(
            cpu_seconds=cpu,
            wall_seconds=cpu * self.wall_seconds / self.cpu_seconds,
            memory_bytes=int(memory) * MIB,
        )
        source = join_sources(self.prelude, program)
        if problem.tests is None:
            return RunTask(source, limits=limits, language=self.language)
        if tests.cases:
            cases = tuple(StdinCase(stdin, stdout) for stdin, stdout in tests.cases)
            rule = TextRule(self.words, self.tolerance or None, self.decimals, self.any_order)
            return StdinTask(
                source,
                cases,
                rule,
                limits,
                tests.checker,
                self.partial_credit,
                self.any_status,
                self.language,
            )
        if tests.calls:
            calls = tuple(
                Call(
                    tuple(_whole_keys(args) if tests.as_apps else args),
                    expected,
                    kwargs,
                    _also(expected) if tests.as_apps else (),
                )
                for args, kwargs, expected in tests.calls
            )
            return FuncTask(
                source,
                entry_of(program, tests.entry),
                calls,
                self.tolerance,
                limits,
                from_json=True,
            )
        if lowered := lower(tests.asserts, tests.entry):
            return FuncTask(source, tests.entry, lowered, limits=limits)
        return RpcTask(
            source, tests.entry, tests.asserts, tests.context, limits, self.partial_credit
        )

    def verdict(self, problem: Problem, program: str, result: sandbox.Verdict) -> Verdict:
        """The sandbox's word on it; for a problem without tests, its result against the answer."""
        execution = Execution(
            result.case,
            result.cpu_seconds,
            result.wall_seconds,
            result.peak_memory_bytes,
            result.output,
        )
        outcome = Outcome(result.outcome)
        if problem.tests is not None:
            reason = result.reason or f"passes all {result.cases} tests"
            creditable = (Outcome.WRONG, Outcome.TIMEOUT, Outcome.RESOURCE)
            in_part = self.partial_credit and outcome in creditable
            reward = result.score if in_part else float(outcome == Outcome.PASS)
            return Verdict(outcome, reward, program, reason, execution)
        if outcome != Outcome.PASS:
            return Verdict(outcome, 0.0, None, result.reason, execution)
        compared = self._answer()
        reading = self._result(result.output if result.value is None else result.value)
        if reading is None:
            behaviour = (
                "prints nothing"
                if result.value is None
                else f"gives a value of type {type(result.value).__name__}, nothing"
            )
            reason = f"the program {behaviour} that could be an answer"
            return Verdict(Outcome.MALFORMED, 0.0, None, reason, execution)
        right = compared.meets(reading, problem.answer)
        relation = "equals" if right else "differs from"
        reason = f"the program's {reading.parsed} {relation} the reference answer {problem.answer}"
        outcome = Outcome.PASS if right else Outcome.WRONG
        return Verdict(outcome, float(right), reading.parsed, reason, execution)

    def _result(self, value: object) -> Reading | None:
        """A value, or a printed text, as an answer.

        A list that holds the right number is not that number; nor is a complex number, or an
        infinity, any.
        """
        verifier = self._answer()
        if isinstance(value, (int, float, Decimal, Fraction)) and not isinstance(value, bool):
            written = plain(value)
            return (
                Reading(written)
                if self.answers == "numeric" and number(written) is not None
                else verifier.read(written)
            )
        if self.answers == "numeric" and not isinstance(value, str):
            return None
        try:
            return verifier.read(str(value))
        except (ValueError, RecursionError):
            # a list that holds an integer of more digits than Python writes, or is nested too deep
            return None


def _also(expected: object) -> tuple[object, ...]:
    """What a list of one may stand for."""
    return tuple(expected) if isinstance(expected, list) and len(expected) == 1 else ()


def _whole_keys(args: list[Any]) -> list[Any]:
    """The arguments with integer keys in a dict that comes first.

    JSON writes such keys as text. They stay text unless all can be numbers.
    """
    try:
        return [{int(key): value for key, value in args[0].items()}, *args[1:]]
    except (IndexError, AttributeError, ValueError):
        return args


class _CodeJudge:
    """A pool of containers at work for one verifier."""

    def __init__(
        self, verifier: CodeVerifier, pool: sandbox.Pool, sandbox: SandboxSettings
    ) -> None:
        self._verifier, self._pool, self._sandbox = verifier, pool, sandbox
        images = sorted({f"{w.image}, {w.holds}" for w in pool.workers})
        self.name = f"{verifier.type} {verifier.version} ({'; '.join(images)})"

    def stream(self, exchanges: Iterable[Exchange]) -> Iterator[tuple[int, Verdict]]:
        """Judge programs as containers become free; a completion without a program needs none."""
        running: list[tuple[int, Problem, str]] = []
        without: list[tuple[int, Verdict]] = []

        def tasks() -> Iterator[sandbox.Task]:
            for position, exchange in enumerate(exchanges):
                problem = exchange.problem
                try:
                    program = self._verifier._program(problem, exchange.completion)
                    task = self._verifier.task(problem, program) if program is not None else None
                except Exception as error:
                    without.append((position, failure_verdict(error)))
                    continue
                if program is None or task is None:
                    without.append((position, NO_PROGRAM))
                    continue
                self._sandbox.require_room(
                    task.limits.memory_bytes // MIB, f'problem "{problem.id}": its memory_limit'
                )
                running.append((position, problem, program))
                yield task

        with sandbox_errors():
            for place, result in self._pool.stream(tasks()):
                position, problem, program = running[place]
                yield position, guard(partial(self._verifier.verdict, problem, program, result))
        yield from without
