"""Processes to be killed, and a run that nothing disturbs."""

import shutil

import pytest

from tests.faults.harness import Driver, place


@pytest.fixture(scope="session")
def driver():
    """Samples and judges; has no torch."""
    process = Driver()
    yield process
    process.close()


@pytest.fixture(scope="session")
def undisturbed(driver, tmp_path_factory):
    """The folder of a finished experiment. Not to be changed."""
    folder = place(tmp_path_factory.mktemp("undisturbed"))
    driver.finish(folder)
    return folder


@pytest.fixture
def fresh(tmp_path):
    """An experiment that has not begun."""
    return place(tmp_path / "fresh")


@pytest.fixture
def finished(undisturbed, tmp_path):
    """A copy of the finished experiment, to be damaged."""
    return shutil.copytree(undisturbed, tmp_path / "finished")
