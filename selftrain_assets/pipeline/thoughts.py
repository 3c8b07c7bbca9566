"""Lengths of the thoughts and answers of reasoning models."""

from __future__ import annotations

from typing import Any

from selftrain_assets.domain.thinking import UNCLOSED
from selftrain_assets.domain.types import Sample
from selftrain_assets.pipeline.generation import Requested
from selftrain_assets.store.workspace import Relation, Workspace


def thoughts(
    ws: Workspace, requests: Relation[Requested], samples: Relation[Sample]
) -> dict[str, Any]:
    """Measure the thoughts and answers of requested samples.

    Returns:
        {thoughts: ...}, or nothing if no sample has a thought: the number of samples (`drawn`), how
        many of them think, how many thoughts never close (`unclosed`), how many were `forced` to
        close at their budget, and the known lengths of thoughts and answers in tokens.
    """
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
    """Mean, median, ninth decile and maximum; None if no length is known."""
    return (
        None
        if statistics[0] is None
        else dict(zip(("mean", "median", "p90", "max"), map(float, statistics), strict=True))
    )
