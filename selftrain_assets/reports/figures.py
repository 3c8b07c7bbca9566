"""Figures of an experiment, from the numbers of reports/summary.py."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from itertools import cycle
from typing import Any

from selftrain_assets.pipeline.diversity import TOP, TOP_PROBLEMS
from selftrain_assets.reports.methods import BINS
from selftrain_assets.reports.summary import figures_of
from selftrain_assets.reports.sweeps import numeric_field, short

INK, GREY, BLUE, ORANGE = "#222222", "#8a8a8a", "#1f6fb4", "#d9822b"


FINE, INLINE = 130, 72
"""Dots per inch: of a report, and of a figure that must fit into a dialog of the UI."""


def figures(summary: dict[str, Any], dpi: int = FINE) -> dict[str, bytes]:
    """Those that `figures_of` names, as PNG."""
    return {
        name: {"overview": overview, "methods": methods, "diversity": diversity}[name](summary, dpi)
        for name in figures_of(summary)
    }


def overview(summary: dict[str, Any], dpi: int = FINE) -> bytes:
    """PNG with held-out accuracy by iteration, pass@k of base and last, and the yield of each
    round."""
    figure, (left, middle, right) = _axes(3)
    _accuracy(left, summary)
    _pass_at_k(middle, summary)
    _yield(right, summary)
    return _png(figure, dpi)


def measured(summary: dict[str, Any]) -> bytes:
    """PNG of an evaluation: accuracy by iteration with the train/test gap, pass@k of base and
    now, accuracy by difficulty."""
    figure, (left, middle, right) = _axes(3)
    _accuracy(left, summary)
    _pass_at_k(middle, summary)
    _difficulty(right, summary)
    return _png(figure, INLINE)


def bars(title: str, heights: dict[str, float], xlabel: str) -> bytes:
    """PNG with one bar for each name, each with its number."""
    figure, (axis,) = _axes(1)
    drawn = axis.bar(list(heights), list(heights.values()), color=BLUE, width=0.7)
    axis.bar_label(drawn, [f"{value:,.0f}" for value in heights.values()], fontsize=8)
    axis.set(title=title, xlabel=xlabel)
    axis.tick_params(axis="x", labelsize=8)
    return _png(figure, FINE)


def _axes(count: int, width: float = 4.6, height: float = 3.6):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, count, figsize=(width * count, height), layout="constrained", squeeze=False
    )
    for axis in axes[0]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#e6e6e6", linewidth=0.8)
        axis.set_axisbelow(True)
    return figure, axes[0]


def _accuracy(axis, summary: dict[str, Any]) -> None:
    points = [summary["baseline"], *summary["iterations"]]
    rounds = list(range(len(points)))
    means = [p["greedy_accuracy"] for p in points]
    low, high = zip(*(p["greedy_accuracy_interval"] for p in points), strict=True)
    axis.plot(
        rounds,
        [p.get("train_accuracy") for p in points],
        color=GREY,
        marker=".",
        linestyle=":",
        label="training problems",
    )
    axis.errorbar(
        rounds,
        means,
        yerr=[
            [m - lo for m, lo in zip(means, low, strict=True)],
            [hi - m for m, hi in zip(means, high, strict=True)],
        ],
        color=BLUE,
        marker="o",
        capsize=3,
        label="held-out problems",
    )
    for control, style in zip(summary["human_only"], ("--", "-."), strict=False):
        axis.axhline(
            control["greedy_accuracy"],
            color=ORANGE,
            linestyle=style,
            linewidth=1.2,
            label=f"human rows only, {control['steps']} steps",
        )
    axis.set(title="Greedy accuracy", xlabel="iteration (0 = base)", xticks=rounds, ylim=(0, 1))
    axis.legend(fontsize=7, frameon=False)


def _pass_at_k(axis, summary: dict[str, Any]) -> None:
    curves = [
        ("base", summary["baseline"], GREY),
        *([("last iteration", summary["iterations"][-1], BLUE)] if summary["iterations"] else []),
    ]
    for label, point, color in curves:
        ks = [int(k) for k, v in point["pass_at_k"].items() if v is not None]
        axis.plot(
            ks, [point["pass_at_k"][str(k)] for k in ks], marker="o", color=color, label=label
        )
        if bands := [point["pass_at_k_interval"][str(k)] for k in ks]:
            axis.fill_between(ks, *zip(*bands, strict=True), color=color, alpha=0.15, linewidth=0)
    axis.set_xscale("log", base=2)
    ticks = sorted({int(k) for k in summary["baseline"]["pass_at_k"]})
    axis.set(
        title="pass@k on held-out problems",
        xlabel="k",
        xticks=ticks,
        xticklabels=ticks,
        ylim=(0, 1),
    )
    axis.legend(fontsize=7, frameon=False)


def _difficulty(axis, summary: dict[str, Any]) -> None:
    found = summary["iterations"][-1]["by_difficulty"] if summary["iterations"] else {}
    names = [name for name in BINS if name in found]
    for offset, (key, label, color) in (
        (-0.2, ("base", "base", GREY)),
        (0.2, ("now", "last iteration", BLUE)),
    ):
        axis.bar(
            [i + offset for i in range(len(names))],
            [found[n][key] for n in names],
            width=0.38,
            color=color,
            label=label,
        )
    ticks = [f"{name}\n{found[name]['problems']} problems" for name in names]
    axis.set(
        title="Accuracy by the base's success on samples", xticks=range(len(names)), ylim=(0, 1)
    )
    axis.set_xticklabels(ticks, fontsize=8)
    axis.legend(fontsize=7, frameon=False)


def _yield(axis, summary: dict[str, Any]) -> None:
    rounds = [p["iteration"] for p in summary["iterations"]]
    for offset, (name, label, color) in enumerate(
        (
            ("samples", "samples", "#c9d8e6"),
            ("correct", "verified correct", "#7fadd4"),
            ("kept_rows", "training rows", BLUE),
        )
    ):
        axis.bar(
            [r + 0.27 * (offset - 1) for r in rounds],
            [p["counts"].get(name, 0) for p in summary["iterations"]],
            width=0.25,
            color=color,
            label=label,
        )
    axis.set(title="From samples to training rows", xlabel="iteration", xticks=rounds)
    axis.set_ylim(0, axis.get_ylim()[1] * 1.15)  # room for the legend
    axis.legend(fontsize=7, frameon=False, ncols=3, loc="upper center")


COLORS = (BLUE, ORANGE, "#3a9a5b", "#a64ca6", "#8a8a8a", "#b03a2e")


def methods(summary: dict[str, Any], dpi: int = FINE) -> bytes:
    """PNG with accuracy of each method by iteration, verified translations and rows by pair, and
    which methods solve what."""
    figure, (accuracy, yields, volumes, both) = _axes(4)
    _by_method(accuracy, summary)
    _flow(yields, summary, "share of translations verified", _verified)
    _flow(volumes, summary, "training rows", _trained_on)
    _agreement(both, summary)
    return _png(figure, dpi)


def _by_method(axis, summary: dict[str, Any]) -> None:
    points = [summary["baseline"], *summary["iterations"]]
    for name, color in zip(summary["baseline"]["methods"], cycle(COLORS), strict=False):
        of = [p["methods"][name] for p in points]
        band = [[_defined(p["greedy_accuracy_interval"][side]) for p in of] for side in (0, 1)]
        axis.plot(
            range(len(points)),
            [_defined(p["greedy_accuracy"]) for p in of],
            color=color,
            marker="o",
            label=name,
        )
        axis.fill_between(range(len(points)), *band, color=color, alpha=0.12, linewidth=0)
    union = [_defined(p["agreement"].get("test", {}).get("union")) for p in points]
    axis.plot(
        range(len(points)),
        [_defined(p["greedy_accuracy"]) for p in points],
        color=INK,
        linestyle="--",
        label="vote",
    )
    axis.plot(range(len(points)), union, color=GREY, linestyle=":", label="any method")
    axis.set(
        title="Greedy accuracy by method",
        xlabel="iteration (0 = base)",
        xticks=range(len(points)),
        ylim=(0, 1),
    )
    axis.legend(fontsize=7, frameon=False)


def _defined(value: float | None) -> float:
    """A gap in the line where a number is undefined."""
    return math.nan if value is None else value


Cells = dict[str, float]
"""What is shown of an iteration, by the pair of methods, or the method, that it is of."""


def _verified(point: dict[str, Any]) -> Cells:
    pairs = {
        (origin, method): cell
        for method, of in point["yields"].items()
        for origin, cell in of.items()
        if origin != method
    }
    return {
        f"{origin} to {method}": cell["correct"] / cell["samples"]
        for (origin, method), cell in pairs.items()
        if cell["samples"]
    }


def _trained_on(point: dict[str, Any]) -> Cells:
    pairs = {
        (origin, method): rows
        for method, of in point["rows_by_method"].items()
        for origin, rows in of.items()
    }
    return {
        method if origin == method else f"{origin} to {method}": rows
        for (origin, method), rows in pairs.items()
    }


def _flow(
    axis, summary: dict[str, Any], title: str, cells: Callable[[dict[str, Any]], Cells]
) -> None:
    points = summary["iterations"]
    names = list(dict.fromkeys(name for p in points for name in cells(p)))
    for i, (name, color) in enumerate(zip(names, cycle(COLORS), strict=False)):
        places = [p["iteration"] + 0.8 * (i + 0.5) / len(names) - 0.4 for p in points]
        axis.bar(
            places,
            [cells(p).get(name, 0) for p in points],
            width=0.75 / len(names),
            color=color,
            label=name,
        )
    axis.set(
        title=title[0].upper() + title[1:],
        xlabel="iteration",
        xticks=[p["iteration"] for p in points],
    )
    if names:
        axis.set_ylim(0, axis.get_ylim()[1] * 1.25)  # room for the legend
        axis.legend(fontsize=7, frameon=False, ncols=2, loc="upper center")


def _agreement(axis, summary: dict[str, Any]) -> None:
    """Of the first pair of methods."""
    points = [p for p in (summary["baseline"], *summary["iterations"]) if "test" in p["agreement"]]
    if not points:
        return
    pair = next(iter(points[0]["agreement"]["test"]["pairs"]))
    first, second = pair.split(", ")
    below = [0.0] * len(points)
    cells = (
        ("both", "both", BLUE),
        ("only_first", f"only {first}", "#7fadd4"),
        ("only_second", f"only {second}", ORANGE),
    )
    for key, label, color in (*cells, ("neither", "neither", "#e6e6e6")):
        heights = [p["agreement"]["test"]["pairs"][pair][key] for p in points]
        axis.bar(range(len(points)), heights, bottom=below, color=color, label=label, width=0.7)
        below = [a + b for a, b in zip(below, heights, strict=True)]
    axis.set(
        title="Test problems solved by",
        xlabel="iteration (0 = base)",
        xticks=range(len(points)),
        ylim=(0, 1.25 * below[0]),
    )
    axis.legend(fontsize=7, frameon=False, ncols=2, loc="upper center")


def diversity(summary: dict[str, Any], dpi: int = FINE) -> bytes:
    """PNG with the course over rounds of how many problems and solutions the rows count as, and
    of the shares that repeat."""
    figure, (numbers, shares) = _axes(2)
    points = summary["iterations"]
    rounds = [p["iteration"] for p in points]

    def course(axis, name: str, label: str, color: str) -> None:
        axis.plot(
            rounds,
            [_defined(p["diversity"].get(name)) for p in points],
            color=color,
            marker="o",
            label=label,
        )

    course(numbers, "effective_problems", "effective problems", BLUE)
    course(numbers, "effective_solutions", "effective solutions", ORANGE)
    course(shares, "near_duplicate_share", "rows with a near-duplicate", BLUE)
    course(shares, TOP_PROBLEMS, f"rows of the {TOP} problems with most", ORANGE)
    numbers.set(title="Diversity of the training rows", xlabel="iteration", xticks=rounds)
    numbers.set_ylim(0, numbers.get_ylim()[1] * 1.1)
    shares.set(
        title="Repetition among the training rows", xlabel="iteration", xticks=rounds, ylim=(0, 1)
    )
    for axis in (numbers, shares):
        axis.legend(fontsize=7, frameon=False)
    return _png(figure, dpi)


def comparison(found: dict[str, Any]) -> bytes:
    """PNG with accuracy by iteration of every arm, a panel for each measure on the test split,
    with intervals."""
    measures = list(found["arms"][0]["accuracy"]["test"])
    figure, axes = _axes(len(measures))
    for axis, measure in zip(axes, measures, strict=True):
        for arm, color in zip(found["arms"], cycle(COLORS), strict=False):
            of = arm["accuracy"]["test"][measure]
            axis.plot(
                range(len(of)),
                [_defined(e["mean"]) for e in of],
                color=color,
                marker="o",
                label=arm["name"],
            )
            if all(e["low"] is not None for e in of):
                axis.fill_between(
                    range(len(of)),
                    [e["low"] for e in of],
                    [e["high"] for e in of],
                    color=color,
                    alpha=0.12,
                    linewidth=0,
                )
        axis.set(
            title=measure,
            xlabel="iteration (0 = base)",
            xticks=range(max(a["rounds"] for a in found["arms"]) + 1),
            ylim=(0, 1),
        )
    axes[0].legend(fontsize=7, frameon=False)
    return _png(figure)


LOG_SPAN = 20  # the largest value of a field over the smallest, above which its axis is logarithmic


def sweep(found: dict[str, Any], dpi: int = FINE) -> bytes:
    """PNG with the accuracy of every point of a sweep after its last round, with intervals:
    against the swept field where that is one number, else point by point. Colours are of
    measures; the transfer split is hollow and dashed."""
    arms, field = found["arms"], numeric_field(found)
    accuracy = arms[0]["accuracy"]
    several = len(accuracy["test"]) > 1
    lines = [
        (split, measure, color)
        for split, of in accuracy.items()
        for measure, color in zip(of, cycle(COLORS), strict=False)
    ]
    figure, (axis,) = _axes(1, 6.4, 3.6 if field else 1.6 + 0.26 * len(arms))
    values = (
        [found["sweep"]["points"][arm["name"]][field] for arm in arms]
        if field
        else range(len(arms))
    )
    order = sorted(range(len(arms)), key=values.__getitem__)
    for place, (split, measure, color) in enumerate(lines):
        last = [arms[i]["accuracy"][split][measure][-1] for i in order]
        means = [_defined(e["mean"]) for e in last]
        bars = [
            [_length(e, "mean", "low") for e in last],
            [_length(e, "high", "mean") for e in last],
        ]
        label = f"{measure}, {split}" if several else split
        solid = split == "test"
        style = {
            "color": color,
            "marker": "o",
            "capsize": 2,
            "label": label,
            "markerfacecolor": color if solid else "white",
        }
        if field:
            axis.errorbar(
                [values[i] for i in order],
                means,
                yerr=bars,
                linestyle="-" if solid else "--",
                **style,
            )
        else:
            offset = 0.5 * ((place + 0.5) / len(lines) - 0.5)
            axis.errorbar(means, [i + offset for i in order], xerr=bars, linestyle="", **style)
    if field:
        if min(values) > 0 and max(values) > LOG_SPAN * min(values):
            axis.set_xscale("log")
        axis.set(title="Greedy accuracy after the last round", xlabel=field, ylim=(-0.02, 1.02))
        axis.set_xticks(values, [f"{value:g}" for value in values], fontsize=8)
        axis.minorticks_off()
    else:
        axis.grid(axis="x", color="#e6e6e6", linewidth=0.8)
        axis.set(title="Greedy accuracy after the last round", xlim=(-0.02, 1.02))
        axis.set_yticks(range(len(arms)), [short(found, arm["name"]) for arm in arms], fontsize=8)
        axis.invert_yaxis()
    figure.legend(
        *axis.get_legend_handles_labels(), fontsize=7, frameon=False, loc="outside right upper"
    )
    return _png(figure, dpi)


def _length(estimate: dict[str, Any], above: str, below: str) -> float:
    """Of one side of an error bar; none where there is no interval."""
    return (
        0.0
        if estimate[above] is None or estimate[below] is None
        else max(0.0, estimate[above] - estimate[below])
    )


def _png(figure, dpi: int = FINE) -> bytes:
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    plt.close(figure)
    return buffer.getvalue()
