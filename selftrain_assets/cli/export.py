"""The command `export`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from selftrain_assets.cli.common import AsJson, Name, app, open_run, print_json
from selftrain_assets.domain.errors import UserError

if TYPE_CHECKING:
    from selftrain_assets.operations.export.cards import Exported


@app.command()
def export(
    name: Name,
    iteration: Annotated[
        int, typer.Argument(metavar="ROUND", help="round, from 1; 0 for the base", min=0)
    ],
    to: Annotated[
        Path | None,
        typer.Option(help="folder to write; default: exports/NAME-iter-00N in the store"),
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="merge a LoRA adapter into the weights")
    ] = False,
    format: Annotated[str, typer.Option(help="format of the rows: parquet or jsonl")] = "parquet",
    dataset: Annotated[
        bool, typer.Option(help="also write and push the rows that the round was trained on")
    ] = True,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/NAME",
            help="also upload to the Hugging Face hub, rows as OWNER/NAME-data; needs HF_TOKEN",
        ),
    ] = None,
    private: Annotated[
        bool,
        typer.Option("--private/--public", help="whether new repositories on the hub are private"),
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Write a round's model and training rows as Hugging Face folders with cards."""
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
    exported = write(opened, iteration, folder, merge=merge, rows=rows, model_id=push)
    parts = {"model": folder / MODEL} | ({"dataset": folder / DATASET} if exported.rows else {})
    urls = hub.push(parts, push, private) if push is not None else {}  # type: ignore[arg-type]
    if as_json:
        print_json(_summary(exported, parts, urls))
        return
    kinds = {
        "full": "full weights",
        "adapter": "a LoRA adapter",
        "merged": "full weights with the adapter merged",
    }
    contents = {"model": kinds[exported.weights[0].kind]} | (
        {"dataset": f"{exported.rows.rows:,} rows in {exported.rows.file}"} if exported.rows else {}
    )
    for kind, path in parts.items():
        typer.echo(f"{kind:<9}{os.path.relpath(path)}: {contents[kind]}")
    for url in urls.values():
        typer.echo(f"pushed   {url}")


def _summary(exported: Exported, parts: dict[str, Path], urls: dict[str, str]) -> dict[str, Any]:
    return {
        "experiment": exported.run.name,
        "round": exported.iteration,
        "checkpoint": exported.capsule["checkpoint"]["digest"],
        "weights": exported.weights[0].kind,
        "rows": exported.rows.rows if exported.rows else None,
        **{kind: str(path) for kind, path in parts.items()},
        "pushed": urls,
    }
