"""Tables and figure of how varied the training rows are; pipeline/diversity.py measures it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from selftrain_assets.pipeline.diversity import OWN, TOP, TOP_PROBLEMS
from selftrain_assets.reports import figures
from selftrain_assets.reports.summary import RoundSummary, Summary
from selftrain_assets.reports.tables import Titled, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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


def diversity_tables(iterations: Sequence[RoundSummary]) -> list[Titled]:
    """Return a table with a line for each round; empty if diversity was not measured.

    A round with human rows and others has a second line, without the human rows.
    """
    lines: list[tuple[str, int, dict[str, float]]] = []
    for point in iterations:
        if point.diversity:
            own = {
                name.removeprefix(OWN): value
                for name, value in point.diversity.items()
                if name.startswith(OWN)
            }
            lines.append((str(point.iteration), point.counts.kept_rows, dict(point.diversity)))
            lines += (
                [(f"{point.iteration}, without human rows", point.counts.own_rows, own)]
                if own
                else []
            )
    names = [name for name in COLUMNS if any(name in numbers for _, _, numbers in lines)]
    rows = [
        [title, str(count), *(_cell(name, numbers.get(name)) for name in names)]
        for title, count, numbers in lines
    ]
    header = ["iteration", "rows", *(COLUMNS[name] for name in names)]
    return [Titled("Diversity of the training rows", header, rows)] if rows else []


def _cell(name: str, value: float | None) -> str:
    if name.startswith("effective") and value is not None:
        return f"{value:.1f}"
    return str(value) if isinstance(value, int) else number(value)


def diversity_figure(summary: Summary, dpi: int) -> bytes:
    """Draw the effective number of problems and solutions, and the share of repeats, by round.

    Returns:
        A PNG image.
    """
    figure, (counts, shares) = figures.axes(2)
    rounds = [point.iteration for point in summary.iterations]

    def course(axis: Axes, name: str, label: str, color: str) -> None:
        values = [point.diversity.get(name, figures.GAP) for point in summary.iterations]
        axis.plot(rounds, values, color=color, marker="o", label=label)

    course(counts, "effective_problems", "effective problems", figures.BLUE)
    course(counts, "effective_solutions", "effective solutions", figures.ORANGE)
    course(shares, "near_duplicate_share", "rows with a near-duplicate", figures.BLUE)
    course(shares, TOP_PROBLEMS, f"rows of the {TOP} problems with most", figures.ORANGE)
    counts.set(title="Diversity of the training rows", xlabel="iteration", xticks=rounds)
    counts.set_ylim(0, counts.get_ylim()[1] * 1.1)
    shares.set(
        title="Repetition among the training rows", xlabel="iteration", xticks=rounds, ylim=(0, 1)
    )
    for axis in (counts, shares):
        axis.legend(fontsize=7, frameon=False)
    return figures.png(figure, dpi)
