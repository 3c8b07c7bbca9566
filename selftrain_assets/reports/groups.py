"""Tables of the groups of problems, and of training rows from other sources."""

from __future__ import annotations

from collections.abc import Sequence

from selftrain_assets.reports.summary import RoundSummary, Summary
from selftrain_assets.reports.tables import Titled, estimated


def group_tables(summary: Summary) -> list[Titled]:
    """Return tables by group; empty if there are no groups, or too many to be kinds of problems."""
    return [table for table in (_accuracy(summary), _mixed(summary.iterations)) if table.rows]


def _accuracy(summary: Summary) -> Titled:
    rows = []
    for split, groups in summary.base.groups.items():
        for group, base in groups.items():
            cells = [
                estimated(policy.groups.get(split, {}).get(group)) for _, policy in summary.policies
            ]
            rows.append([split, group, str(base.problems), *cells])
    names = [name for name, _ in summary.policies]
    return Titled(
        "Greedy accuracy by group of problems", ["split", "group", "problems", *names], rows
    )


def _mixed(iterations: Sequence[RoundSummary]) -> Titled:
    sources = sorted({name for point in iterations for name in point.rows_mixed_in})
    rows = []
    for point in iterations:
        mixed = [str(point.rows_mixed_in.get(source, 0)) for source in sources]
        rows.append([str(point.iteration), str(point.counts.kept_rows), *mixed])
    return Titled(
        "Training rows, and those of other sources among them",
        ["iteration", "rows", *sources],
        rows if sources else [],
    )
