"""Tables of how long a thinking model thinks, and how long it answers."""

from __future__ import annotations

from typing import Any

from selftrain_assets.reports.tables import Titled

LENGTHS = ("thought_tokens", "answer_tokens")
HEADER = [
    "samples",
    "drawn",
    "with a thought",
    "never closed",
    "ended at the budget",
    *(
        f"{what.replace('_tokens', '')} tokens, {name}"
        for what in LENGTHS
        for name in ("mean", "median", "p90", "max")
    ),
]


def thought_tables(summary: dict[str, Any]) -> list[Titled]:
    """One row for what each round drew and one for each evaluation, where any of it was thought
    about."""
    points = [
        ("base", summary["baseline"]),
        *((f"round {p['iteration']}", p) for p in summary["iterations"]),
    ]
    rows = [
        [f"{name}, {what}", *_cells(point[of])]
        for name, point in points
        for what, of in (("training", "thoughts_drawn"), ("held out", "thoughts"))
        if point.get(of)
    ]
    return (
        [
            Titled(
                "Thoughts and answers: a thought that never closes is no answer; held-out accuracy"
                " is of answers",
                HEADER,
                rows,
            )
        ]
        if rows
        else []
    )


def _cells(found: dict[str, Any]) -> list[str]:
    counts = [str(found[name]) for name in ("drawn", "think", "unclosed", "forced")]
    lengths = [found[what] or {} for what in LENGTHS]
    return [
        *counts,
        *(
            f"{of[name]:.0f}" if of else ""
            for of in lengths
            for name in ("mean", "median", "p90", "max")
        ),
    ]
