"""How long samples think and how long they answer, of models that do both."""

from __future__ import annotations

from typing import Any

from selftrain_assets.domain.thinking import UNCLOSED
from selftrain_assets.domain.types import Sample
from selftrain_assets.pipeline.generation import Requested
from selftrain_assets.store.workspace import Relation, Workspace


def thoughts(
    ws: Workspace, requests: Relation[Requested], samples: Relation[Sample]
) -> dict[str, Any]:
    """{thoughts: ...} of requested samples: how many they are (`drawn`), how many think, how
    many of those never close (`unclosed`), how many were `forced` to at their budget, and the
    lengths of thoughts and of answers in tokens, as far as these are known; nothing where none
    of them thinks."""
    drawn, think, unclosed, forced = ws.row(
        "generation.thoughts", requests=requests, samples=samples, unclosed=UNCLOSED
    )
    if not think:
        return {}
    lengths = {
        "thought_tokens": _lengths(
            ws.row("generation.thought_lengths", requests=requests, samples=samples)
        ),
        "answer_tokens": _lengths(
            ws.row(
                "generation.answer_lengths", requests=requests, samples=samples, unclosed=UNCLOSED
            )
        ),
    }
    return {
        "thoughts": {
            "drawn": drawn,
            "think": think,
            "unclosed": unclosed,
            "forced": forced,
            **lengths,
        }
    }


def _lengths(statistics: tuple[Any, ...]) -> dict[str, float] | None:
    """Mean, median, ninth decile and maximum; None where no length is known."""
    return (
        None
        if statistics[0] is None
        else dict(zip(("mean", "median", "p90", "max"), map(float, statistics), strict=True))
    )
