"""What a report says of endings and tokens: what was cut off, and which rows are trained on the
tokens that were drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from selftrain_assets.domain.thinking import UNCLOSED
from selftrain_assets.reports.tables import Titled

KINDS = ("as_drawn", "from_text")


def ending_tables(summary: dict[str, Any]) -> list[Titled]:
    """A line for each round."""
    rows = [_line(point) for point in summary["iterations"] if point["tokenization"]]
    header = [
        "iteration",
        "samples cut off",
        "correct, but cut off",
        "rows as drawn",
        "would differ",
        "rows from text",
        "differ",
        "other tokenizer",
    ]
    title = (
        "Endings and tokens: what was cut off, and rows that are trained on the tokens that were"
        " drawn, or on their text"
    )
    return [Titled(title, header, rows)] if rows else []


def _line(point: dict[str, Any]) -> list[str]:
    counts, tokens = point["counts"], point["tokenization"]
    drawn = (
        f"{counts['samples_cut_off']} of {counts['samples']}" if "samples_cut_off" in counts else ""
    )
    shares = {
        kind: f"{share:.1%} of {tokens[f'{kind}_looked_at']}"
        for kind, share in differing(tokens).items()
    }
    told = [text for kind in KINDS for text in (str(tokens[kind]), shares.get(kind, ""))]
    return [
        str(point["iteration"]),
        drawn,
        str(counts.get("correct_cut_off", "")),
        *told,
        str(tokens["other_tokenizer"]),
    ]


def differing(tokenization: Mapping[str, int]) -> dict[str, float]:
    """By kind of row, the share of those looked at that tokenizing changes
    (pipeline/tokenization.py); nothing where none was."""
    return {
        kind: tokenization[f"{kind}_different"] / tokenization[f"{kind}_looked_at"]
        for kind in KINDS
        if tokenization[f"{kind}_looked_at"]
    }


def ending(sample: Mapping[str, Any]) -> str:
    """How long a sample is and how it ended, in a few words."""
    tokens, reason, text = (
        f"{sample['completion_tokens']} tokens",
        sample["finish_reason"],
        sample["ended_by"],
    )
    if reason == UNCLOSED:
        return f"{tokens}, which end within the thought"
    if reason == "length":
        return f"cut off at {tokens}"
    return f"{tokens}, ended by {json.dumps(text, ensure_ascii=False)}" if text else tokens
