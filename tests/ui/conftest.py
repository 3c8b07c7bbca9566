"""A headless Chromium in front of a real `dagster dev`."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.dagster_layer.dagster_dev import ROOT

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The one that CHROMIUM names, or one on the PATH."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, (
        f"no browser: `make browser` installs one; or put one of {', '.join(PROGRAMS)} on the PATH,"
        " or set CHROMIUM"
    )
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        ) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For the tests of a module."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """What the browser saw, for CI to keep: SELFTRAIN_SCREENSHOTS, or screenshots/ in the
    repository."""
    folder = Path(os.environ.get("SELFTRAIN_SCREENSHOTS") or ROOT / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
