"""What a report says of TriPosT: what became of attempts, and what self-improvement is worth on
held-out problems."""

from __future__ import annotations

from typing import Any

from selftrain_assets.reports.tables import Titled, number

FUNNEL = ("attempted", "parsable", "edited", "successful")


def trajectory_tables(summary: dict[str, Any]) -> list[Titled]:
    """Nothing for another recipe."""
    points = [
        ("base", summary["baseline"]),
        *((str(p["iteration"]), p) for p in summary["iterations"]),
    ]
    points += [(f"human rows only, {p['steps']} steps", p) for p in summary["human_only"]]
    tables = [
        _funnel(summary["iterations"]),
        _dropped(summary["iterations"]),
        _answers(points),
        _groups(points),
    ]
    return [table for table in tables if table.rows]


def _funnel(iterations: list[dict[str, Any]]) -> Titled:
    made = [(p, p["trajectories"]) for p in iterations if "trajectories" in p]
    parts = ("correct", "improved", "gold")
    rows = [
        [
            str(p["iteration"]),
            *(str(t["counts"][name]) for name in FUNNEL),
            *(str(t["rows"][name]) for name in parts),
        ]
        for p, t in made
    ]
    title = (
        "Attempts, edited until they are right; and the rows of those right at once, of"
        " improvements, and of reference solutions"
    )
    return Titled(title, ["iteration", *FUNNEL, *(f"rows {name}" for name in parts)], rows)


def _dropped(iterations: list[dict[str, Any]]) -> Titled:
    made = [(p, p["trajectories"]) for p in iterations if "trajectories" in p]
    reasons = sorted({name for _, t in made for name in t["endings"]} - {"correct", "improved"})
    kinds = sorted({kind for _, t in made for kind in t["errors"]})
    rows = [
        [
            str(p["iteration"]),
            *(str(t["endings"].get(name, 0)) for name in reasons),
            *(str(t["errors"].get(kind, 0)) for kind in kinds),
        ]
        for p, t in made
    ]
    header = [
        "iteration",
        *(name.replace("_", " ") for name in reasons),
        *(f"{kind} corrected" for kind in kinds),
    ]
    return Titled(
        "Why trajectories were dropped, and errors that were corrected, by kind",
        header,
        rows if reasons or kinds else [],
    )


def _answers(points: list[tuple[str, dict[str, Any]]]) -> Titled:
    rows = []
    for name, point in points:
        for split, of in point.get("self_improvement", {}).items():
            shares = [number(of[each]) for each in ("direct", "final")]
            counts = [str(of[each]) for each in ("wrong_to_right", "right_to_wrong")]
            feedback = [number(of[each]) for each in ("feedback_precision", "feedback_recall")]
            rows.append([name, split, *shares, *counts, f"{of['updates']:.2f}", *feedback])
    header = [
        "iteration",
        "split",
        "first attempt",
        "last attempt",
        "put right",
        "broken",
        "updates",
        "precision",
        "recall",
    ]
    title = (
        "Held-out accuracy of first and last attempts; precision and recall of the policy's"
        " feedback that an attempt is wrong"
    )
    return Titled(title, header, rows)


def _groups(points: list[tuple[str, dict[str, Any]]]) -> Titled:
    """Of test and transfer: groups that were seen in training, and those that were not."""
    groups = [
        (split, group)
        for split in ("test", "transfer")
        for group in points[0][1].get("self_improvement", {}).get(split, {}).get("groups", {})
    ]
    rows = []
    for split, group in groups:
        cells = []
        for _, point in points:
            of = point.get("self_improvement", {}).get(split, {}).get("groups", {}).get(group)
            cells.append(f"{number(of['direct'])} / {number(of['final'])}" if of else "")
        rows.append([split, group, *cells])
    return Titled(
        "First / last attempt by group of problems",
        ["split", "group", *(name for name, _ in points)],
        rows,
    )
