"""Dagster resources."""

from __future__ import annotations

from functools import cache
from typing import Any

import dagster as dg
from pydantic import BaseModel, Field

from selftrain_assets.config.experiment import ExecutionSettings, Experiment, parse_experiment
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.settings import merged
from selftrain_assets.store import Store, location
from selftrain_assets.verifiers import SandboxSettings


class StoreResource(dg.ConfigurableResource):
    """The folder with all samples, verdicts, rows and weights."""

    # no IO manager: stages are resumable, and the command line reads the same files
    root: str = Field(description="path of the folder")

    def open(self) -> Store:
        """Open the store below `root`."""
        return Store(location.folder(self.root))


AS_IN_FILE = "without it the value in the experiment's file is used"


def _describe(settings: type[BaseModel], name: str, bounds: str) -> str:
    return f"{settings.model_fields[name].description}; {bounds}; {AS_IN_FILE}"


class LaunchSettings(dg.ConfigurableResource):
    """Settings for one launch: they change how it runs, never its results.

    All other settings are in the experiment's file, so that a launch can be repeated from it.
    """

    batch_size: int | None = Field(
        None,
        description=(f"completions decoded together; at least 1; {AS_IN_FILE}"),
    )
    shard_size: int | None = Field(
        None, description=_describe(ExecutionSettings, "shard_size", "at least 1")
    )
    shard_seconds: float | None = Field(
        None, description=_describe(ExecutionSettings, "shard_seconds", "at least 0")
    )
    workers: int | None = Field(
        None, description=_describe(SandboxSettings, "workers", "at least 1")
    )

    def applied(self, config: Experiment) -> Experiment:
        """Return the experiment with these settings.

        Raises:
            UserError: A setting is out of bounds, or the engine does not have it.
        """
        if self.batch_size is not None and "batch_size" not in type(config.engine).model_fields:
            raise UserError(
                f"launch.batch_size: engine {config.engine.type} has no such setting; leave it out"
            )
        execution = _set_only(
            shard_size=self.shard_size,
            shard_seconds=self.shard_seconds,
            sandbox=_set_only(workers=self.workers),
        )
        changes = _set_only(engine=_set_only(batch_size=self.batch_size), execution=execution)
        return (
            parse_experiment(merged(config.model_dump(exclude_unset=True), changes), "launch")
            if changes
            else config
        )


@cache
def resources(store: str) -> dict[str, Any]:
    """Resources of every experiment whose results are in this store.

    They are made once: Dagster merges the definitions of several experiments only if they have the
    very same resources.
    """
    return {"store": StoreResource(root=store), "launch": LaunchSettings.configure_at_launch()}


def _set_only(**settings: Any) -> dict[str, Any]:
    """Return the settings that are set."""
    return {name: value for name, value in settings.items() if value not in (None, {})}
