"""From the runner's facts and the task's expected values to a verdict.

A pure function, out of the program's reach.

Every way out but one leads to something else than `pass`: what is missing, unreadable or too much
is not right.
"""

from __future__ import annotations

import logging
import re
import signal
import traceback
from dataclasses import replace
from typing import Any

from sandbox.compare import excerpt, same_text, same_value
from sandbox.limits import COMPILER, EXCERPT_CHARACTERS, Limits
from sandbox.protocol import (
    FuncTask,
    Outcome,
    RpcTask,
    RunTask,
    StdinTask,
    Task,
    Verdict,
    case_count,
    storable,
)
from sandbox.runner.codec import decode, loads

TRACEBACK = re.compile(r"^Traceback \(most recent call last\):|^  File \"", re.MULTILINE)
OUT_OF_MEMORY = ("std::bad_alloc", "heap out of memory")
"""What programs in C++ and JavaScript end with where Python has MemoryError."""
UNDER_NODE = re.compile(r"^(\w*Error\b.*)$(?:.*)^Node\.js v[\d.]+\s*\Z", re.MULTILINE | re.DOTALL)
log = logging.getLogger(__name__)
Finding = tuple[Outcome, int, str]
"""Outcome, case, reason."""


def judge(task: Task, reports: list[dict[str, Any]]) -> Verdict:
    """The verdict of a program whose runner finished its job.

    With a checker, `pass` says that every case ended well.

    Whatever a program makes it stumble over is `unscorable`: never a pass, and nothing that ends
    the judging of others.
    """
    try:
        return _judge(task, reports)
    except Exception as error:
        log.warning("a program cannot be judged\n%s", trace(error))
        return Verdict("unscorable", task.mode, reason=failure(error), cases=case_count(task))


def failure(error: Exception) -> str:
    """What a person is told of a failure to judge."""
    return storable(f"it cannot be judged: {type(error).__name__}: {error}")[:300]


def trace(error: Exception) -> str:
    """Where an error came from, for the log.

    The log may not be able to write what a program put into the error's message.
    """
    return "".join(traceback.format_exception(error)).encode("ascii", "backslashreplace").decode()


def _judge(task: Task, reports: list[dict[str, Any]]) -> Verdict:
    finding: Finding | None = None
    value, right = None, 0
    if isinstance(task, StdinTask):
        findings = [stdin_finding(task, index, report) for index, report in enumerate(reports)]
        finding, right = _first(findings), findings.count(None)
        if finding is None and len(reports) != len(task.cases):
            finding = ("infra_error", len(reports), "the runner reported too few cases")
    elif len(reports) != 1:
        finding = ("infra_error", 0, "the runner reported no case")
    elif isinstance(task, FuncTask):
        finding, right = _func(task, reports[0])
    elif isinstance(task, RpcTask):
        finding, right = _rpc(task, reports[0])
    else:
        finding, value = _run(task, reports[0])
        right = int(finding is None)
    return replace(
        _measured(task, reports),
        outcome=finding[0] if finding else "pass",
        case=finding and finding[1],
        reason=finding[2] if finding else "",
        score=right / max(1, case_count(task)),
        value=value,
    )


def _first(findings: Any) -> Finding | None:
    return next((finding for finding in findings if finding is not None), None)


def _measured(task: Task, reports: list[dict[str, Any]]) -> Verdict:
    """What it used and printed; the outcome is still open."""
    ends = [report[name] for report in reports for name in ("program", "tester") if name in report]
    output = reports[-1]["out"] if reports else ""
    return Verdict(
        outcome="infra_error",
        mode=task.mode,
        cases=case_count(task),
        cpu_seconds=round(sum(end["cpu"] for end in ends), 6),
        wall_seconds=round(sum(report["program"]["wall"] for report in reports), 6),
        peak_memory_bytes=max((report["program"]["memory"] for report in reports), default=0),
        output=output if isinstance(task, RunTask) else output[:EXCERPT_CHARACTERS],
    )


def bad_end(
    report: dict[str, Any], limits: Limits, any_status: bool = False
) -> tuple[Outcome, str] | None:
    """How a process ended that did not end well, None if it did.

    CPU time comes first: it is what decides. With `any_status` a status of the program's own choice
    is as good as 0.
    """
    end = report["program"]
    # the kernel's clock and the accounts differ by a tick
    if end["cpu"] > limits.cpu_seconds or end["exit"] == -signal.SIGXCPU:
        return (
            "timeout",
            f"used {end['cpu']:.2f} s of CPU time, {limits.cpu_seconds:g} s are allowed",
        )
    if report["late"]:
        return (
            "timeout",
            (
                f"still there after {limits.wall_seconds:g} s of wall time, with {end['cpu']:.2f} s"
                " of CPU time used"
            ),
        )
    if report["over"]:
        return "resource", f"wrote more than {limits.output_bytes} bytes"
    if end["memory"] > limits.memory_bytes:
        return (
            "resource",
            f"used {end['memory']} bytes of memory, {limits.memory_bytes} are allowed",
        )
    if end["exit"] == 0 or (any_status and end["exit"] > 0 and not TRACEBACK.search(report["err"])):
        return None
    last = last_error_line(report["err"])
    if last.startswith("MemoryError") or any(message in report["err"] for message in OUT_OF_MEMORY):
        return "resource", f"used more than {limits.memory_bytes} bytes of memory"
    if end["exit"] == -9:
        return "resource", "killed, most likely for the memory that it used"
    if end["exit"] == -signal.SIGXFSZ:
        return "resource", f"wrote a file of more than {limits.file_bytes} bytes"
    if end["exit"] < 0:
        number = -end["exit"]
        name = signal.strsignal(number) if number < signal.NSIG else None
        return "wrong", f"ended by signal {number} ({name or 'unknown'})"
    return "wrong", f"ended with status {end['exit']}: {last}"


def last_error_line(error: str) -> str:
    """The line that says why a program failed.

    It is the last one, except that Node.js goes on with the location and its version.
    """
    match = UNDER_NODE.search(error)
    return (match[1].partition("\n")[0] if match else error.strip().rpartition("\n")[2])[:300]


def not_compiled(report: dict[str, Any]) -> tuple[Outcome, str] | None:
    """Outcome and reason where a program could not be compiled.

    None if this is not the report of a compiler.
    """
    if not report.get("compiling"):
        return None
    end = bad_end(report, COMPILER)
    if end is not None and end[0] != "wrong":
        return end[0], f"compiling it: {end[1]}"
    lines = [line.strip() for line in report["out"].splitlines() if line.strip()]
    error = next(
        (line for line in lines if "rror" in line and not line.startswith("collect2")),
        " | ".join(lines[:3]),
    )
    return "malformed", error[:300]


def malformation(report: dict[str, Any]) -> str | None:
    """What the process said if it could not even begin. It can only talk itself down with it."""
    if not report["results"].startswith('{"malformed"'):
        return None
    try:
        record = loads(report["results"].partition("\n")[0])
    except ValueError:
        return None
    return str(record["malformed"])[:300]


def stdin_finding(task: StdinTask, index: int, report: dict[str, Any]) -> Finding | None:
    """What is wrong with one case, None if nothing is."""
    if "found" in report:
        finding: Finding | None = report["found"]
        return finding and (finding[0], index, finding[2])
    try:
        return _stdin_finding(task, index, report)
    except Exception as error:
        log.warning("a case cannot be judged\n%s", trace(error))
        return "unscorable", index, failure(error)


def settle(task: StdinTask, index: int, report: dict[str, Any]) -> None:
    """Judge a case, and free the memory of its report.

    An excerpt of what it printed is kept, all of it only for a checker.
    """
    report["found"] = stdin_finding(task, index, report)
    if not task.checker:
        report["out"], report["results"] = report["out"][:EXCERPT_CHARACTERS], ""


def _stdin_finding(task: StdinTask, index: int, report: dict[str, Any]) -> Finding | None:
    if (refused := not_compiled(report)) is not None:
        return refused[0], index, refused[1]
    if (problem := malformation(report)) is not None:
        return "malformed", index, problem
    if (end := bad_end(report, task.limits, task.any_status)) is not None:
        return end[0], index, end[1]
    expected = task.cases[index].expected
    if not task.checker and not same_text(report["out"], expected, task.rule):
        return "wrong", index, f"printed {excerpt(report['out'])}, expected {excerpt(expected)}"
    return None


def _func(task: FuncTask, report: dict[str, Any]) -> tuple[Finding | None, int]:
    """Each call's line in turn, and how many are right.

    A process that did not end well is blamed on the call that has no line.
    """
    if (problem := malformation(report)) is not None:
        return ("malformed", 0, problem), 0
    lines = report["results"].split("\n")
    complete = lines[:-1]
    end = bad_end(report, task.limits)
    findings = [
        _call_finding(task, index, line) for index, line in enumerate(complete[: len(task.calls)])
    ]
    wrong, right = _first(findings), findings.count(None)
    if end is not None and (end[0] != "wrong" or wrong is None):
        return (end[0], min(len(complete), len(task.calls) - 1), end[1]), right
    if wrong is None and (len(complete) != len(task.calls) or lines[-1]):
        wrong = (
            "wrong",
            min(len(complete), len(task.calls) - 1),
            f"{len(complete)} results for {len(task.calls)} calls",
        )
    return wrong, right


def _call_finding(task: FuncTask, index: int, line: str) -> Finding | None:
    call = task.calls[index]
    expected = call.expected
    try:
        record = loads(line)
        if type(record) is not dict or len(record) != 1:
            raise ValueError("no result of the protocol")
        if "e" in record:
            raised = str(record["e"])[:300]
            return (
                "resource" if raised.startswith("MemoryError") else "wrong",
                index,
                f"raised {raised}",
            )
        if "u" in record:
            return (
                "wrong",
                index,
                (
                    f"returned a {str(record['u'])[:200]}, which is no plain value; expected"
                    f" {excerpt(expected)}"
                ),
            )
        got = decode(record["v"])
        if any(
            same_value(got, right, task.tolerance, task.from_json)
            for right in (expected, *call.also)
        ):
            return None
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        return "wrong", index, f"its result cannot be read: {str(error)[:200]}"
    return "wrong", index, f"returned {excerpt(got)}, expected {excerpt(expected)}"


def _rpc(task: RpcTask, report: dict[str, Any]) -> tuple[Finding | None, int]:
    """What the tester reports, once both processes have ended as they should.

    Returns:
        Its finding, and how many tests it saw pass.
    """
    if (problem := malformation(report)) is not None:
        return ("malformed", 0, problem), 0
    try:
        record = loads(report["verdict"])
    except ValueError:
        record = None
    record = record if type(record) is dict else {}
    case, passed = (
        count if type(count := record.get(name)) is int else 0 for name in ("case", "passed")
    )
    # -9: the tester was done, and what was left was ended
    if report["program"]["exit"] != -9 or report["late"]:
        end = bad_end(report, task.limits)
    else:
        end = bad_end(report | {"program": report["program"] | {"exit": 0}}, task.limits)
    if end is not None:
        return (end[0], case, end[1]), passed
    if (
        report["tester"]["cpu"] > task.limits.cpu_seconds
        or report["tester"]["exit"] == -signal.SIGXCPU
    ):
        return ("timeout", case, "the tests used more CPU time than is allowed"), passed
    if record == {"pass": True} and report["tester"]["exit"] == 0:
        return None, len(task.tests)
    if "unscorable" in record:
        return ("unscorable", case, str(record["unscorable"])), passed
    if "wrong" in record:
        if (
            str(record["wrong"]).startswith("Gone: the program ended")
            and report["program"]["exit"] == -9
        ):
            return ("resource", case, "killed, most likely for the memory that it used"), passed
        return ("wrong", case, str(record["wrong"])), passed
    return (
        "unscorable",
        case,
        f"the tests ended with status {report['tester']['exit']} and no verdict",
    ), passed


def _run(task: RunTask, report: dict[str, Any]) -> tuple[Finding | None, Any]:
    """Whether it ran to its end, and its last expression's value."""
    if (refused := not_compiled(report)) is not None:
        return (refused[0], 0, refused[1]), None
    if (problem := malformation(report)) is not None:
        return ("malformed", 0, problem), None
    if (end := bad_end(report, task.limits)) is not None:
        return (end[0], 0, end[1]), None
    if not report["results"]:
        return None, None
    try:
        record = loads(report["results"])
        return None, decode(record["v"]) if "v" in record else str(record["u"])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        return ("wrong", 0, f"its result cannot be read: {str(error)[:200]}"), None
