"""Dagster resources."""

from __future__ import annotations

from typing import Any

import dagster as dg
from pydantic import BaseModel, Field

from selftrain_assets.config.experiment import ExecutionSettings, Experiment, parse_experiment
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.settings import merged
from selftrain_assets.store import Store, location
from selftrain_assets.verifiers import SandboxSettings


class StoreResource(dg.ConfigurableResource):
    """Where samples, verdicts, rows and weights are kept.

    Explicit storage, not an IO manager: payloads are resumable partial state that the command line
    reads too.
    """

    root: str = Field(description="a folder on a local disk")

    def open(self) -> Store:
        """Open the store below `root`."""
        return Store(location.folder(self.root))


def _as_in(settings: type[BaseModel], name: str, bounds: str) -> str:
    return (
        f"{settings.model_fields[name].description}; {bounds}, left out: as in the experiment's"
        " file"
    )


class LaunchSettings(dg.ConfigurableResource):
    """What may be changed for one launch: how it runs, never what it computes.

    Everything else is in the experiment's file, so that a launch can always be made again from it.
    """

    batch_size: int | None = Field(
        None,
        description=(
            "completions decoded together; at least 1, left out: as in the experiment's file"
        ),
    )
    shard_size: int | None = Field(
        None, description=_as_in(ExecutionSettings, "shard_size", "at least 1")
    )
    shard_seconds: float | None = Field(
        None, description=_as_in(ExecutionSettings, "shard_seconds", "at least 0")
    )
    workers: int | None = Field(None, description=_as_in(SandboxSettings, "workers", "at least 1"))

    def applied(self, config: Experiment) -> Experiment:
        """Return the experiment with these settings.

        Raises:
            UserError: A setting is out of bounds, or the engine does not have it.
        """
        if self.batch_size is not None and "batch_size" not in type(config.engine).model_fields:
            raise UserError(
                f"launch.batch_size: engine {config.engine.type} has none; leave it out"
            )
        execution = _given(
            shard_size=self.shard_size,
            shard_seconds=self.shard_seconds,
            sandbox=_given(workers=self.workers),
        )
        changes = _given(engine=_given(batch_size=self.batch_size), execution=execution)
        return (
            parse_experiment(merged(config.model_dump(exclude_unset=True), changes), "launch")
            if changes
            else config
        )


def _given(**settings: Any) -> dict[str, Any]:
    """Return the settings that have a value."""
    return {name: value for name, value in settings.items() if value not in (None, {})}
