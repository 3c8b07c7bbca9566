"""What a verifier has at its disposal while it is open."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.server import Api, ServerSettings
from selftrain_assets.verifiers.sandboxed import SandboxSettings

if TYPE_CHECKING:
    from selftrain_assets.engines.protocol import Engine, EngineSettings


def _silent(activity: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True)
class VerifierContext:
    """What a verifier has at its disposal while it is open.

    Attributes:
        sandbox: Where model-written programs run.
        engine: Settings of the experiment's engine; None where there is no experiment.
        progress: Called with an activity, how much of it is done, and the total.
    """

    sandbox: SandboxSettings = field(default_factory=SandboxSettings)
    engine: EngineSettings | None = None
    progress: Callable[[str, int, int], None] = _silent

    @property
    def workers(self) -> int:
        """How many processes or containers work at once on this machine."""
        return self.sandbox.workers or os.cpu_count() or 1

    def open_engine(self, model: str) -> Engine:
        """The experiment's engine with another model, such as one that judges.

        Args:
            model: A model directory, or a name on the hub.

        Returns:
            An engine to be used as a context manager; leaving it frees the memory.

        Raises:
            UserError: There is no such model, or no engine.
        """
        from selftrain_assets.models.loading import resolve_model

        if self.engine is None:
            raise UserError("a verifier that samples a model needs an experiment with an engine")
        return self.engine.open(resolve_model(model))

    def open_server(self, server: ServerSettings, model: str, api: Api = "chat") -> Engine:
        """An engine that asks an OpenAI-compatible server.

        Args:
            server: Its address, key and limits.
            model: Its name on the server.
            api: Whether a prompt is the message of a user or a text to be completed.

        Returns:
            An engine to be used as a context manager.
        """
        from selftrain_assets.engines.openai_engine import OpenAIEngine

        return OpenAIEngine(server, model, api)
