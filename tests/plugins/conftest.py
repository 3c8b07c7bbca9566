"""The distribution in tests/plugin_package, which has a plug-in of each kind."""

from importlib.metadata import PackageNotFoundError, distribution

import pytest


@pytest.fixture(scope="session")
def sample_plugins():
    """The distribution, as installed."""
    try:
        return distribution("selftrain-sample-plugins")
    except PackageNotFoundError:
        pytest.fail("tests/plugin_package is not installed: run `make install`", pytrace=False)
