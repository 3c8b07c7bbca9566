"""One worker: one container at a time, one program at a time in it."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace
from typing import Any

from sandbox.checker import checker_task, score, with_scores
from sandbox.compare import excerpt
from sandbox.engine import EngineSettings, Line, connect
from sandbox.errors import EngineError, SandboxError, UnsafeError
from sandbox.judge import judge, settle, stdin_finding
from sandbox.languages import PYTHON
from sandbox.limits import (
    COMPILER,
    GRACE_SECONDS,
    LARGEST_EXPECTED,
    REQUEST_BYTES,
    SECOND_LINE,
    START_SECONDS,
    STRIKES,
    WAITS,
)
from sandbox.protocol import (
    RunTask,
    StdinTask,
    Task,
    Verdict,
    case_count,
    expected_bytes,
    first_part,
    job_line,
    longest_job,
    with_output_room,
)
from sandbox.runner.codec import UnencodableError

START_ATTEMPTS = 3
CANARY = RunTask("1")
log = logging.getLogger(__name__)


class ContainerLostError(Exception):
    """The container went away, hung or broke the protocol with a job in it."""


class CancelledError(SandboxError):
    """The worker was told to stop; there is no verdict, and nothing counts against the program."""


class Worker:
    """Starts containers as needed.

    Not to be shared by threads; `interrupt` alone may be called from another one.
    """

    def __init__(self, client: Any, image: str, settings: EngineSettings, slot: int) -> None:
        self.client, self.image, self.settings, self.slot = client, image, settings, slot
        self.line: Line | None = None
        self.opening: Line | None = None
        self.busy = False
        self.cancelled = threading.Event()
        self.hello: dict[str, Any] = {}
        self.degraded: tuple[str, ...] = ()
        """Limits of a process that are refused here, so that only their second line of defence
        holds."""
        self.jobs = 0
        self.started = 0

    @property
    def holds(self) -> str:
        """Python and packages of the image with their versions, for a person."""
        versions = {"Python": self.hello.get("python", "")} | self.hello.get("packages", {})
        return ", ".join(f"{name} {version}" for name, version in versions.items())

    def start(self) -> None:
        """A fresh container whose runner has said hello. EngineError if there is none to be had."""
        for attempt in range(START_ATTEMPTS):
            line = self.opening = Line(self.client, self.image, self.settings, self.slot)
            try:
                self._heed()
                self.hello = line.read(START_SECONDS)
            except CancelledError:
                line.remove()
                raise
            except (EOFError, OSError, ValueError) as error:
                line.remove()
                self._heed()
                self.ping()
                if attempt + 1 == START_ATTEMPTS:
                    message = bytes(line.error_text).decode(errors="replace").strip()[-500:]
                    raise EngineError(
                        "a container started but its runner did not"
                        f" ({message or error or 'it said nothing'})"
                    ) from error
                continue
            break
        self.line = line
        self.started += 1
        try:
            self._accept(self.hello)
        except SandboxError:
            self.close()
            raise

    def _accept(self, hello: dict[str, Any]) -> None:
        """Check what the container says of itself.

        Refused limits that others stand in for are logged.

        Raises:
            UnsafeError: A limit is refused that nothing else stands in for.
            SandboxError: A package of the image cannot be used.
        """
        refused = tuple(str(name) for name in hello.get("refused", ()))
        if hello.get("hello") != 1:
            raise UnsafeError(
                f"the runner said {str(hello)[:200]} instead of hello; nothing is run with it"
            )
        if essential := [name for name in refused if name not in SECOND_LINE]:
            raise UnsafeError(
                f"this kernel or runtime refuses the process limits {', '.join(essential)}; nothing"
                " else holds in their place, so nothing is run: use another runtime or engine"
                " (EngineSettings(runtime=..., host=...)) or a newer version of this one"
            )
        if unfit := hello.get("unfit"):
            listed = "; ".join(f"{name} {why}" for name, why in unfit.items())
            raise SandboxError(
                f"packages of the image {self.image} are of no use in the sandbox: {listed}"
            )
        if refused and refused != self.degraded:
            log.warning(
                "this kernel or runtime refuses limits of a process; %s", stand_ins(refused)
            )
        self.degraded = refused

    def ping(self) -> None:
        """Check that the engine is there, since a lost container may be the engine's doing.

        The connection is a new one: an engine that shuts down stops listening first, then ends its
        containers, and meanwhile still answers on the connections that it has.

        Raises:
            EngineError: The engine is gone or going.
        """
        try:
            connect(self.settings.host).close()
        except EngineError as error:
            raise EngineError(
                f"the Docker engine went away; what was in flight is owed again ({error})"
            ) from error

    def confirm(self) -> None:
        """Check that a trivial program runs in a new container.

        This is done before a program is blamed for the loss of its own.

        Raises:
            EngineError: It does not.
        """
        for _ in range(START_ATTEMPTS):
            try:
                if judge(CANARY, self._run(CANARY)).outcome == "pass":
                    return
            except ContainerLostError:
                pass
            self.close()
            self._heed()
            self.ping()
        raise EngineError(
            "containers are lost here whatever runs in them; what was in flight is owed again"
        )

    def close(self) -> None:
        """Remove the container."""
        line, self.line = self.line, None
        if line is not None:
            line.remove()

    def interrupt(self) -> bool:
        """Tell it to stop; its job, if it has one, ends in CancelledError at once.

        Whether it had one: then close it.
        """
        self.cancelled.set()  # first: whoever becomes busy after the next line was read sees it
        busy = self.busy
        for line in (self.line, self.opening):
            if busy and line is not None:
                line.hang_up()
        return busy

    def _heed(self) -> None:
        if self.cancelled.is_set():
            raise CancelledError("the stream of tasks was ended")

    def judge(self, task: Task) -> Verdict:
        """The verdict, in as many containers as it takes."""
        refusal = Verdict("unscorable", task.mode, cases=case_count(task), image=self.image)
        try:
            longest, expected = longest_job(task), expected_bytes(task)
        except (UnencodableError, UnicodeError) as error:
            return replace(refusal, reason=f"an input or expected value has no plain form: {error}")
        if longest > REQUEST_BYTES - 64:
            return replace(
                refusal,
                reason=(
                    f"the task has {longest} bytes for one process, {REQUEST_BYTES} are the most"
                ),
            )
        if expected > LARGEST_EXPECTED:
            return replace(
                refusal,
                reason=f"what is expected has {expected} bytes, {LARGEST_EXPECTED} are the most",
            )
        if case_count(task) == 0:
            return replace(refusal, reason="the task has no cases")
        task = with_output_room(task)
        verdict, reports, lost = self._judge(task)
        # it may have been the machine that was slow
        if verdict.outcome == "timeout" and _has_waited(task, reports, verdict.case or 0):
            verdict, reports, more = self._judge(task)
            lost += more
        if isinstance(task, StdinTask) and task.checker and not verdict.quarantined:
            verdict = self._checked(task, verdict, reports)
        return replace(
            verdict, attempts=1 + lost, image=self.image, python=str(self.hello.get("python", ""))
        )

    def _judge(self, task: Task) -> tuple[Verdict, list[dict[str, Any]], int]:
        """Judge a task.

        Returns:
            The verdict, the reports that it rests on, and how many containers were lost on the way.
        """
        why = ""
        for lost in range(STRIKES):
            try:
                reports = self._run(task)
            except ContainerLostError as error:
                why = str(error)
                self.close()
                self._heed()
                self.ping()
                continue
            verdict = judge(task, reports)
            if verdict.outcome != "infra_error":
                return verdict, reports, lost
            why = verdict.reason
            self.close()
        self.confirm()
        reason = f"quarantined: {STRIKES} containers in a row were lost with it ({why})"
        return (
            Verdict("resource", task.mode, reason=reason, cases=case_count(task), quarantined=True),
            [],
            STRIKES - 1,
        )

    def _checked(self, task: StdinTask, verdict: Verdict, reports: list[dict[str, Any]]) -> Verdict:
        """With the word of the checker on every case that ended well."""
        places = [
            place
            for place, report in enumerate(reports)
            if stdin_finding(task, place, report) is None
        ]
        if not places:
            return verdict
        job = checker_task(task, places, reports)
        if longest_job(job) > REQUEST_BYTES - 64:
            return replace(
                verdict, outcome="unscorable", reason="what it printed is too long for its checker"
            )
        own, answers, _ = self._judge(job)
        results: list[float | str] = []
        for place, answer in enumerate(answers):
            end = stdin_finding(job, place, answer)
            points = score(answer["out"])
            results.append(
                f"failed: {end[2]}"
                if end
                else f"printed {excerpt(answer['out'])} and no score"
                if points is None
                else points
            )
        results += [f"failed: {own.reason}"] * (len(places) - len(results))
        return with_scores(verdict, places, results, [report["out"] for report in reports])

    def _run(self, task: Task) -> list[dict[str, Any]]:
        """Give the job to the container; its cases' reports. CancelledError if told to stop."""
        self.busy = True
        try:
            self._heed()
            return self._exchange(task)
        except ContainerLostError:
            self._heed()
            raise
        finally:
            self.busy = False

    def _exchange(self, task: Task) -> list[dict[str, Any]]:
        """The reports of a task's cases up to the first that is not right.

        They come from more than one container where one cannot be cleaned up.
        """
        reports: list[dict[str, Any]] = []
        while True:
            part = first_part(task, len(reports), REQUEST_BYTES - 64)
            new = self._job(part)
            reports += new
            if (
                not isinstance(task, StdinTask)
                or not new
                or len(reports) >= len(task.cases)
                or self._enough(task, reports)
            ):
                return reports
            if len(new) < case_count(part) and self.line is not None:
                return reports  # clean, and yet it has not run them all
            self._heed()

    @staticmethod
    def _enough(task: StdinTask, reports: list[dict[str, Any]]) -> bool:
        """Whether the verdict is known before the other cases are run."""
        finding = stdin_finding(task, len(reports) - 1, reports[-1])
        return finding is not None and (
            not task.all_cases or finding[0] == "malformed" or bool(reports[-1].get("tired"))
        )

    def _job(self, task: Task) -> list[dict[str, Any]]:
        """Write the job, read the reports.

        A container that is not clean afterwards is thrown away.
        """
        if self.line is None:
            self.start()
        line = self.line
        assert line is not None
        self.jobs += 1
        wall = task.limits.wall_seconds
        if isinstance(task, StdinTask | RunTask) and task.language != PYTHON:
            wall = max(wall, COMPILER.wall_seconds)
        reports: list[dict[str, Any]] = []
        stopped, waited = False, 0.0
        try:
            line.write(job_line(task, self.jobs), GRACE_SECONDS)
            while True:
                record = line.read(wall + GRACE_SECONDS)
                if record.get("id") != self.jobs:
                    raise ContainerLostError(f"the runner answered {str(record)[:200]}")
                if record.get("compiled"):
                    continue
                # one more case may have ended before the runner was told
                if "case" in record and not stopped:
                    reports.append(record)
                    if isinstance(task, StdinTask):
                        settle(task, len(reports) - 1, record)
                        waited += _idle(task, record)
                        if waited > WAITS * task.limits.wall_seconds:
                            _tire(task, record)
                if record.get("end"):
                    break
                if isinstance(task, StdinTask) and not stopped and self._enough(task, reports):
                    line.write(json.dumps({"stop": self.jobs}).encode() + b"\n", GRACE_SECONDS)
                    stopped = True
        except TimeoutError as error:
            raise ContainerLostError("its runner did not answer in time") from error
        except (EOFError, OSError, ValueError) as error:
            message = bytes(line.error_text).decode(errors="replace").strip()[-300:]
            raise ContainerLostError(message or "the container ended") from error
        if not record.get("clean"):
            self.close()
        return reports


def _has_waited(task: Task, reports: list[dict[str, Any]], case: int) -> bool:
    """Whether the wall limit stopped this case while it used little CPU time."""
    # not the last: one more may have begun before it was told to stop
    report = reports[case if isinstance(task, StdinTask) else 0]
    return bool(report["late"]) and report["program"]["cpu"] < task.limits.cpu_seconds / 2


def _idle(task: Task, report: dict[str, Any]) -> float:
    """How much longer a case took than it could on a machine without waits.

    There no program that computes up to its CPU limit runs into its wall limit.
    """
    program, limits = report["program"], task.limits
    expected = program["cpu"] * limits.wall_seconds / limits.cpu_seconds
    return max(0.0, float(program["wall"] - expected))


def _tire(task: Task, report: dict[str, Any]) -> None:
    """No more patience with a program whose cases each end in time, and all wait."""
    why = f"its cases together have waited for more than {WAITS * task.limits.wall_seconds:g} s"
    report |= {"found": report["found"] or ("timeout", 0, why), "late": True, "tired": True}


def stand_ins(refused: tuple[str, ...]) -> str:
    """What holds in the place of refused limits, for a person."""
    return "; ".join(f"{name} refused: {SECOND_LINE[name]} holds instead" for name in refused)
