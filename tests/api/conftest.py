import pytest

import selftrain_assets as st
from tests import lab


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project without a Dagster instance, in which the test works."""
    folder = tmp_path / "project"
    folder.mkdir()
    for variable in ("SELFTRAIN_DEFS", "SELFTRAIN_STORE", "DAGSTER_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("SELFTRAIN_HOME", str(folder))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def settings(tmp_path):
    """Returns a function that gives settings of a small experiment, which no file has."""
    (tmp_path / "unread").mkdir()
    return lambda **changes: lab.write_experiment(tmp_path / "unread", **changes)


@pytest.fixture
def mine(project, settings):
    """A small experiment that was made in Python, open in the store of the project."""
    return st.open(settings(), name="mine")
