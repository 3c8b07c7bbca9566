"""Write the weights of a checkpoint as folders that transformers and peft load."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.random_init import ScratchModel
from selftrain_assets.domain.weights import (
    NOTES_FILE,
    ModelWeights,
    PerMethod,
    PretrainedModel,
    StoredCheckpoint,
)
from selftrain_assets.models.loading import ModelRef, hub_name, merge_adapter
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.weights import resolve
from selftrain_assets.runtime.files import write_atomically

Kind = Literal["full", "adapter", "merged"]
ADAPTER_FOLDER, BASE_FOLDER = "adapter", "base"
"""Where an adapter and the model below it lie if the hub does not have that model. Each has a
folder: transformers takes a model whose folder, or the one above it, holds an adapter for that
adapter."""
CARD = "README.md"
ADAPTER_CONFIG = "adapter_config.json"
_REVISION = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model on the hub, and its commit if the folder that it was read from is named by one."""

    name: str
    revision: str | None

    @classmethod
    def of(cls, model: str | ScratchModel, directory: Path) -> HubModel | None:
        """Return the hub model that the settings name, if any.

        Args:
            model: The model in the experiment's settings.
            directory: Folder that it was read from.
        """
        name = hub_name(model)
        return (
            None
            if name is None
            else cls(name, directory.name if _REVISION.fullmatch(directory.name) else None)
        )


@dataclass(frozen=True, slots=True)
class Weights:
    """One set of weights as it was written, and the model that an adapter belongs to.

    Folders are within the export; "" is the export itself.
    """

    kind: Kind
    folder: str
    method: str | None = None
    base: HubModel | str | None = None  # of an adapter: a model on the hub, or a folder


def check_mergeable(weights: StoredCheckpoint | PerMethod) -> None:
    """Raise UserError if there is no adapter that could be merged."""
    if not any(
        isinstance(each, StoredCheckpoint) and each.adapter_on for each in weights.with_parents()
    ):
        raise UserError(
            "--merge: there is no adapter to merge, the checkpoint is whole weights already; leave"
            " --merge out"
        )


def write_weights(
    run: Run, weights: StoredCheckpoint | PerMethod, folder: Path, merge: bool
) -> list[Weights]:
    """Write weights of the store into `folder`; with weights per method, into a folder for each.

    Args:
        run: The experiment.
        weights: The weights to write.
        folder: Where they are written.
        merge: Merge an adapter into its base.
    """
    policy = resolve(run.store, weights)
    if isinstance(weights, StoredCheckpoint):
        return [_write(policy.by(None), weights, folder, None, merge)]
    names = [str(method.name) for method in run.methods]
    return [_write(policy.by(name), weights.methods[name], folder, name, merge) for name in names]


def _write(
    ref: ModelRef, weights: ModelWeights, folder: Path, method: str | None, merge: bool
) -> Weights:
    name = method or ""
    if ref.adapter is None:
        _copy(ref.directory, folder / name)
        return Weights("full", name, method)
    if merge:
        _merge(ref, folder / name)
        return Weights("merged", name, method)
    below = weights.adapter_on if isinstance(weights, StoredCheckpoint) else None
    on_hub = HubModel.of(below.model, ref.directory) if isinstance(below, PretrainedModel) else None
    if on_hub is not None:
        _copy_adapter(ref.adapter, folder / name, on_hub.name, on_hub.revision)
        return Weights("adapter", name, method, on_hub)
    own, base = ((Path(name) / part).as_posix() for part in (ADAPTER_FOLDER, BASE_FOLDER))
    _copy_adapter(ref.adapter, folder / own, BASE_FOLDER, None)
    _copy(ref.directory, folder / base)
    return Weights("adapter", own, method, base)


def _copy_adapter(source: Path, folder: Path, base: str, revision: str | None) -> None:
    """Copy an adapter and write the name of its base into its configuration.

    The store keeps the base apart from the adapter.
    """
    _copy(source, folder)
    path = folder / ADAPTER_CONFIG
    named = {"base_model_name_or_path": base, "revision": revision}
    write_atomically(
        path, json.dumps(json.loads(path.read_text()) | named, indent=2, sort_keys=True) + "\n"
    )


def _copy(source: Path, folder: Path) -> None:
    """Copy the files of a model, without the store's own notes and the empty card of peft."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_file() and path.name not in (NOTES_FILE, CARD):
            shutil.copyfile(path, folder / path.name)


def _merge(ref: ModelRef, folder: Path) -> None:
    """Merge the adapter into its base, in the precision of the base."""
    from transformers import AutoConfig

    dtype = getattr(AutoConfig.from_pretrained(ref.directory), "dtype", None)
    merge_adapter(ref, folder, str(dtype or "float32").removeprefix("torch."))


def license_of(directory: Path) -> str | None:
    """Return the licence that a model's card names, if there is one."""
    from huggingface_hub import ModelCard

    try:
        license = ModelCard.load(directory / CARD, ignore_metadata_errors=True).data.license
    except (ValueError, OSError):  # no card, or none that can be read
        return None
    return license if isinstance(license, str) else None
