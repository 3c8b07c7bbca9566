"""Do rows that lie side by side in a batch see one another?

Where a row begins is told by its position ids alone (trainers/examples.py). Many architectures make
their attention mask of them. Others take no notice, such as recurrent ones, those with ALiBi or
with positions counted by themselves, and some of which one would not think it. No attribute of a
model says which it is, so it is tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from selftrain_assets.domain.errors import ModelError
from selftrain_assets.models.finiteness import is_noted, note

if TYPE_CHECKING:
    from selftrain_assets.models.loading import ModelRef

TOKENS = 16  # of a row that is tried
TOLERANCE = 1e-3  # of the largest logit; rounding in float32 is a thousandth of it


def require_packable(ref: ModelRef, setting: str) -> None:
    """Check that a row behind another one is computed as it is alone.

    The model is loaded for it, once for each digest.

    Args:
        ref: The model.
        setting: The setting that asks for packing, for the message.

    Raises:
        ModelError: The model looks across the border of rows.
    """
    if is_noted("packs", ref.digest):
        return
    if not _keeps_rows_apart(ref):
        raise ModelError(
            f"{setting}: rows that lie side by side would see one another in the model"
            f" {ref.directory}, whose code does not tell by their positions where a row begins; set"
            " false"
        )
    note("packs", ref.digest)


def _keeps_rows_apart(ref: ModelRef) -> bool:
    import torch

    from selftrain_assets.models.loading import load_model

    model = load_model(ref, "cpu", "float32")
    spread = torch.linspace(0, model.get_input_embeddings().num_embeddings - 1, 2 * TOKENS).long()[
        None
    ]
    first, second = spread[:, 1::2], spread[:, ::2]
    positions = torch.arange(TOKENS)[None]
    with torch.inference_mode():
        alone = model(input_ids=second, use_cache=False).logits
        try:
            packed = model(
                input_ids=torch.cat((first, second), 1),
                position_ids=torch.cat((positions, positions), 1),
                use_cache=False,
            ).logits
        except Exception:
            # whatever the code of a model says to position ids that it does not expect
            return False
    return bool((packed[:, TOKENS:] - alone).abs().max() <= TOLERANCE * alone.abs().max())
