"""Dagster resources."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from pydantic import Field

from selftrain_assets.store import Store


class StoreResource(dg.ConfigurableResource):
    """Where samples, verdicts, rows and weights are kept. Explicit storage, not an IO manager: payloads are resumable
    partial state that the command line reads too."""

    root: str = Field(description="local folder")

    def open(self) -> Store:
        """The store below `root`."""
        return Store(Path(self.root).absolute())
