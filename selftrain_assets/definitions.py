"""The code location: every experiment."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from selftrain_assets.component import experiment_definitions
from selftrain_assets.config.experiment_files import load_experiment, names_in_defs
from selftrain_assets.dagster.resources import LaunchSettings, StoreResource
from selftrain_assets.store import Store


@dg.definitions
def defs() -> dg.Definitions:
    """Every experiment below defs/, or below SELFTRAIN_DEFS, as the command line does.

    Steps run in one process: a spawned step costs over two seconds, and stages share the loaded
    libraries.
    """
    if os.environ.get("SELFTRAIN_DEFS"):
        experiments = [
            experiment_definitions(name, load_experiment(name)) for name in names_in_defs()
        ]
    else:
        experiments = [dg.load_from_defs_folder(path_within_project=Path(__file__).parent)]
    resources = {
        "store": StoreResource(root=str(Store.default().root)),
        "launch": LaunchSettings.configure_at_launch(),
    }
    shared = dg.Definitions(resources=resources, executor=dg.in_process_executor)
    return dg.Definitions.merge(*experiments, shared)
