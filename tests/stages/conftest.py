"""An opened experiment on an empty store."""

import pytest

from selftrain_assets.config import parse_experiment
from selftrain_assets.stages.run import Run
from tests import lab


@pytest.fixture
def opened(tmp_path, store, one_torch_thread):
    """Returns a function that opens a small experiment; changes are top-level settings."""

    def open_run(name: str = "lab", **changes) -> Run:
        return Run(name, parse_experiment(lab.write_experiment(tmp_path, name, **changes), name), store)

    return open_run
