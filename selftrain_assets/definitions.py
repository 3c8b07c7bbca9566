"""The code location: every experiment."""

from __future__ import annotations

import os

import dagster as dg

from selftrain_assets.component import experiment_definitions
from selftrain_assets.config.experiment_files import load_experiment, names_in_defs
from selftrain_assets.dagster.resources import resources
from selftrain_assets.project import CHECKOUT, DEFS, find_project
from selftrain_assets.store import Store


@dg.definitions
def defs() -> dg.Definitions:
    """Every experiment of the project, or below SELFTRAIN_DEFS, as the command line does.

    Steps run in one process: a spawned step costs over two seconds, and stages share the loaded
    libraries.
    """
    project = find_project()
    if os.environ.get(DEFS) or project is None or project.root != CHECKOUT:
        experiments = [
            experiment_definitions(name, load_experiment(name)) for name in names_in_defs()
        ]
    else:
        experiments = [dg.load_from_defs_folder(path_within_project=CHECKOUT)]
    shared = dg.Definitions(
        resources=resources(str(Store.default().root)), executor=dg.in_process_executor
    )
    return dg.Definitions.merge(*experiments, shared)
