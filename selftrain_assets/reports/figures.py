"""Draw figures as PNG from plain numbers."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from selftrain_assets.domain.selection import DIFFICULTY
from selftrain_assets.domain.statistics import Estimate
from selftrain_assets.reports.summary import PolicySummary, Summary

INK, GREY, BLUE, ORANGE, LIGHT_BLUE, LIGHT_GREY = (
    "#222222",
    "#8a8a8a",
    "#1f6fb4",
    "#d9822b",
    "#7fadd4",
    "#e6e6e6",
)
COLORS = (BLUE, ORANGE, "#3a9a5b", "#a64ca6", GREY, "#b03a2e")
GAP = math.nan
"""In the place of a number that is not defined: a gap in the line."""
FINE, INLINE = 130, 72
"""Dots per inch: of a report, and of a figure that must fit into a dialog of the UI."""

# -- what several figures need ---------------------------------------------------------------------


def axes(count: int, width: float = 4.6, height: float = 3.6) -> tuple[Any, Any]:
    """Make a figure of `count` panels side by side.

    Args:
        count: Number of panels.
        width: Width of a panel in inches.
        height: Height of a panel in inches.

    Returns:
        The figure and its axes.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(
        1, count, figsize=(width * count, height), layout="constrained", squeeze=False
    )
    for axis in grid[0]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color=LIGHT_GREY, linewidth=0.8)
        axis.set_axisbelow(True)
    return figure, grid[0]


def png(figure: Any, dpi: int = FINE) -> bytes:
    """Return the figure as a PNG image, and close it."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    plt.close(figure)
    return buffer.getvalue()


def band(
    axis: Any, x: Sequence[float], estimates: Sequence[Estimate], color: str, label: str
) -> None:
    """Draw a line of means, with a band for the intervals that exist."""
    axis.plot(x, [estimate.mean for estimate in estimates], color=color, marker="o", label=label)
    lows, highs = (
        [estimate.low for estimate in estimates],
        [estimate.high for estimate in estimates],
    )
    axis.fill_between(x, lows, highs, color=color, alpha=0.12, linewidth=0)


def legend_above(axis: Any, room: float, columns: int = 2) -> None:
    """Put a legend above bars, and lengthen the axis by the factor `room` to make space for it."""
    axis.set_ylim(0, axis.get_ylim()[1] * room)
    axis.legend(fontsize=7, frameon=False, ncols=columns, loc="upper center")


def errors(estimates: Sequence[Estimate]) -> list[list[float]]:
    """Return the lengths of error bars below and above the means; 0 where there is no interval."""
    below = [_length(estimate.low, estimate.mean) for estimate in estimates]
    above = [_length(estimate.mean, estimate.high) for estimate in estimates]
    return [below, above]


def _length(low: float, high: float) -> float:
    return 0.0 if math.isnan(high - low) else max(0.0, high - low)


# -- an experiment ---------------------------------------------------------------------------------


def overview(summary: Summary, dpi: int = FINE) -> bytes:
    """Draw held-out accuracy by iteration, pass@k of the base and the last round, and the yield.

    Returns:
        A PNG image.
    """
    figure, (left, middle, right) = axes(3)
    _accuracy(left, summary)
    _pass_at_k(middle, summary)
    _yield(right, summary)
    return png(figure, dpi)


def measured(summary: Summary) -> bytes:
    """Draw an evaluation: accuracy by iteration, pass@k, and accuracy by difficulty.

    Returns:
        A PNG image.
    """
    figure, (left, middle, right) = axes(3)
    _accuracy(left, summary)
    _pass_at_k(middle, summary)
    _difficulty(right, summary)
    return png(figure, INLINE)


def bars(title: str, heights: Mapping[str, float], xlabel: str) -> bytes:
    """Draw one bar for each name, labelled with its number; returns a PNG image."""
    figure, (axis,) = axes(1)
    drawn = axis.bar(list(heights), list(heights.values()), color=BLUE, width=0.7)
    axis.bar_label(drawn, [f"{value:,.0f}" for value in heights.values()], fontsize=8)
    axis.set(title=title, xlabel=xlabel)
    axis.tick_params(axis="x", labelsize=8)
    return png(figure)


def _accuracy(axis: Any, summary: Summary) -> None:
    course = summary.course
    rounds = range(len(course))
    train = [policy.train_accuracy.mean if policy.train_accuracy else GAP for policy in course]
    axis.plot(rounds, train, color=GREY, marker=".", linestyle=":", label="training problems")
    held_out = [policy.greedy_accuracy for policy in course]
    means = [accuracy.mean for accuracy in held_out]
    axis.errorbar(
        rounds,
        means,
        yerr=errors(held_out),
        color=BLUE,
        marker="o",
        capsize=3,
        label="held-out problems",
    )
    for control, style in zip(summary.human_only, ("--", "-."), strict=False):
        label = f"human rows only, {control.steps} steps"
        axis.axhline(
            control.greedy_accuracy.mean, color=ORANGE, linestyle=style, linewidth=1.2, label=label
        )
    axis.set(title="Greedy accuracy", xlabel="iteration (0 = base)", xticks=rounds, ylim=(0, 1))
    axis.legend(fontsize=7, frameon=False)


def _pass_at_k(axis: Any, summary: Summary) -> None:
    curves: list[tuple[str, PolicySummary, str]] = [("base", summary.base, GREY)]
    if summary.iterations:
        curves.append(("last iteration", summary.iterations[-1], BLUE))
    for label, policy, color in curves:
        defined = {
            int(k): estimate
            for k, estimate in policy.pass_at_k.items()
            if not math.isnan(estimate.mean)
        }
        band(axis, list(defined), list(defined.values()), color, label)
    axis.set_xscale("log", base=2)
    ticks = sorted(map(int, summary.base.pass_at_k))
    axis.set(
        title="pass@k on held-out problems",
        xlabel="k",
        xticks=ticks,
        xticklabels=ticks,
        ylim=(0, 1),
    )
    axis.legend(fontsize=7, frameon=False)


def _difficulty(axis: Any, summary: Summary) -> None:
    bins = summary.iterations[-1].by_difficulty if summary.iterations else {}
    names = [name for name in DIFFICULTY if name in bins]
    places = range(len(names))
    axis.bar(
        [i - 0.2 for i in places],
        [bins[name].base for name in names],
        width=0.38,
        color=GREY,
        label="base",
    )
    axis.bar(
        [i + 0.2 for i in places],
        [bins[name].now for name in names],
        width=0.38,
        color=BLUE,
        label="last iteration",
    )
    axis.set(title="Accuracy by the base's success on samples", xticks=places, ylim=(0, 1))
    axis.set_xticklabels([f"{name}\n{bins[name].problems} problems" for name in names], fontsize=8)
    axis.legend(fontsize=7, frameon=False)


def _yield(axis: Any, summary: Summary) -> None:
    rounds = [point.iteration for point in summary.iterations]
    counts = [point.counts for point in summary.iterations]
    heights = {
        "samples": ("#c9d8e6", [each.samples or 0 for each in counts]),
        "verified correct": (LIGHT_BLUE, [each.correct or 0 for each in counts]),
        "training rows": (BLUE, [each.kept_rows for each in counts]),
    }
    for offset, (label, (color, numbers)) in zip((-0.27, 0.0, 0.27), heights.items(), strict=True):
        axis.bar(
            [iteration + offset for iteration in rounds],
            numbers,
            width=0.25,
            color=color,
            label=label,
        )
    axis.set(title="From samples to training rows", xlabel="iteration", xticks=rounds)
    legend_above(axis, 1.15, columns=3)


# -- several experiments ---------------------------------------------------------------------------


def comparison(measures: Mapping[str, Mapping[str, Sequence[Estimate]]]) -> bytes:
    """Draw a panel for each measure, with the accuracy of each arm by iteration and its intervals.

    Returns:
        A PNG image.
    """
    figure, panels = axes(len(measures))
    rounds = max(len(course) for arms in measures.values() for course in arms.values())
    for axis, (measure, arms) in zip(panels, measures.items(), strict=True):
        for (name, course), color in zip(arms.items(), cycle(COLORS), strict=False):
            band(axis, range(len(course)), course, color, name)
        axis.set(title=measure, xlabel="iteration (0 = base)", xticks=range(rounds), ylim=(0, 1))
    panels[0].legend(fontsize=7, frameon=False)
    return png(figure)


@dataclass(frozen=True, slots=True)
class Series:
    """One measure of every point of a sweep.

    Attributes:
        label: Text in the legend.
        estimates: One for each point.
        color: Index of its color.
        held_out: Whether it is of the split `test`, drawn solid; else it is drawn hollow and
            dashed.
    """

    label: str
    estimates: Sequence[Estimate]
    color: int
    held_out: bool


LOG_SPAN = 20  # the largest value of a field over the smallest, above which its axis is logarithmic


def sweep(
    series: Sequence[Series],
    points: Sequence[str],
    field: tuple[str, Sequence[float]] | None,
    dpi: int = FINE,
) -> bytes:
    """Draw the accuracy of every point of a sweep after its last round, with intervals.

    Args:
        series: What is drawn.
        points: Name of each point.
        field: Name of the swept field and its value at each point, if that is one number: then it
            is the axis; else each point has a line of its own.
        dpi: Dots per inch.

    Returns:
        A PNG image.
    """
    figure, (axis,) = axes(1, 6.4, 3.6 if field else 1.6 + 0.26 * len(points))
    if field:
        _against_field(axis, series, *field)
    else:
        _point_by_point(axis, series, points)
    axis.set(title="Greedy accuracy after the last round")
    figure.legend(
        *axis.get_legend_handles_labels(), fontsize=7, frameon=False, loc="outside right upper"
    )
    return png(figure, dpi)


def _against_field(
    axis: Any, series: Sequence[Series], field: str, values: Sequence[float]
) -> None:
    order = sorted(range(len(values)), key=values.__getitem__)
    for line in series:
        estimates = [line.estimates[i] for i in order]
        means = [estimate.mean for estimate in estimates]
        linestyle = "-" if line.held_out else "--"
        axis.errorbar(
            [values[i] for i in order],
            means,
            yerr=errors(estimates),
            linestyle=linestyle,
            **_style(line),
        )
    if min(values) > 0 and max(values) > LOG_SPAN * min(values):
        axis.set_xscale("log")
    axis.set(xlabel=field, ylim=(-0.02, 1.02))
    axis.set_xticks(values, [f"{value:g}" for value in values], fontsize=8)
    axis.minorticks_off()


def _point_by_point(axis: Any, series: Sequence[Series], points: Sequence[str]) -> None:
    for place, line in enumerate(series):
        offset = 0.5 * ((place + 0.5) / len(series) - 0.5)
        means = [estimate.mean for estimate in line.estimates]
        axis.errorbar(
            means,
            [i + offset for i in range(len(points))],
            xerr=errors(line.estimates),
            linestyle="",
            **_style(line),
        )
    axis.grid(axis="x", color=LIGHT_GREY, linewidth=0.8)
    axis.set(xlim=(-0.02, 1.02))
    axis.set_yticks(range(len(points)), points, fontsize=8)
    axis.invert_yaxis()


def _style(series: Series) -> dict[str, Any]:
    color = COLORS[series.color % len(COLORS)]
    return {
        "color": color,
        "marker": "o",
        "capsize": 2,
        "label": series.label,
        "markerfacecolor": color if series.held_out else "white",
    }
