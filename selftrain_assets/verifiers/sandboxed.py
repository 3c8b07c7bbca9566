"""Where model-written code runs: the settings of the sandbox, as an experiment gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import Field

from selftrain_assets.domain.errors import InfraError, UserError
from selftrain_assets.domain.settings import Execution

if TYPE_CHECKING:
    import sandbox

MIB = 1024 * 1024
ADVICE = "; `selftrain doctor` shows what is missing, and run again to continue"
RUNNER_MIB = 68
"""Of a container's memory, that what runs the programs needs for itself."""


class SandboxSettings(Execution):
    """Docker engines and containers for verifiers that run programs.

    There is no way to run one without Docker.
    """

    base: str = Field(
        "auto",
        description=(
            "image; auto: python:3.12-slim if it can be had, else one made from this Python"
        ),
    )
    workers: int | None = Field(
        None, ge=1, description="containers per engine; none: one per core of this machine"
    )
    hosts: tuple[str, ...] = Field(
        (),
        description=(
            "engines, each as in DOCKER_HOST; none: what DOCKER_HOST says, else the default one"
        ),
    )
    packages: tuple[str, ...] = Field(
        (),
        description="what programs can import, as pip names it: numpy, sympy==1.13; wheels alone",
    )
    wheels: str | None = Field(
        None,
        description=(
            "folder of wheels, relative to the folder that the command runs in, to take packages"
            " from; none: pip's index"
        ),
    )
    memory_mib: int = Field(
        768, ge=128, description="memory of a container, in MiB; well above what a program may use"
    )
    scratch_mib: int = Field(
        32,
        ge=1,
        description=(
            "size of /tmp, the only place that a program can write to, in MiB; counts as memory"
        ),
    )
    runtime: str | None = Field(
        None, description="OCI runtime, for instance runsc; none: the engine's default"
    )
    userns: str | None = Field(
        None, description='"host" turns user namespaces off on an engine that remaps'
    )

    def engines(self, languages: Iterable[str] = ()) -> tuple[sandbox.EngineSettings, ...]:
        """The same for the package `sandbox`, with these languages besides Python."""
        from sandbox import ContainerLimits, EngineSettings

        container = ContainerLimits(
            memory_bytes=self.memory_mib * MIB, scratch_bytes=self.scratch_mib * MIB
        )
        return tuple(
            EngineSettings(
                host=host,
                base=self.base,
                packages=self.packages,
                wheels=self.wheels,
                languages=tuple(sorted(languages)),
                runtime=self.runtime,
                userns=self.userns,
                container=container,
            )
            for host in self.hosts or (None,)
        )

    def require_room(self, memory_mib: int, limit: str = "memory_mib") -> None:
        """Check that a container has enough memory for a program's limit.

        The kernel would otherwise end the program before it reaches the limit.

        Args:
            memory_mib: What a program may use, in MiB.
            limit: The setting that says so.

        Raises:
            UserError: The container has too little memory.
        """
        if memory_mib + RUNNER_MIB > self.memory_mib:
            raise UserError(
                f"{limit}: {memory_mib} MiB for a program do not fit in a container of"
                f" {self.memory_mib}; set execution.sandbox.memory_mib to {memory_mib + RUNNER_MIB}"
                " or more"
            )

    def build(self, languages: Iterable[str] = ()) -> None:
        """Build the image on every engine.

        So what cannot be built is known before there is anything to judge.
        """
        from sandbox.engine import connect
        from sandbox.image import build

        with sandbox_errors(ADVICE):
            for engine in self.engines(languages):
                build(connect(engine.host), engine)

    @contextmanager
    def pool(self, languages: Iterable[str] = ()) -> Iterator[sandbox.Pool]:
        """A pool of containers that are ready.

        Raises:
            InfraError: The sandbox cannot do something here.
        """
        from sandbox import Pool, PoolSettings

        with (
            sandbox_errors(ADVICE),
            Pool(PoolSettings(workers=self.workers, engines=self.engines(languages))) as pool,
        ):
            yield pool


@contextmanager
def sandbox_errors(advice: str = "") -> Iterator[None]:
    """What the sandbox raises, as the loop's own error: never a verdict, always owed again."""
    from sandbox import SandboxError

    try:
        yield
    except SandboxError as error:
        raise InfraError(f"the sandbox: {error}{advice}") from error
