"""Tables of other tasks: the accuracy of every policy on each suite, with the base first."""

from __future__ import annotations

from selftrain_assets.reports.summary import Measures, Summary
from selftrain_assets.reports.tables import Titled, estimated, mean


def suite_tables(summary: Summary) -> list[Titled]:
    """Return a table for each suite that the base was measured on."""
    return [_table(name, base, summary) for name, base in summary.base.suites.items()]


def _table(suite: str, base: Measures, summary: Summary) -> Titled:
    ks = list(base.pass_at_k)
    rows = []
    for name, policy in summary.policies:
        if suite in policy.suites:
            measures = policy.suites[suite]
            passed = [mean(measures.pass_at_k.get(k)) for k in ks]
            rows.append(
                [
                    name,
                    estimated(measures.greedy_accuracy),
                    estimated(measures.gain_over_base, "+"),
                    *passed,
                ]
            )
    title = (
        f"Suite {suite}: {base.test_problems} problems of another task, which no round trains on"
    )
    return Titled(
        title, ["iteration", "greedy accuracy", "over the base", *(f"pass@{k}" for k in ks)], rows
    )
