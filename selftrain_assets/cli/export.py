"""The command `export`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from selftrain_assets.cli.common import AsJson, Name, app, open_run, print_json
from selftrain_assets.domain.errors import UserError


@app.command()
def export(
    name: Name,
    iteration: Annotated[
        int, typer.Argument(metavar="ROUND", help="round, from 1; 0 is the base", min=0)
    ],
    to: Annotated[
        Path | None,
        typer.Option(help="folder to write; default: exports/NAME-iter-00N in the store"),
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="fold a LoRA adapter into the weights")
    ] = False,
    format: Annotated[str, typer.Option(help="of the rows: parquet or jsonl")] = "parquet",
    dataset: Annotated[
        bool, typer.Option(help="write, and push, the rows that the round was trained on")
    ] = True,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/NAME",
            help="also push to the Hugging Face hub; the rows as OWNER/NAME-data; needs HF_TOKEN",
        ),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private/--public", help="who sees what is pushed, where it is new")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """A round's model and training rows as Hugging Face folders, with cards and all that is
    needed to make them again.
    """  # noqa: D205 - the help text
    from selftrain_assets.domain.errors import nearest
    from selftrain_assets.operations.export import DATASET, MODEL, hub
    from selftrain_assets.operations.export import export as write
    from selftrain_assets.pipeline.run import BASE, iteration_scope
    from selftrain_assets.store.database import FileFormat

    opened = open_run(name)
    if format not in get_args(FileFormat):
        raise UserError(f'--format: there is no "{format}"{nearest(format, get_args(FileFormat))}')
    if push is not None:
        hub.check_access(push)
    folder = (
        to.absolute()
        if to
        else opened.store.export(name, iteration_scope(iteration) if iteration else BASE)
    )
    rows: FileFormat | None = format if dataset else None  # type: ignore[assignment]
    made = write(opened, iteration, folder, merge=merge, rows=rows, model_id=push)
    parts = {"model": folder / MODEL} | ({"dataset": folder / DATASET} if made.rows else {})
    urls = hub.push(parts, push, private) if push is not None else {}  # type: ignore[arg-type]
    if as_json:
        print_json(_told(made, parts, urls))
        return
    kinds = {
        "full": "whole weights",
        "adapter": "a LoRA adapter",
        "merged": "whole weights, the adapter merged into them",
    }
    told = {"model": kinds[made.weights[0].kind]} | (
        {"dataset": f"{made.rows.rows:,} rows in {made.rows.file}"} if made.rows else {}
    )
    for kind, path in parts.items():
        typer.echo(f"{kind:<9}{os.path.relpath(path)}: {told[kind]}")
    for url in urls.values():
        typer.echo(f"pushed   {url}")


def _told(made: Any, parts: dict[str, Path], urls: dict[str, str]) -> dict[str, Any]:
    return {
        "experiment": made.run.name,
        "round": made.iteration,
        "checkpoint": made.capsule["checkpoint"]["digest"],
        "weights": made.weights[0].kind,
        "rows": made.rows.rows if made.rows else None,
        **{kind: str(path) for kind, path in parts.items()},
        "pushed": urls,
    }
