"""The command line: the same stages as the Dagster assets, without a daemon."""

from __future__ import annotations

import gc
import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from selftrain_assets.cli import export, init, maintenance, run, store, tasks
from selftrain_assets.cli.common import app
from selftrain_assets.domain.errors import SelftrainError
from selftrain_assets.domain.foreign import visible

INTERRUPTED = 130  # typer's exit code after Ctrl-C, too
ORDER = (
    *(
        "init",
        "run",
        "new",
        "tasks",
        "status",
        "report",
        "compare",
        "show",
        "sql",
        "export",
        "fork",
    ),
    *("fork", "verify", "retract", "audit", "gc", "doctor"),
)
app.registered_commands.sort(
    key=lambda command: ORDER.index(getattr(command.callback, "__name__", ""))
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"selftrain {version('selftrain')}")
        raise typer.Exit


@app.callback()
def _options(
    store: Annotated[
        Path | None,
        typer.Option(
            help="folder for all results; default: SELFTRAIN_STORE, or runs/ in the project"
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="print the version and stop"
        ),
    ] = False,
) -> None:
    if store is not None:
        os.environ["SELFTRAIN_STORE"] = str(store)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def main() -> None:
    """Run the command line; errors become one sentence and an exit code, Ctrl-C a clean line."""
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(logging.NullHandler())
    try:
        code = app(standalone_mode=False) or 0
    except SelftrainError as error:
        print(f"error: {visible(str(error))}", file=sys.stderr)
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        if not hasattr(error, "show"):  # typer's own usage errors know how to show themselves
            raise
        error.show()
        code = 2
    if code == INTERRUPTED:
        print(
            "\nStopped. Finished work is kept; run the same command again to continue.",
            file=sys.stderr,
        )
    # frames of an error may hold a connection, of which DuckDB would complain at exit
    gc.collect()
    sys.exit(code)


__all__ = ["app", "export", "init", "main", "maintenance", "run", "store", "tasks"]
