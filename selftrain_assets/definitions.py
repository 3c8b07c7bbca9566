"""The code location: every experiment below defs/."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from selftrain_assets.resources import StoreResource
from selftrain_assets.store import Store


@dg.definitions
def defs() -> dg.Definitions:
    """In-process execution: a spawned step costs over two seconds, and stages share the loaded libraries."""
    experiments = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    shared = dg.Definitions(resources={"store": StoreResource(root=str(Store.default().root))}, executor=dg.in_process_executor)
    return dg.Definitions.merge(experiments, shared)
