"""The part of a report about methods: accuracy, translations, training rows and agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from selftrain_assets.domain.selection import DIFFICULTY
from selftrain_assets.pipeline.metrics import VOTE
from selftrain_assets.reports import figures
from selftrain_assets.reports.recipes import RecipeReport
from selftrain_assets.reports.summary import RoundSummary, Summary
from selftrain_assets.reports.tables import Titled, estimated, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# -- tables ----------------------------------------------------------------------------------------


def method_tables(summary: Summary) -> list[Titled]:
    """Tables about the methods; none for an experiment with one method."""
    names = list(summary.base.methods)
    if not names:
        return []
    tables = [
        _accuracy(names, summary),
        _flow(summary.iterations),
        *_agreement(summary),
        _choice(names, summary),
    ]
    return [table for table in tables if table.rows]


def _accuracy(names: Sequence[str], summary: Summary) -> Titled:
    rows = []
    for name, policy in summary.policies:
        cells = [estimated(policy.methods[method].greedy_accuracy) for method in names]
        union = policy.agreement["test"].union if "test" in policy.agreement else None
        rows.append([name, *cells, number(policy.greedy_accuracy.mean), number(union)])
    title = "Held-out greedy accuracy by method, of their vote, and of whatever any method solves"
    return Titled(title, ["iteration", *names, VOTE, "any"], rows)


def _flow(iterations: Sequence[RoundSummary]) -> Titled:
    """Table of samples by method and translations by pair of methods: drawn, correct, and rows."""
    rows = []
    for point in iterations:
        pairs = {
            (origin, method): cell
            for method, origins in point.yields.items()
            for origin, cell in origins.items()
        }
        for (origin, method), cell in sorted(pairs.items()):
            kept = point.rows_by_method.get(method, {}).get(origin, 0)
            share = cell.correct / cell.samples if cell.samples else 0.0
            rows.append(
                [
                    str(point.iteration),
                    _pair(origin, method),
                    str(cell.samples),
                    str(cell.correct),
                    number(share),
                    str(kept),
                ]
            )
    return Titled(
        "Samples, and translations of correct ones",
        ["iteration", "method", "drawn", "correct", "share", "rows"],
        rows,
    )


def _pair(origin: str, method: str) -> str:
    return method if origin == method else f"{origin} to {method}"


def _agreement(summary: Summary) -> list[Titled]:
    tables = []
    for pair in summary.base.agreement["test"].pairs if "test" in summary.base.agreement else ():
        first, second = pair.split(", ")
        rows = []
        for name, policy in summary.policies:
            cell = policy.agreement["test"].pairs[pair]
            counts = [
                str(count) for count in (cell.both, cell.only_first, cell.only_second, cell.neither)
            ]
            rows.append([name, *counts, number(cell.phi), number(cell.phi_of_solved)])
        header = [
            "iteration",
            "both",
            f"only {first}",
            f"only {second}",
            "neither",
            "phi",
            "phi of what one solves",
        ]
        tables.append(Titled(f"Test problems that {first} and {second} solve", header, rows))
    return tables


def _choice(names: Sequence[str], summary: Summary) -> Titled:
    last = summary.course[-1]
    rows = []
    for bin in DIFFICULTY:
        if bin in last.choice:
            accuracies = last.choice[bin]
            rows.append(
                [
                    bin,
                    str(accuracies["problems"]),
                    *(number(accuracies[method]) for method in (*names, VOTE)),
                ]
            )
    best = f"; on the validation split the best is {last.ranked[0]}" if last.ranked else ""
    title = f"Which method to use: accuracy by how often the base is right on a problem{best}"
    return Titled(title, ["by the base", "problems", *names, VOTE], rows)


# -- figure ----------------------------------------------------------------------------------------

Cells = Mapping[str, float]
"""What is shown of an iteration, by the pair of methods, or the method, that it is of."""


def methods(summary: Summary, dpi: int) -> bytes:
    """Draw the figure about the methods, as PNG.

    It shows accuracy of each method by iteration, verified translations and rows by pair of
    methods, and which methods solve which share of the problems.
    """
    figure, (accuracy, yields, volumes, both) = figures.axes(4)
    _draw_accuracy(accuracy, summary)
    rounds = [point.iteration for point in summary.iterations]
    _draw_flow(
        yields,
        "Share of translations verified",
        rounds,
        [_verified_shares(point) for point in summary.iterations],
    )
    _draw_flow(
        volumes, "Training rows", rounds, [_row_counts(point) for point in summary.iterations]
    )
    _draw_agreement(both, summary)
    return figures.png(figure, dpi)


def _draw_accuracy(axis: Axes, summary: Summary) -> None:
    course = summary.course
    rounds = range(len(course))
    for name, color in zip(summary.base.methods, cycle(figures.COLORS), strict=False):
        figures.band(
            axis, rounds, [policy.methods[name].greedy_accuracy for policy in course], color, name
        )
    axis.plot(
        rounds,
        [policy.greedy_accuracy.mean for policy in course],
        color=figures.INK,
        linestyle="--",
        label="vote",
    )
    union = [
        policy.agreement["test"].union if "test" in policy.agreement else figures.GAP
        for policy in course
    ]
    axis.plot(rounds, union, color=figures.GREY, linestyle=":", label="any method")
    axis.set(
        title="Greedy accuracy by method", xlabel="iteration (0 = base)", xticks=rounds, ylim=(0, 1)
    )
    axis.legend(fontsize=7, frameon=False)


def _verified_shares(point: RoundSummary) -> Cells:
    cells = {}
    for method, origins in point.yields.items():
        for origin, cell in origins.items():
            if origin != method and cell.samples:
                cells[_pair(origin, method)] = cell.correct / cell.samples
    return cells


def _row_counts(point: RoundSummary) -> Cells:
    return {
        _pair(origin, method): rows
        for method, origins in point.rows_by_method.items()
        for origin, rows in origins.items()
    }


def _draw_flow(axis: Axes, title: str, rounds: Sequence[int], cells: Sequence[Cells]) -> None:
    names = list(dict.fromkeys(name for round_cells in cells for name in round_cells))
    for i, (name, color) in enumerate(zip(names, cycle(figures.COLORS), strict=False)):
        places = [iteration + 0.8 * (i + 0.5) / len(names) - 0.4 for iteration in rounds]
        axis.bar(
            places,
            [round_cells.get(name, 0) for round_cells in cells],
            width=0.75 / len(names),
            color=color,
            label=name,
        )
    axis.set(title=title, xlabel="iteration", xticks=rounds)
    if names:
        figures.legend_above(axis, 1.25)


def _draw_agreement(axis: Axes, summary: Summary) -> None:
    """Draw the agreement of the first pair of methods."""
    agreements = [
        policy.agreement["test"] for policy in summary.course if "test" in policy.agreement
    ]
    if not agreements:
        return
    pair = next(iter(agreements[0].pairs))
    first, second = pair.split(", ")
    below = [0] * len(agreements)
    for count, label, color in (
        ("both", "both", figures.BLUE),
        ("only_first", f"only {first}", figures.LIGHT_BLUE),
        ("only_second", f"only {second}", figures.ORANGE),
        ("neither", "neither", figures.LIGHT_GREY),
    ):
        heights = [getattr(agreement.pairs[pair], count) for agreement in agreements]
        axis.bar(range(len(agreements)), heights, bottom=below, color=color, label=label, width=0.7)
        below = [a + b for a, b in zip(below, heights, strict=True)]
    axis.set(
        title="Test problems solved by",
        xlabel="iteration (0 = base)",
        xticks=range(len(agreements)),
        ylim=(0, 1.25 * below[0]),
    )
    axis.legend(fontsize=7, frameon=False, ncols=2, loc="upper center")


REPORT = RecipeReport(tables=method_tables, figures={"methods": methods})
