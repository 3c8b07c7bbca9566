"""Named settings of a recipe: `recipe: {type: rest_em, preset: star}`. Fields written beside it
take precedence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from selftrain_assets.domain.errors import nearest
from selftrain_assets.domain.settings import merged
from selftrain_assets.recipes.methods import CODE, TEXT, MethodSettings


class Preset(NamedTuple):
    """Settings of the recipe `type`, with where they are from."""

    type: str
    about: str
    settings: Mapping[str, Any]
    needs: str | None = None  # a field that has no default here


REST_EM_SAMPLING = {"samples_per_problem": 32, "temperature": 0.7, "top_k": 40}

CORRECTED = {"sampling": {"samples_per_problem": 1, "temperature": 1.0}}

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


PRESETS: dict[str, Preset] = {
    "rest_em": Preset(
        "rest_em",
        "ReST-EM on MATH, arXiv 2312.06585 section 5: the defaults",
        {"sampling": REST_EM_SAMPLING},
    ),
    "rest": Preset(
        "rest_em",
        "ReST, arXiv 2308.08998: goes on from the last checkpoint, mixes in human data, several"
        " Improve steps per Grow",
        {
            "sampling": REST_EM_SAMPLING,
            "start": "previous",
            "mix_human": 1.0,
            "improve_steps": 2,
            "cap": 0,
            "weight": "reward",
        },
    ),
    "star": Preset(
        "rest_em",
        "STaR, arXiv 2203.14465: one greedy solution, a second try with the answer as a hint, start"
        " from the pretrained model",
        {
            "sampling": {"samples_per_problem": 1, "temperature": 0.0},
            "start": "pretrained",
            "rationalize": True,
            "cap": 0,
        },
    ),
    "rft": Preset(
        "rest_em",
        "Rejection-sampling fine-tuning, arXiv 2308.01825: one round from a fine-tuned model,"
        " distinct equation paths, human data",
        {
            "sampling": {"samples_per_problem": 100, "temperature": 0.7},
            "sampler": "base",
            "start": "pretrained",
            "dedup": "equations",
            "cap": 0,
            "mix_human": 1.0,
        },
    ),
    "expert_iteration": Preset(
        "rest_em",
        "Expert iteration: every round's correct solutions are pooled and the M-step starts again"
        " from the pretrained model",
        {
            "sampling": {"samples_per_problem": 4, "temperature": 1.0},
            "start": "pretrained",
            "accumulate": "all",
            "mix_human": 1.0,
            "cap": 4,
        },
    ),
    "mmst": Preset(
        "mmst",
        "MMST, arXiv 2307.10633: text and code, each correct solution translated into the other:"
        " the defaults",
        {},
    ),
    "mmst_st_size": Preset(
        "mmst",
        "MMST with no more rows of a method than it found itself (arXiv 2307.10633, table 3)",
        {"size_match": "per_method"},
    ),
    "st_text": Preset(
        "mmst",
        "Single-method self-training in text, the baseline of arXiv 2307.10633",
        _alone(TEXT),
    ),
    "st_code": Preset(
        "mmst",
        "Single-method self-training in code, the baseline of arXiv 2307.10633",
        _alone(CODE),
    ),
    "mixed_distillation": Preset(
        "mmst",
        "Mixed Distillation, arXiv 2312.10730: a teacher's solutions in text and in code, the"
        " student's methods vote",
        {"cross_training": {}, "start": "pretrained"},
        needs="teacher",
    ),
    "tripost": Preset(
        "tripost",
        "TriPosT, arXiv 2310.13522: the policy learns from its own attempts, corrected: the"
        " defaults",
        CORRECTED,
    ),
    "tripost_unbalanced": Preset(
        "tripost",
        "TriPosT without rebalancing (arXiv 2310.13522, ablation of p)",
        {**CORRECTED, "ratio": None},
    ),
    "tripost_unweighted": Preset(
        "tripost",
        "TriPosT with the same weight on every token (arXiv 2310.13522, ablation of the weights)",
        {**CORRECTED, "section_weights": {"attempt": 1.0, "feedback": 1.0, "update": 1.0}},
    ),
    "tripost_unmasked": Preset(
        "tripost",
        "TriPosT that also learns the attempts which are then corrected, as in the code of arXiv"
        " 2310.13522",
        {**CORRECTED, "section_weights": {"wrong_attempt": 1.0}},
    ),
    "si_demo": Preset(
        "tripost",
        "SI-demo, the baseline of arXiv 2310.13522: corrected attempts of a teacher in place of the"
        " policy's own",
        {**CORRECTED, "own_from": 0},
        needs="teacher",
    ),
    "gold": Preset(
        "tripost",
        "Fine-tuning on the reference solutions alone, the baseline of arXiv 2310.13522",
        {**CORRECTED, "ratio": {"correct": 0.0, "improved": 0.0, "gold": 1.0}, "own_from": 0},
    ),
    "diversification": Preset(
        "diversification",
        "Diversification, arXiv 2405.19787: a fixed budget of rows under a chosen number of"
        " different instructions: the defaults",
        {},
    ),
    "lmsi": Preset(
        "rest_em",
        "LMSI, arXiv 2210.11610, as the baseline of arXiv 2310.13522: the policy's own correct"
        " attempts",
        {"sampling": {"samples_per_problem": 5, "temperature": 1.2}, "start": "previous", "cap": 0},
    ),
}


def presets_of(recipe: str) -> dict[str, Preset]:
    """Those of one recipe."""
    return {name: preset for name, preset in PRESETS.items() if preset.type == recipe}


def expand(data: Any, recipe: str) -> Any:
    """Settings with their `preset` written out, by default the paper's. ValueError for one that
    the recipe does not know."""
    if not isinstance(data, Mapping):
        return data
    known, name = presets_of(recipe), data.get("preset", recipe)
    if not isinstance(name, str) or name not in known:
        of = (
            f"; it is one of recipe {PRESETS[name].type}"
            if isinstance(name, str) and name in PRESETS
            else nearest(str(name), known)
        )
        raise ValueError(f'there is no preset "{name}"{of}')
    preset = known[name]
    if preset.needs is not None and data.get(preset.needs) is None:
        raise ValueError(f"preset {name} needs the field {preset.needs}; set it beside the preset")
    return merged(preset.settings, {k: v for k, v in data.items() if k != "preset"})
