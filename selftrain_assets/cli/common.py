"""What the commands share: the app, its arguments, and how an experiment is opened and JSON printed."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Make a language model better by training it on its own verified work.",
)
Name = Annotated[str, typer.Argument(help="experiment, a folder below selftrain_assets/defs")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON for programs instead of text for people")]


def open_run(name: str, progress=None):
    from selftrain_assets.experiments import load_experiment
    from selftrain_assets.stages.run import Run, silent
    from selftrain_assets.store import Store

    return Run(name, load_experiment(name), Store.default(), progress or silent, owner=f"selftrain run {name}")


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))
