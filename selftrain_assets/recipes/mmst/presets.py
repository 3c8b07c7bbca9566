"""Presets of recipe mmst: MMST and the baselines of its paper."""

from __future__ import annotations

from typing import Any

from selftrain_assets.recipes.mmst.methods import CODE, TEXT, MethodSettings
from selftrain_assets.recipes.presets import Preset

DRAWS_OF_ONE_METHOD = 10
"""By ST for each problem: as many as MMST by both methods, and two for its translations, which
is about what it draws of them on the embedded model (docs/mmst.md)."""


def _alone(method: MethodSettings) -> dict[str, Any]:
    """Single-method self-training: the other method learns from the human rows alone."""
    sampling = method.sampling.model_copy(update={"samples_per_problem": DRAWS_OF_ONE_METHOD})
    chosen = method.model_copy(update={"sampling": sampling})
    methods = [
        chosen if m is method else m.model_copy(update={"sampled": False}) for m in (TEXT, CODE)
    ]
    return {"methods": [m.model_dump() for m in methods], "cross_training": {}}


PRESETS = {
    "mmst": Preset(
        "MMST, arXiv 2307.10633: text and code, each correct solution translated into the other:"
        " the defaults",
        {},
    ),
    "mmst_st_size": Preset(
        "MMST with no more rows of a method than it found itself (arXiv 2307.10633, table 3)",
        {"size_match": "per_method"},
    ),
    "st_text": Preset(
        "Single-method self-training in text, the baseline of arXiv 2307.10633",
        _alone(TEXT),
    ),
    "st_code": Preset(
        "Single-method self-training in code, the baseline of arXiv 2307.10633",
        _alone(CODE),
    ),
    "mixed_distillation": Preset(
        "Mixed Distillation, arXiv 2312.10730: a teacher's solutions in text and in code, the"
        " student's methods vote",
        {"cross_training": {}, "init_from": "pretrained"},
        needs="teacher",
        rounds=1,
    ),
}
