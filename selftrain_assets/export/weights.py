"""A checkpoint's weights as folders that transformers and peft load."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from selftrain_assets.core.errors import UserError
from selftrain_assets.core.files import write_atomically
from selftrain_assets.models.loading import FACTS, ModelRef, hub_name, load_model, load_tokenizer
from selftrain_assets.stages.run import Run

Kind = Literal["full", "adapter", "merged"]
BASE_FOLDER = "base"
"""Where the model below an adapter lies, beside the adapter's files, if the hub does not have it."""
CARD = "README.md"
ADAPTER_CONFIG = "adapter_config.json"
_REVISION = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model on the hub, and the commit that was used, where the folder it was read from says so."""

    name: str
    revision: str | None

    @classmethod
    def of(cls, model: str, directory: Path) -> HubModel | None:
        """The model of an experiment's settings, which was found in this folder."""
        name = hub_name(model)
        return None if name is None else cls(name, directory.name if _REVISION.fullmatch(directory.name) else None)


@dataclass(frozen=True, slots=True)
class Weights:
    """One set of weights as it was written: below `folder` of the export, "" for the export itself."""

    kind: Kind
    folder: str
    method: str | None
    digest: str
    base: HubModel | None = None  # of an adapter; None: it is in BASE_FOLDER


def check_mergeable(place: dict[str, Any]) -> None:
    """UserError where there is no adapter that could be merged."""
    if not any(own.get("adapter_on") for own in place.get("methods", {None: place}).values()):
        raise UserError("--merge: there is no adapter to merge, the checkpoint is whole weights already; leave --merge out")


def write_weights(run: Run, place: dict[str, Any], folder: Path, merge: bool) -> list[Weights]:
    """Write the weights at a place of the store: of all methods into `folder`, or of each into a folder of its name."""
    policy = run.store.policy(place)
    written = []
    for method, ref in policy.models.items():
        inner = method or ""
        (folder / inner).mkdir(exist_ok=True)
        kind, base = _write(ref, place["methods"][method] if method else place, folder / inner, merge)
        written.append(Weights(kind, inner, method, ref.digest, base))
    return written


def _write(ref: ModelRef, place: dict[str, Any], folder: Path, merge: bool) -> tuple[Kind, HubModel | None]:
    if ref.adapter is None:
        _copy(ref.directory, folder)
        return "full", None
    if merge:
        _merge(ref, folder)
        return "merged", None
    _copy(ref.adapter, folder)
    below = HubModel.of(place["adapter_on"].get("model", ""), ref.directory)
    if below is None:
        (folder / BASE_FOLDER).mkdir()
        _copy(ref.directory, folder / BASE_FOLDER)
    path = folder / ADAPTER_CONFIG
    named = {"base_model_name_or_path": below.name if below else BASE_FOLDER, "revision": below.revision if below else None}
    write_atomically(path, json.dumps({**json.loads(path.read_text()), **named}, indent=2, sort_keys=True) + "\n")
    return "adapter", below


def _copy(source: Path, folder: Path) -> None:
    """The files of a model, less notes of our own and the card that peft writes, which says nothing."""
    for path in sorted(source.iterdir()):
        if path.is_file() and path.name not in (FACTS, CARD):
            shutil.copyfile(path, folder / path.name)


def _merge(ref: ModelRef, folder: Path) -> None:
    """Fold the adapter into the base, in the precision of the base."""
    from transformers import AutoConfig

    dtype = getattr(AutoConfig.from_pretrained(ref.directory), "dtype", None)
    load_model(ref, "cpu", str(dtype or "float32").removeprefix("torch.")).save_pretrained(folder)
    load_tokenizer(ref).save_pretrained(folder)


def license_of(directory: Path) -> str | None:
    """What a model's own card says."""
    from huggingface_hub import ModelCard

    try:
        found = ModelCard.load(directory / CARD, ignore_metadata_errors=True).data.license
    except (ValueError, OSError):  # no card, or none that can be read
        return None
    return found if isinstance(found, str) else None
