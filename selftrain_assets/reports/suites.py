"""What a report says of other tasks: every policy on each suite, the base's numbers in the first
row."""

from __future__ import annotations

from typing import Any

from selftrain_assets.reports.tables import Titled, estimated, number


def suite_tables(summary: dict[str, Any]) -> list[Titled]:
    """One for each suite that the base was measured on."""
    points = [
        ("base", summary["baseline"]),
        *((str(p["iteration"]), p) for p in summary["iterations"]),
    ]
    points += [(f"human rows only, {p['steps']} steps", p) for p in summary["human_only"]]
    return [_table(name, of, points) for name, of in summary["baseline"].get("suites", {}).items()]


def _table(suite: str, base: dict[str, Any], points: list[tuple[str, dict[str, Any]]]) -> Titled:
    ks = list(base["pass_at_k"])
    rows = []
    for name, point in points:
        found = point.get("suites", {}).get(suite)
        if found is not None:
            rows.append(
                [
                    name,
                    estimated(found["greedy_accuracy"], found["greedy_accuracy_interval"]),
                    estimated(
                        found.get("gain_over_base"),
                        found.get("gain_over_base_interval", (None, None)),
                        "+",
                    ),
                    *(number(found["pass_at_k"].get(k)) for k in ks),
                ]
            )
    title = (
        f"Suite {suite}: {base['test_problems']} problems of another task, which no round trains on"
    )
    return Titled(
        title, ["iteration", "greedy accuracy", "over the base", *(f"pass@{k}" for k in ks)], rows
    )
