"""Are weights numbers?

Of tensors in memory, and of a model's files, which are read once for each digest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from selftrain_assets.domain.errors import ModelError
from selftrain_assets.models.smollm2 import cache

if TYPE_CHECKING:
    import torch

    from selftrain_assets.models.loading import ModelRef

WEIGHTS = (
    ("model.safetensors", "adapter_model.safetensors"),
    ("pytorch_model.bin", "adapter_model.bin"),
)
"""What the weights are kept in: the first kind that is there counts. Of a model in parts an
index names them."""


def is_finite(weight: torch.Tensor) -> bool:
    """No NaN and no infinity in it.

    Reads it once and copies nothing: of numbers of which one is NaN, the smallest is NaN too.
    """
    import torch

    # of a model that processes share, this one's part
    own = weight.to_local() if hasattr(weight, "to_local") else weight
    if own.numel() == 0 or not own.is_floating_point():
        return True
    if own.element_size() == 1:  # float8 has no order of its own
        own = own.to(torch.bfloat16)
    return all(bool(bound.isfinite()) for bound in torch.aminmax(own.detach()))


def require_finite(ref: ModelRef) -> None:
    """Check that no weight of the model or of its adapter is NaN or infinite.

    Whatever is sampled from such weights or trained on them is nonsense. Models that pass are noted
    by their digest in the cache folder, so that their weights are read once.

    Raises:
        ModelError: A weight is not finite.
    """
    from selftrain_assets.models.digests import weights_digest

    if is_noted("finite", ref.digest):
        return
    for folder in filter(None, (ref.directory, ref.adapter)):
        digest = weights_digest(folder)
        if not is_noted("finite", digest):
            _read(folder)
            note("finite", digest)
    note("finite", ref.digest)


def weight_files(folder: Path) -> list[Path]:
    """The files that transformers and peft would load weights from."""
    for names in WEIGHTS:
        for name in names:
            if (folder / name).is_file():
                return [folder / name]
            if (index := folder / f"{name}.index.json").is_file():
                return _parts(index)
    return []


def _parts(index: Path) -> list[Path]:
    try:
        return [
            index.parent / name
            for name in sorted({*json.loads(index.read_text())["weight_map"].values()})
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"model: {index} does not say which file holds which weight; restore it, or give"
            " another model"
        ) from error


def _read(folder: Path) -> None:
    for path in weight_files(folder):
        try:
            wrong = next((name for name, weight in _tensors(path) if not is_finite(weight)), None)
        except Exception as error:  # damaged files raise many unrelated types
            raise ModelError(
                f"model: {path} cannot be read: {str(error).splitlines()[0]}"
            ) from error
        if wrong is not None:
            raise ModelError(
                f"model: {path}: the weight {wrong} holds NaN or infinity, so the output would be"
                " meaningless; restore the file, train it again, or give another model"
            )


def _tensors(path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            names = file.keys()
            for name in names:
                yield name, file.get_tensor(name)
        return
    import torch

    try:
        weights = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:  # of before torch 1.6, which cannot be mapped
        weights = torch.load(path, map_location="cpu", weights_only=True)
    yield from weights.items()


_noted: set[tuple[str, str]] = set()


def is_noted(trait: str, digest: str) -> bool:
    """Was this found of the weights with that digest, here or in an earlier process?"""
    if digest and (trait, digest) not in _noted and (cache() / trait / digest).exists():
        _noted.add((trait, digest))
    return (trait, digest) in _noted


def note(trait: str, digest: str) -> None:
    """Keep in the cache folder what was found of the weights with that digest."""
    if not digest:
        return
    _noted.add((trait, digest))
    with suppress(OSError):  # without a cache it is found once by each process
        (cache() / trait).mkdir(parents=True, exist_ok=True)
        (cache() / trait / digest).touch()
