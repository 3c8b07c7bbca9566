"""Tables of samples that were cut off, and of rows that are trained on their drawn tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from selftrain_assets.domain.measurements import Tokenization
from selftrain_assets.domain.thinking import UNCLOSED
from selftrain_assets.reports.summary import RoundSummary, Summary
from selftrain_assets.reports.tables import Titled

HEADER = [
    "iteration",
    "samples cut off",
    "correct, but cut off",
    "rows as drawn",
    "would differ",
    "rows from text",
    "differ",
    "other tokenizer",
]


def ending_tables(summary: Summary) -> list[Titled]:
    """Return a table with a line for each round."""
    rows = [_line(point, point.tokenization) for point in summary.iterations if point.tokenization]
    title = (
        "Endings and tokens: what was cut off, and rows that are trained on the tokens that were"
        " drawn, or on their text"
    )
    return [Titled(title, HEADER, rows)] if rows else []


def _line(point: RoundSummary, tokens: Tokenization) -> list[str]:
    counts, differing = point.counts, tokens.differing()
    cut_off = (
        "" if counts.samples_cut_off is None else f"{counts.samples_cut_off} of {counts.samples}"
    )
    correct_cut_off = "" if counts.correct_cut_off is None else str(counts.correct_cut_off)
    drawn = (
        f"{differing['as_drawn']:.1%} of {tokens.as_drawn_looked_at}"
        if "as_drawn" in differing
        else ""
    )
    text = (
        f"{differing['from_text']:.1%} of {tokens.from_text_looked_at}"
        if "from_text" in differing
        else ""
    )
    rows_as_drawn, rows_from_text, other = (
        str(tokens.as_drawn),
        str(tokens.from_text),
        str(tokens.other_tokenizer),
    )
    return [
        str(point.iteration),
        cut_off,
        correct_cut_off,
        rows_as_drawn,
        drawn,
        rows_from_text,
        text,
        other,
    ]


def ending(sample: Mapping[str, Any]) -> str:
    """Describe in a few words how long a sample is and how it ended."""
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
