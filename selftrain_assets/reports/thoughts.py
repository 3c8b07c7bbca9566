"""Tables of how long a thinking model thinks, and how long it answers."""

from __future__ import annotations

from selftrain_assets.domain.measurements import Thoughts
from selftrain_assets.reports.summary import RoundSummary, Summary
from selftrain_assets.reports.tables import Titled

LENGTHS = ("mean", "median", "p90", "max")
HEADER = [
    "samples",
    "drawn",
    "with a thought",
    "never closed",
    "ended at the budget",
    *(f"{part} tokens, {name}" for part in ("thought", "answer") for name in LENGTHS),
]


def thought_tables(summary: Summary) -> list[Titled]:
    """Return a table with a row for the samples of each round and for each evaluation.

    It is empty if no sample has a thought.
    """
    rows = []
    for policy in summary.course:
        name = "base"
        if isinstance(policy, RoundSummary):
            name = f"round {policy.iteration}"
            if policy.thoughts_drawn:
                rows.append([f"{name}, training", *_cells(policy.thoughts_drawn)])
        if policy.thoughts:
            rows.append([f"{name}, held out", *_cells(policy.thoughts)])
    title = (
        "Thoughts and answers: a thought that never closes is no answer; held-out accuracy is of"
        " answers"
    )
    return [Titled(title, HEADER, rows)] if rows else []


def _cells(thoughts: Thoughts) -> list[str]:
    cells = [
        str(count) for count in (thoughts.drawn, thoughts.think, thoughts.unclosed, thoughts.forced)
    ]
    for lengths in (thoughts.thought_tokens, thoughts.answer_tokens):
        cells += [f"{lengths[name]:.0f}" if lengths else "" for name in LENGTHS]
    return cells
