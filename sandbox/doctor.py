"""Does the sandbox hold here?

The engine, the image, and every control as a program sees it from inside a container.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sandbox.engine import EngineSettings, connect, free_slots, sweep
from sandbox.image import build
from sandbox.self_check import Check, behaviour_checks, require_languages, static_checks, versions
from sandbox.worker import Worker


@dataclass(frozen=True)
class Diagnosis:
    """One engine and what is on it.

    `checks` are made while they are drawn: a second or so each at most.
    """

    engine: str
    image: str
    python: str
    packages: dict[str, str]
    languages: dict[str, str]
    """Both: versions by name."""
    checks: Iterator[Check] = field(repr=False)

    @property
    def holds(self) -> str:
        """What is in the image, for a person."""
        return ", ".join(
            f"{name} {version}"
            for name, version in ({"Python": self.python} | self.languages | self.packages).items()
        )


@contextmanager
def diagnose(settings: EngineSettings) -> Iterator[Diagnosis]:
    """Try everything on each engine.

    Builds the image where it is missing, removes what dead owners left, and starts one container
    for the checks.

    Raises:
        EngineError: There is no engine.
        SandboxError: An image, package or language cannot be had.
        UnsafeError: A required limit is refused.
    """
    client = connect(settings.host)
    sweep(client)
    worker = Worker(client, build(client, settings), settings, *free_slots(client, 1))
    try:
        worker.start()
        require_languages(worker)
        engine, hello = _engine_summary(client.info(), settings), worker.hello
        yield Diagnosis(
            engine,
            worker.image,
            str(hello.get("python")),
            hello.get("packages", {}),
            versions(worker),
            _checks(worker),
        )
    finally:
        worker.close()


def _engine_summary(info: dict[str, Any], settings: EngineSettings) -> str:
    runtime = settings.runtime or info.get("DefaultRuntime")
    return (
        f"Docker {info.get('ServerVersion')}, storage {info.get('Driver')},"
        f" cgroup v{info.get('CgroupVersion', '1')}, runtime {runtime},"
        f" kernel {info.get('KernelVersion')}"
    )


def _checks(worker: Worker) -> Iterator[Check]:
    """Hostile programs are let loose only where every control has been seen to hold."""
    held = static_checks(worker)
    yield from held
    if all(check.ok for check in held):
        yield from behaviour_checks(worker)
