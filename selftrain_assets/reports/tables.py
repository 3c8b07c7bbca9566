"""The table of an experiment, as rows of text: rendered by the command line, Markdown and HTML
alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

GROUPS = {
    "sample": ("policy", "samples"),
    "verify": ("verifications", "rationalizations"),
    "train": ("dataset", "checkpoint"),
    "evaluate": ("evaluation",),
}


class Titled(NamedTuple):
    """A table with what it shows."""

    title: str
    header: list[str]
    rows: list[list[str]]


def header(summary: dict[str, Any]) -> list[str]:
    """Column titles; of pass@k 1 and the largest k are shown, of maj@k the largest."""
    base = summary["baseline"]
    return [
        "iteration",
        "held-out accuracy",
        f"{summary['confidence']:.0%} interval",
        *(f"pass@{k}" for k in _one_and_largest(base["pass_at_k"])),
        f"maj@{_largest(base['maj_at_k']) or 'k'}",
        "train accuracy",
        "solved",
        "samples",
        "kept rows",
        *(f"{name} s" for name in GROUPS),
    ]


def rows(summary: dict[str, Any]) -> list[list[str]]:
    """One row for the base, one for each iteration, one for each control."""
    table = [_row("base", summary["baseline"])]
    table += [_row(str(p["iteration"]), p) for p in summary["iterations"]]
    table += [_row(f"human rows only, {p['steps']} steps", p) for p in summary["human_only"]]
    return table


def _row(name: str, point: dict[str, Any]) -> list[str]:
    counts = point.get("counts", {})
    low, high = point["greedy_accuracy_interval"]
    seconds = [
        sum(point["seconds"].get(stage, 0) for stage in stages) for stages in GROUPS.values()
    ]
    return [
        name,
        number(point["greedy_accuracy"]),
        f"{number(low)} to {number(high)}",
        *(number(point["pass_at_k"].get(k)) for k in _one_and_largest(point["pass_at_k"])),
        number(point["maj_at_k"].get(_largest(point["maj_at_k"]))),
        number(point.get("train_accuracy")),
        f"{counts['problems_solved']} of {counts['problems']}" if "problems" in counts else "",
        str(counts.get("samples", "")),
        str(counts.get("kept_rows", "")),
        *(f"{s:.0f}" if s else "" for s in seconds),
    ]


def number(value: float | None) -> str:
    """Three digits; nothing for what is not defined."""
    return "" if value is None else f"{value:.3f}"


def estimated(mean: float | None, interval: Sequence[float | None], sign: str = "") -> str:
    """A mean with its interval, as far as they are defined."""
    if mean is None:
        return ""
    low, high = interval
    return f"{mean:{sign}.3f}" + (
        f" [{low:{sign}.3f}, {high:{sign}.3f}]" if low is not None and high is not None else ""
    )


def _one_and_largest(by_k: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(("1", _largest(by_k) or "1")))


def _largest(by_k: dict[str, Any]) -> str:
    return max(by_k, key=int, default="")
