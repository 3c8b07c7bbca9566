"""Named settings of `rest_em`: `recipe: {type: rest_em, preset: star}`. Fields written beside it take precedence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selftrain_assets.core.errors import nearest

REST_EM_SAMPLING = {"samples_per_problem": 32, "temperature": 0.7, "top_k": 40}
PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    "rest_em": ("ReST-EM on MATH, arXiv 2312.06585 section 5: the defaults", {"sampling": REST_EM_SAMPLING}),
    "rest": (
        "ReST, arXiv 2308.08998: goes on from the last checkpoint, mixes in human data, several Improve steps per Grow",
        {"sampling": REST_EM_SAMPLING, "start": "previous", "mix_human": 1.0, "improve_steps": 2, "cap": 0, "weight": "reward"},
    ),
    "star": (
        "STaR, arXiv 2203.14465: one greedy solution, a second try with the answer as a hint, start from the pretrained model",
        {"sampling": {"samples_per_problem": 1, "temperature": 0.0}, "start": "pretrained", "rationalize": True, "cap": 0},
    ),
    "rft": (
        "Rejection-sampling fine-tuning, arXiv 2308.01825: one round from a fine-tuned model, distinct equation paths, human data",
        {
            "sampling": {"samples_per_problem": 100, "temperature": 0.7},
            "sampler": "base",
            "start": "pretrained",
            "dedup": "equations",
            "cap": 0,
            "mix_human": 1.0,
        },
    ),
    "expert_iteration": (
        "Expert iteration: every round's correct solutions are pooled and the M-step starts again from the pretrained model",
        {
            "sampling": {"samples_per_problem": 4, "temperature": 1.0},
            "start": "pretrained",
            "accumulate": "all",
            "mix_human": 1.0,
            "cap": 4,
        },
    ),
}


def expand(data: Any) -> Any:
    """Settings with their `preset` written out, by default the paper's. ValueError for an unknown one."""
    if not isinstance(data, Mapping):
        return data
    data = {"preset": "rest_em", **data}
    own = {k: v for k, v in data.items() if k != "preset"}
    if not isinstance(data["preset"], str) or data["preset"] not in PRESETS:
        raise ValueError(f'there is no preset "{data["preset"]}"{nearest(str(data["preset"]), PRESETS)}')
    return _merged(PRESETS[data["preset"]][1], own)


def _merged(default: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    both = {k: _merged(v, own[k]) for k, v in default.items() if isinstance(v, Mapping) and isinstance(own.get(k), Mapping)}
    return {**default, **own, **both}
