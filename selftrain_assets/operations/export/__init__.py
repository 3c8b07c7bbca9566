"""Export a checkpoint as Hugging Face folders.

An export has the weights, the training rows, a card for each, and the reproducibility capsule.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from selftrain_assets.domain.errors import TaskError, UserError
from selftrain_assets.domain.weights import PerMethod, StoredCheckpoint
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.operations.audit import owed
from selftrain_assets.operations.export.capsule import (
    CAPSULE,
    SCHEMA,
    commands,
    listing,
    make_capsule,
)
from selftrain_assets.operations.export.cards import Exported
from selftrain_assets.operations.export.dataset_card import dataset_card
from selftrain_assets.operations.export.hub import dataset_name
from selftrain_assets.operations.export.model_card import model_card
from selftrain_assets.operations.export.rows import write_rows
from selftrain_assets.operations.export.weights import (
    CARD,
    HubModel,
    check_mergeable,
    license_of,
    write_weights,
)
from selftrain_assets.pipeline.loop import ALL_ROUNDS, ONE_ROUND
from selftrain_assets.pipeline.results import CheckpointResult
from selftrain_assets.pipeline.run import BASE, INPUTS, Run, iteration_scope
from selftrain_assets.reports import draw, summarize
from selftrain_assets.reports.summary import Summary
from selftrain_assets.runtime.files import prepared_folder
from selftrain_assets.store.database import FileFormat
from selftrain_assets.store.tables import file_digest

MODEL, DATASET = "model", "dataset"


def export(
    run: Run,
    iteration: int,
    folder: Path,
    *,
    merge: bool = False,
    rows: FileFormat | None = "parquet",
    model_id: str | None = None,
) -> Exported:
    """Write the checkpoint of a round to `folder`/model and its training rows to `folder`/dataset.

    `folder` is replaced as a whole if it is an earlier export, and refused if it is anything else.

    Args:
        run: The experiment.
        iteration: The round, from 1; 0 is the base.
        folder: Where the export is written.
        merge: Merge a LoRA adapter into the weights.
        rows: File format of the rows; None leaves them out.
        model_id: Name of the model on the hub, which the cards use; None if it is not pushed.
    """
    weights = _weights(run, iteration)
    if merge:
        check_mergeable(weights)
    _check_folder(folder)
    results = _results(run, iteration)
    capsule = make_capsule(run, iteration, results)
    pretrained = resolve_model(run.config.model).directory
    with prepared_folder(folder) as new:
        (new / MODEL).mkdir()
        exported = Exported(
            run,
            iteration,
            write_weights(run, weights, new / MODEL, merge),
            None,
            results,
            capsule,
            model_id,
            pretrained=HubModel.of(run.config.model, pretrained),
            license=license_of(pretrained),
        )
        if rows is not None and iteration:
            (new / DATASET).mkdir()
            written = write_rows(
                run, run.need(iteration_scope(iteration), "dataset"), new / DATASET, rows
            )
            exported = replace(
                exported, rows=written, dataset_id=dataset_name(model_id) if model_id else None
            )
            (new / DATASET / CARD).write_text(dataset_card(exported, written))
            _close(new / DATASET, capsule)
        figures = _figures(results, new / MODEL) if iteration else []
        (new / MODEL / CARD).write_text(model_card(exported, figures))
        _close(new / MODEL, capsule)
    return exported


def _weights(run: Run, iteration: int) -> StoredCheckpoint | PerMethod:
    """Return the weights of a round, which must be finished under the current settings.

    The card and the capsule describe the current settings, so older weights are refused.
    """
    if not 0 <= iteration <= run.config.rounds:
        raise UserError(
            f"{run.name}: there is no round {iteration}; give one from 1 to {run.config.rounds}, or"
            " 0 for the base"
        )
    scopes = [INPUTS, BASE, *(iteration_scope(i) for i in range(1, iteration + 1))]
    if undone := owed(run, scopes):
        scope, stage = undone[0]
        raise TaskError(
            f"{run.name}: round {iteration} is not finished with the present settings, problems"
            f" and retractions: the stage {stage} of {scope} is missing; run it first:"
            f" {commands(run, iteration)[-1]}"
        )
    weights = run.need(scopes[-1], "checkpoint").result(CheckpointResult).weights
    if not isinstance(weights, StoredCheckpoint | PerMethod):
        raise UserError(
            f"{run.name}: the base is the model {run.config.model} as it is, so there is nothing to"
            " export; give a round from 1"
        )
    return weights


def _results(run: Run, iteration: int) -> Summary:
    """Return the numbers of the report up to this round.

    Controls are included only if they are finished under the current settings.
    """
    summary = summarize(run)
    controls = (
        summary.human_only
        if run.config.human_only and not owed(run, [ONE_ROUND, ALL_ROUNDS])
        else ()
    )
    return replace(summary, iterations=summary.iterations[:iteration], human_only=controls)


def _figures(results: Summary, folder: Path) -> list[str]:
    drawn = draw(results)
    for name, png in drawn.items():
        (folder / f"{name}.png").write_bytes(png)
    return list(drawn)


def _close(folder: Path, capsule: dict[str, Any]) -> None:
    """Write the capsule, with the checksums of all other files of the folder."""
    (folder / CAPSULE).write_text(
        json.dumps(capsule | {"files": listing(folder)}, indent=1, ensure_ascii=False) + "\n"
    )


def _check_folder(folder: Path) -> None:
    """Raise UserError if the folder cannot be written, or has files that are not from an export."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--to: {folder} is a file; give a folder")
    if folder.is_dir() and (foreign := _foreign(folder)):
        raise UserError(
            f"--to: {folder} holds {foreign}, which is not as an export wrote it; move it away, or"
            " give another folder"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=".probe-").cleanup()
    except OSError as error:
        raise UserError(
            f"--to: {folder} cannot be written ({error.strerror}); give another folder"
        ) from error


def _foreign(folder: Path) -> str | None:
    """Return a file that no export wrote or that was changed since, if there is one."""
    known: dict[str, str] = {}
    for part in (MODEL, DATASET):
        if (files := _listed_in(folder / part)) is not None:
            known |= {f"{part}/{name}": digest for name, digest in files.items()} | {
                f"{part}/{CAPSULE}": ""
            }
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and (name not in known or known[name] not in ("", file_digest(path))):
            return name
    return None


def _listed_in(folder: Path) -> dict[str, str] | None:
    try:
        capsule = json.loads((folder / CAPSULE).read_text())
        return capsule["files"] if capsule["schema"] == SCHEMA else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


__all__ = ["DATASET", "MODEL", "Exported", "export"]
