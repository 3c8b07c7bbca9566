"""Are weights numbers? Of tensors in memory, and of the files of a model, which are read once for each digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def is_finite(weight: torch.Tensor) -> bool:
    """No NaN and no infinity in it. Reads it once and copies nothing: the smallest and the largest number are NaN where any is."""
    import torch

    own = weight.to_local() if hasattr(weight, "to_local") else weight  # of a model that processes share, this one's part
    if own.numel() == 0 or not own.is_floating_point():
        return True
    if own.element_size() == 1:  # float8 has no arithmetic of its own
        own = own.to(torch.bfloat16)
    return all(bool(bound.isfinite()) for bound in torch.aminmax(own.detach()))
