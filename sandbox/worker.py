"""One worker: one container at a time, one program at a time in it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from sandbox.engine import EngineSettings, Line, engine_errors
from sandbox.errors import EngineError, UnsafeError
from sandbox.judge import judge, stdin_finding
from sandbox.limits import GRACE_SECONDS, REQUEST_BYTES, START_SECONDS, STRIKES
from sandbox.protocol import StdinTask, Task, Verdict, case_count, job_line, process_count
from sandbox.runner.codec import UnencodableError

START_ATTEMPTS = 3


class ContainerLostError(Exception):
    """The container went away, hung or broke the protocol with a job in it."""


class Worker:
    """Starts containers as needed. Not to be shared by threads."""

    def __init__(self, client: Any, image: str, settings: EngineSettings, slot: int) -> None:
        self.client, self.image, self.settings, self.slot = client, image, settings, slot
        self.line: Line | None = None
        self.hello: dict[str, Any] = {}
        self.jobs = 0
        self.started = 0

    def start(self) -> None:
        """A fresh container whose runner has said hello. EngineError if there is none to be had."""
        for attempt in range(START_ATTEMPTS):
            line = Line(self.client, self.image, self.settings, self.slot)
            try:
                self.hello = line.read(START_SECONDS)
            except (EOFError, OSError, ValueError) as error:
                line.remove()
                self.ping()
                if attempt + 1 == START_ATTEMPTS:
                    said = bytes(line.error_text).decode(errors="replace").strip()[-500:]
                    raise EngineError(f"a container started but its runner did not ({said or error or 'it said nothing'})") from error
                continue
            break
        self.line = line
        self.started += 1
        if self.hello.get("hello") != 1 or self.hello.get("refused"):
            self.close()
            raise UnsafeError(f"this kernel or runtime refuses the limits {self.hello.get('refused')}; nothing is run without them")

    def ping(self) -> None:
        """EngineError if the engine is gone: then a lost container says nothing about the program in it."""
        with engine_errors("the Docker engine went away; what was in flight is owed again"):
            self.client.ping()

    def close(self) -> None:
        """Remove the container."""
        if self.line is not None:
            self.line.remove()
            self.line = None

    def judge(self, task: Task) -> Verdict:
        """The verdict, in as many containers as it takes."""
        refusal = Verdict("unscorable", task.mode, cases=case_count(task), image=self.image)
        try:
            line = job_line(task, 0)
        except (UnencodableError, UnicodeError) as error:
            return replace(refusal, reason=f"an input has no plain form: {error}")
        if len(line) > REQUEST_BYTES - 64:
            return replace(refusal, reason=f"the task has {len(line)} bytes, {REQUEST_BYTES} are the most")
        if case_count(task) == 0:
            return replace(refusal, reason="the task has no cases")
        verdict, lost = self._judge(task)
        if verdict.outcome == "timeout" and verdict.reason.startswith("still there") and verdict.cpu_seconds < task.limits.cpu_seconds / 2:
            again, more = self._judge(task)  # it may have been the machine that was slow
            verdict, lost = again, lost + more
        return replace(verdict, attempts=1 + lost, image=self.image, python=str(self.hello.get("python", "")))

    def _judge(self, task: Task) -> tuple[Verdict, int]:
        """The verdict and how many containers were lost on the way."""
        why = ""
        for lost in range(STRIKES):
            try:
                reports = self._run(task)
            except ContainerLostError as error:
                why = str(error)
                self.close()
                self.ping()
                continue
            verdict = judge(task, reports)
            if verdict.outcome != "infra_error":
                return verdict, lost
            why = verdict.reason
            self.close()
        reason = f"quarantined: {STRIKES} containers in a row were lost with it ({why})"
        return Verdict("resource", task.mode, reason=reason, cases=case_count(task), quarantined=True), STRIKES - 1

    def _run(self, task: Task) -> list[dict[str, Any]]:
        """Give the job to the container; its cases' reports. A container that is not clean afterwards is thrown away."""
        if self.line is None:
            self.start()
        assert self.line is not None
        self.jobs += 1
        wall = process_count(task) * (task.limits.wall_seconds + 2)
        reports: list[dict[str, Any]] = []
        try:
            self.line.write(job_line(task, self.jobs), GRACE_SECONDS)
            while True:
                record = self.line.read(wall + GRACE_SECONDS)
                if record.get("id") != self.jobs:
                    raise ContainerLostError(f"the runner answered {str(record)[:200]}")
                if "case" in record:
                    reports.append(record)
                if record.get("end"):
                    break
                if isinstance(task, StdinTask) and stdin_finding(task, len(reports) - 1, record):
                    self.line.write(json.dumps({"stop": self.jobs}).encode() + b"\n", GRACE_SECONDS)
        except TimeoutError as error:
            raise ContainerLostError("its runner did not answer in time") from error
        except (EOFError, OSError, ValueError) as error:
            said = bytes(self.line.error_text).decode(errors="replace").strip()[-300:]
            raise ContainerLostError(said or "the container ended") from error
        if not record.get("clean"):
            self.close()
        return reports
