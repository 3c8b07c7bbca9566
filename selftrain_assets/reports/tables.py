"""The table of an experiment, as rows of text: rendered by the command line, Markdown and HTML alike."""

from __future__ import annotations

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
    """Column titles; the largest k of pass@k and maj@k is shown."""
    base = summary["baseline"]
    k, majority = (_largest(base[name]) for name in ("pass_at_k", "maj_at_k"))
    return [
        "iteration",
        "held-out accuracy",
        "95% interval",
        "pass@1",
        f"pass@{k}",
        f"maj@{majority or 'k'}",
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
    seconds = [sum(point["seconds"].get(stage, 0) for stage in stages) for stages in GROUPS.values()]
    return [
        name,
        number(point["greedy_accuracy"]),
        f"{number(low)} to {number(high)}",
        number(point["pass_at_k"].get("1")),
        *(number(point[kind][_largest(point[kind])]) if point[kind] else "" for kind in ("pass_at_k", "maj_at_k")),
        number(point.get("train_accuracy")),
        f"{counts['problems_solved']} of {counts['problems']}" if "problems" in counts else "",
        str(counts.get("samples", "")),
        str(counts.get("kept_rows", "")),
        *(f"{s:.0f}" if s else "" for s in seconds),
    ]


def number(value: float | None) -> str:
    """Three digits; nothing for what is not defined."""
    return "" if value is None else f"{value:.3f}"


def _largest(by_k: dict[str, Any]) -> str:
    return max(by_k, key=int, default="")
