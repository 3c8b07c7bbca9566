"""The command `selftrain` for tests: in this process, which has its imports already, or in one
of its own."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from selftrain_assets import cli

PROGRAM = (sys.executable, "-m", "selftrain_assets.cli")


@dataclass(frozen=True)
class Done:
    """How a command ended; the names are those of a completed process."""

    returncode: int
    stdout: str
    stderr: str


def selftrain(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Done:
    """A command from entry point to exit code, in that folder and environment; what would be a
    traceback fails the test."""
    out, errors = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, os.environ if env is None else env, clear=True),
        mock.patch.object(sys, "argv", ["selftrain", *arguments]),
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        pytest.raises(SystemExit) as ended,
    ):
        cli.main()
    return Done(ended.value.code or 0, out.getvalue(), errors.getvalue())


def process(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    """The same as a shell starts it."""
    return subprocess.run(
        [*PROGRAM, *arguments], capture_output=True, text=True, timeout=600, **options
    )
