"""Where model-written code runs: the settings of the sandbox, as an experiment gives them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import Field

from selftrain_assets.core.errors import InfraError
from selftrain_assets.core.settings import Execution

if TYPE_CHECKING:
    import sandbox


class SandboxSettings(Execution):
    """Docker engines and containers for verifiers that run programs. There is no way to run one without Docker."""

    base: str = Field("auto", description="image; auto: python:3.12-slim if it can be had, else one made from this Python")
    workers: int | None = Field(None, ge=1, description="containers per engine; none: one per core of this machine")
    hosts: tuple[str, ...] = Field((), description="engines, each as in DOCKER_HOST; none: what DOCKER_HOST says, else the default one")
    runtime: str | None = Field(None, description="OCI runtime, for instance runsc; none: the engine's default")
    userns: str | None = Field(None, description='"host" turns user namespaces off on an engine that remaps')

    def engines(self) -> tuple[sandbox.EngineSettings, ...]:
        """The same for the package `sandbox`."""
        from sandbox import EngineSettings

        return tuple(EngineSettings(host=h, base=self.base, runtime=self.runtime, userns=self.userns) for h in self.hosts or (None,))

    @contextmanager
    def pool(self) -> Iterator[sandbox.Pool]:
        """Containers that are ready; everything that the sandbox cannot do here becomes an InfraError."""
        from sandbox import Pool, PoolSettings

        with (
            sandbox_errors("; `selftrain doctor` shows what is missing, and running again goes on"),
            Pool(PoolSettings(workers=self.workers, engines=self.engines())) as pool,
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
