"""What the commands share: the app, common arguments, opening an experiment, printing JSON."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.foreign import visible
from selftrain_assets.domain.ranges import numbers

if TYPE_CHECKING:
    from selftrain_assets.pipeline.run import Progress, Run

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Make a language model better by training it on its own verified work.",
)
Name = Annotated[
    str, typer.Argument(help="name of the experiment, a folder in defs/ of the project")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of text")]

Seeds = Annotated[
    str | None,
    typer.Option(
        help=(
            'repeat it with these seeds, "3" or "0-4", each with other problems, as experiments'
            " NAME-seed-3 and so on"
        )
    ),
]

MOST_SEEDS = 1000


def repeated(name: str, seeds: str | None) -> list[str]:
    """Return the experiment itself, or one experiment for each seed."""
    from selftrain_assets.config.experiment_files import (
        experiment_file,
        experiment_names,
        experiment_ref,
        repetition,
    )

    if seeds is None:
        return [name]
    wanted = numbers(seeds)
    if not 0 < len(wanted) <= MOST_SEEDS:
        raise UserError(
            f'--seeds "{seeds}": give one seed or a range of at most {MOST_SEEDS}, such as 3 or 0-4'
        )
    ref = experiment_ref(name)
    if ref.repeats or ref.point is None:
        experiment_file(name)
    names = [repetition(name, seed) for seed in wanted]
    if own := sorted({*names} & {*experiment_names()}):
        raise UserError(
            f'--seeds {seeds}: "{own[0]}" has a file of its own; rename that experiment, or'
            " leave the seed out"
        )
    return names


def open_run(name: str, progress: Progress | None = None) -> Run:
    """Open an experiment in the default store.

    Args:
        name: Name of the experiment.
        progress: Called with stage, done and total; None shows nothing.
    """
    from selftrain_assets.config.experiment_files import load_experiment
    from selftrain_assets.pipeline.run import Run, silent
    from selftrain_assets.store import Store

    return Run(
        name,
        load_experiment(name),
        Store.default(),
        progress or silent,
        owner=f"selftrain run {name}",
    )


def print_json(value: Any) -> None:
    """Print JSON with characters as they are if the terminal can show them, else with escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    typer.echo(text if visible(text) == text else json.dumps(value, indent=2, default=str))


def as_typed() -> str:
    """Return how a person calls this program: its name if it is on the PATH, else its path."""
    typed = sys.argv[0]
    return (
        os.path.relpath(typed)
        if Path(typed).name == "selftrain" and not shutil.which("selftrain")
        else "selftrain"
    )
