"""What a report says of groups of problems, and of rows that are of other sources."""

from __future__ import annotations

from typing import Any

from selftrain_assets.reports.tables import Titled, estimated


def group_tables(summary: dict[str, Any]) -> list[Titled]:
    """Nothing where there are no groups, or too many to be kinds of problems."""
    points = [
        ("base", summary["baseline"]),
        *((str(p["iteration"]), p) for p in summary["iterations"]),
    ]
    points += [(f"human rows only, {p['steps']} steps", p) for p in summary["human_only"]]
    return [table for table in (_accuracy(points), _mixed(summary["iterations"])) if table.rows]


def _accuracy(points: list[tuple[str, dict[str, Any]]]) -> Titled:
    rows = []
    for split, groups in points[0][1]["groups"].items():
        for group, base in groups.items():
            found = [point["groups"].get(split, {}).get(group) for _, point in points]
            cells = [estimated(e["accuracy"], e["interval"]) if e else "" for e in found]
            rows.append([split, group, str(base["problems"]), *cells])
    return Titled(
        "Greedy accuracy by group of problems",
        ["split", "group", "problems", *(name for name, _ in points)],
        rows,
    )


def _mixed(iterations: list[dict[str, Any]]) -> Titled:
    sources = sorted({name for p in iterations for name in p["rows_mixed_in"]})
    rows = [
        [
            str(p["iteration"]),
            str(p["counts"]["kept_rows"]),
            *(str(p["rows_mixed_in"].get(s, 0)) for s in sources),
        ]
        for p in iterations
    ]
    return Titled(
        "Training rows, and those of other sources among them",
        ["iteration", "rows", *sources],
        rows if sources else [],
    )
