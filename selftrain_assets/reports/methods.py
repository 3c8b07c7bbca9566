"""What a report says of several methods: each by itself, what was translated, what was trained
on, and how they agree."""

from __future__ import annotations

from typing import Any

from selftrain_assets.pipeline.metrics import VOTE
from selftrain_assets.reports.tables import Titled, estimated, number

BINS = ("easy", "medium", "hard", "very hard")


def method_tables(summary: dict[str, Any]) -> list[Titled]:
    """Nothing where an experiment has one method."""
    points = [
        ("base", summary["baseline"]),
        *((str(p["iteration"]), p) for p in summary["iterations"]),
    ]
    points += [(f"human rows only, {p['steps']} steps", p) for p in summary["human_only"]]
    names = list(summary["baseline"].get("methods", {}))
    if not names:
        return []
    tables = [_accuracy(names, points), _flow(summary["iterations"]), *_agreement(points)]
    return [table for table in [*tables, _choice(names, points)] if table.rows]


def _accuracy(names: list[str], points: list[tuple[str, dict[str, Any]]]) -> Titled:
    rows = []
    for name, point in points:
        cells = []
        for method in names:
            of = point["methods"][method]
            cells.append(estimated(of["greedy_accuracy"], of["greedy_accuracy_interval"]))
        union = point["agreement"].get("test", {}).get("union")
        rows.append([name, *cells, number(point["greedy_accuracy"]), number(union)])
    return Titled(
        "Held-out greedy accuracy by method, of their vote, and of whatever any method solves",
        ["iteration", *names, VOTE, "any"],
        rows,
    )


def _flow(iterations: list[dict[str, Any]]) -> Titled:
    """How much went from each method into each other one."""
    rows = []
    for point in iterations:
        pairs = {
            (origin, method): cell
            for method, of in point["yields"].items()
            for origin, cell in of.items()
        }
        for (origin, method), cell in sorted(pairs.items()):
            kept = point["rows_by_method"].get(method, {}).get(origin, 0)
            share = cell["correct"] / cell["samples"] if cell["samples"] else 0.0
            shown = origin if origin == method else f"{origin} to {method}"
            rows.append(
                [
                    str(point["iteration"]),
                    shown,
                    str(cell["samples"]),
                    str(cell["correct"]),
                    number(share),
                    str(kept),
                ]
            )
    return Titled(
        "Samples, and translations of correct ones",
        ["iteration", "method", "drawn", "correct", "share", "rows"],
        rows,
    )


def _agreement(points: list[tuple[str, dict[str, Any]]]) -> list[Titled]:
    found = []
    for pair in points[0][1]["agreement"].get("test", {}).get("pairs", {}):
        first, second = pair.split(", ")
        rows = []
        for name, point in points:
            cell = point["agreement"]["test"]["pairs"][pair]
            counts = [str(cell[key]) for key in ("both", "only_first", "only_second", "neither")]
            rows.append([name, *counts, number(cell["phi"]), number(cell["phi_of_solved"])])
        header = [
            "iteration",
            "both",
            f"only {first}",
            f"only {second}",
            "neither",
            "phi",
            "phi of what one solves",
        ]
        found.append(Titled(f"Test problems that {first} and {second} solve", header, rows))
    return found


def _choice(names: list[str], points: list[tuple[str, dict[str, Any]]]) -> Titled:
    last = next(point for name, point in reversed(points) if name == "base" or name.isdigit())
    bins = {name: last["choice"][name] for name in BINS if name in last["choice"]}
    rows = [
        [name, str(of["problems"]), *(number(of[method]) for method in (*names, VOTE))]
        for name, of in bins.items()
    ]
    best = (
        f"; on the validation split the best is {last['ranked'][0]}" if last.get("ranked") else ""
    )
    title = f"Which method to use: accuracy by how often the base is right on a problem{best}"
    return Titled(title, ["by the base", "problems", *names, VOTE], rows)
