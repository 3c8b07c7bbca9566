"""Dagster resources."""

from __future__ import annotations

import dagster as dg
from pydantic import Field

from selftrain_assets.store import Store, location


class StoreResource(dg.ConfigurableResource):
    """Where samples, verdicts, rows and weights are kept. Explicit storage, not an IO manager: payloads are resumable
    partial state that the command line reads too."""

    root: str = Field(description="a folder on a local disk")

    def open(self) -> Store:
        """The store below `root`."""
        return Store(location.folder(self.root))
