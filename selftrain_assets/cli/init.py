"""The command that starts a project."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from selftrain_assets.cli.common import AsJson, app, as_typed, print_json


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="a new or empty folder, whose name it takes")],
    as_json: AsJson = False,
) -> None:
    """Write a Dagster project of your own: an experiment, problems, a verifier and its test."""
    from selftrain_assets.config.new_project import write_project

    written = write_project(folder)
    if as_json:
        print_json({"project": str(folder.absolute()), "files": [str(path) for path in written]})
        return
    enter = "" if folder.resolve() == Path.cwd() else f"cd {os.path.relpath(folder)} && "
    typer.echo(
        f"Wrote {len(written)} files to {os.path.relpath(folder)}; its README.md says what they"
        f" are.\nRun its example: {enter}{as_typed()} run first"
    )
