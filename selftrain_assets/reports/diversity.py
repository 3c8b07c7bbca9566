"""What a report says of how varied the rows of each round are; pipeline/diversity.py measures
it."""

from __future__ import annotations

from typing import Any

from selftrain_assets.pipeline.diversity import OWN, TOP, TOP_PROBLEMS
from selftrain_assets.reports.tables import Titled, number

COLUMNS = {
    "distinct_problems": "problems",
    "effective_problems": "effective problems",
    "distinct_groups": "groups",
    "effective_groups": "effective groups",
    "distinct_solutions": "solutions",
    "effective_solutions": "effective solutions",
    TOP_PROBLEMS: f"share of the top {TOP} problems",
    "near_duplicate_share": "near-duplicates",
}


def diversity_tables(summary: dict[str, Any]) -> list[Titled]:
    """One, with a line for each round, and one more for the rows that are not human where both
    are there. None where nothing was measured."""
    lines = [
        line for point in summary["iterations"] if point["diversity"] for line in _lines(point)
    ]
    names = [name for name in COLUMNS if any(name in of for _, _, of in lines)]
    rows = [
        [title, str(rows), *(_cell(name, of.get(name)) for name in names)]
        for title, rows, of in lines
    ]
    header = ["iteration", "rows", *(COLUMNS[name] for name in names)]
    return [Titled("Diversity of the training rows", header, rows)] if rows else []


def _lines(point: dict[str, Any]) -> list[tuple[str, int, dict[str, float]]]:
    found, counts, title = point["diversity"], point["counts"], str(point["iteration"])
    own = {name.removeprefix(OWN): value for name, value in found.items() if name.startswith(OWN)}
    return [
        (title, counts["kept_rows"], found),
        *([(f"{title}, without human rows", counts["own_rows"], own)] if own else []),
    ]


def _cell(name: str, value: float | None) -> str:
    if name.startswith("effective") and value is not None:
        return f"{value:.1f}"
    return str(value) if isinstance(value, int) else number(value)
