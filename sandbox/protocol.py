"""Tasks that go in, verdicts that come out, and the job line between them.

A job line never holds an expected value.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sandbox.languages import LANGUAGES, PYTHON
from sandbox.limits import Limits
from sandbox.runner.codec import encode

Outcome = Literal["pass", "wrong", "malformed", "timeout", "resource", "unscorable", "infra_error"]
Mode = Literal["stdin", "func", "rpc", "run"]


@dataclass(frozen=True)
class TextRule:
    """How printed text is compared.

    White space at the ends of lines and blank lines at the end never count. Under any other rule
    than this one, texts are lines of words: blank lines at the beginning and how much white space
    there is do not count either.

    A number is a word such as `-12`, `0.50` or `1e-5`. `007`, `1_000`, `nan` and `inf` are words
    like any other.
    """

    words: bool = False
    """Compare word by word: how they are spread over lines does not count either."""
    tolerance: float | None = None
    """If set: numbers are compared by value, and where the expected one is written with a point
    or an exponent, they may differ by this much, absolutely or relatively. An integer is never
    anything but itself. Implies `words`, unless `decimals` or `any_order` is set."""
    decimals: bool = False
    """Numbers are compared by value: 1.0 is 1, and 0.50 is 0.5."""
    any_order: bool = False
    """Lines may come in any order, and so may the words of each line; then numbers are compared
    by value, without tolerance."""


@dataclass(frozen=True)
class StdinCase:
    """Text that a script gets, and what it shall print."""

    text: str
    expected: str


@dataclass(frozen=True)
class StdinTask:
    """A script, judged by what it prints; each case runs in a process of its own."""

    source: str
    cases: tuple[StdinCase, ...]
    rule: TextRule = TextRule()
    limits: Limits = field(default_factory=Limits)
    checker: str = ""
    """Trusted Python that decides in place of the rule (checker.py)."""
    all_cases: bool = False
    """Run every case, whatever becomes of the first ones, for the score."""
    any_status: bool = False
    """A program that printed the right text and then left by `sys.exit` with a status other than
    0 is right."""
    language: str = PYTHON
    """Or one of `LANGUAGES`."""
    mode: Mode = "stdin"


@dataclass(frozen=True)
class Call:
    """Arguments of one call, plain values, and the plain value that it shall return."""

    args: tuple[Any, ...]
    expected: Any
    kwargs: dict[str, Any] = field(default_factory=dict)
    also: tuple[Any, ...] = ()
    """Other values that are right."""


@dataclass(frozen=True)
class FuncTask:
    """A function, judged by what it returns; one process makes all calls.

    It is `name`, or `Class.method` of a new instance.
    """

    source: str
    entry: str
    calls: tuple[Call, ...]
    tolerance: float = 0.0
    """Two floats may differ by this much, absolutely or relatively. An integer is never anything
    but itself."""
    limits: Limits = field(default_factory=Limits)
    from_json: bool = False
    """The expected values were read from JSON, which writes a tuple as a list and every key of a
    dict as text: these are alike."""
    mode: Mode = "func"


@dataclass(frozen=True)
class RpcTask:
    """A function, judged by trusted test code that runs beside it in a process under another uid.

    `context` runs before the tests (helpers of the prompt, imports); the tests know the function by
    its name and as `candidate`.
    """

    source: str
    entry: str
    tests: tuple[str, ...]
    context: str = ""
    limits: Limits = field(default_factory=Limits)
    all_cases: bool = False
    """Run every test, whatever becomes of the first ones, for the score."""
    mode: Mode = "rpc"


@dataclass(frozen=True)
class RunTask:
    """A script whose result is wanted.

    The result is what it printed, and in Python the value of its last statement if that is an
    expression.
    """

    source: str
    text: str = ""
    limits: Limits = field(default_factory=Limits)
    language: str = PYTHON
    mode: Mode = "run"


Task = StdinTask | FuncTask | RpcTask | RunTask


def storable(text: str) -> str:
    """The same text as far as UTF-8 has it: a lone surrogate is written as its escape."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True)
class Verdict:
    """What became of one program.

    In mode `run`, `pass` says that it ran to its normal end, and nothing more.
    """

    outcome: Outcome
    mode: Mode
    case: int | None = None
    """The first case, call or test that did not pass, from 0."""
    reason: str = ""
    cases: int = 0
    """How many the task has."""
    score: float = 0.0
    """Share of the cases that passed; a checker may give a part of one. Of a script it says all
    only with `all_cases`."""
    cpu_seconds: float = 0.0
    """Sum over its cases; in mode rpc the tester's too."""
    wall_seconds: float = 0.0
    """Sum over its cases."""
    peak_memory_bytes: int = 0
    """Largest resident set of the program's process; what it shares with the runner included
    (about 10 MiB)."""
    output: str = ""
    """Excerpt of what the last case printed; the whole of it, up to the limit, in mode `run`."""
    value: Any = None
    """Mode `run`: the last expression's plain value; text where it has no plain form."""
    attempts: int = 1
    """Containers that it took."""
    quarantined: bool = False
    """It took down every container that it was given."""
    image: str = ""
    python: str = ""

    def __post_init__(self) -> None:
        """A program had a hand in these texts."""
        for name in ("reason", "output"):
            object.__setattr__(self, name, storable(getattr(self, name)))


def expected_bytes(task: Task) -> int:
    """Length of the longest right output, or of all right results together.

    0 where nothing is expected.
    """
    if isinstance(task, StdinTask):
        return max(
            (len(case.expected.encode("utf-8", "surrogatepass")) for case in task.cases), default=0
        )
    if isinstance(task, FuncTask):
        return len(json.dumps([encode(call.expected) for call in task.calls]))
    return 0


def with_output_room(task: Task) -> Task:
    """The same task with room for twice the output that is right."""
    needed = 2 * expected_bytes(task)
    return (
        task
        if needed <= task.limits.output_bytes
        else replace(task, limits=replace(task.limits, output_bytes=needed))
    )


def job_record(task: Task, identity: int) -> dict[str, Any]:
    """What the runner is told: the program and its inputs."""
    record: dict[str, Any] = {
        "id": identity,
        "mode": task.mode,
        "limits": task.limits.wire(),
        "source": task.source,
    }
    if isinstance(task, StdinTask | RunTask) and task.language != PYTHON:
        language = LANGUAGES[task.language]
        record["language"] = language.command(task.limits)
        if not language.address_space:
            record["limits"]["address_bytes"] = None
    if isinstance(task, StdinTask):
        record["inputs"] = [case.text for case in task.cases]
    elif isinstance(task, RunTask):
        record["inputs"] = [task.text]
    elif isinstance(task, FuncTask):
        record |= {
            "entry": task.entry,
            "calls": [[encode(list(call.args)), encode(call.kwargs)] for call in task.calls],
        }
    else:
        record |= {
            "entry": task.entry,
            "tests": list(task.tests),
            "context": task.context,
            "all_cases": task.all_cases,
        }
    return record


def job_line(task: Task, identity: int) -> bytes:
    """The same as a line."""
    return (json.dumps(job_record(task, identity)) + "\n").encode()


def longest_job(task: Task) -> int:
    """Bytes of the longest line, if the task is sent in as many lines as it can be.

    That is one line for each case of a script.
    """
    if not isinstance(task, StdinTask):
        return len(job_line(task, 0))
    return len(job_line(replace(task, cases=()), 0)) + max(
        (len(json.dumps(case.text)) for case in task.cases), default=0
    )


def first_part(task: Task, done: int, most: int) -> Task:
    """What is left of a task after `done` cases, as much of it as a line of `most` bytes holds.

    At least one case.
    """
    if not isinstance(task, StdinTask):
        return task
    if (
        not done
        and 6 * (len(task.source) + sum(len(case.text) + 2 for case in task.cases)) < most // 2
    ):
        return task  # it fits, whatever has to be escaped
    left = most - len(job_line(replace(task, cases=()), 0))
    end = done
    while end < len(task.cases) and (left := left - len(json.dumps(task.cases[end].text)) - 2) >= 0:
        end += 1
    return replace(task, cases=task.cases[done : max(end, done + 1)])


def case_count(task: Task) -> int:
    """Cases, calls or tests of a task."""
    match task:
        case StdinTask():
            return len(task.cases)
        case FuncTask():
            return len(task.calls)
        case RpcTask():
            return len(task.tests)
    return 1
