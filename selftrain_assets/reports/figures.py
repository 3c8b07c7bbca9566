"""Figures of an experiment, from the numbers of reports/summary.py."""

from __future__ import annotations

import io
from typing import Any

INK, GREY, BLUE, ORANGE = "#222222", "#8a8a8a", "#1f6fb4", "#d9822b"


def overview(summary: dict[str, Any]) -> bytes:
    """PNG with held-out accuracy by iteration, pass@k of base and last, and the yield of each round."""
    figure, (left, middle, right) = _axes(3)
    _accuracy(left, summary)
    _pass_at_k(middle, summary)
    _yield(right, summary)
    return _png(figure)


def _axes(count: int):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, count, figsize=(4.6 * count, 3.6), layout="constrained")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#e6e6e6", linewidth=0.8)
        axis.set_axisbelow(True)
    return figure, axes


def _accuracy(axis, summary: dict[str, Any]) -> None:
    points = [summary["baseline"], *summary["iterations"]]
    rounds = list(range(len(points)))
    means = [p["greedy_accuracy"] for p in points]
    low, high = zip(*(p["greedy_accuracy_interval"] for p in points), strict=True)
    axis.plot(rounds, [p.get("train_accuracy") for p in points], color=GREY, marker=".", linestyle=":", label="training problems")
    axis.errorbar(
        rounds,
        means,
        yerr=[[m - lo for m, lo in zip(means, low, strict=True)], [hi - m for m, hi in zip(means, high, strict=True)]],
        color=BLUE,
        marker="o",
        capsize=3,
        label="held-out problems",
    )
    for control, style in zip(summary["human_only"], ("--", "-."), strict=False):
        axis.axhline(
            control["greedy_accuracy"], color=ORANGE, linestyle=style, linewidth=1.2, label=f"human rows only, {control['steps']} steps"
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
        axis.plot(ks, [point["pass_at_k"][str(k)] for k in ks], marker="o", color=color, label=label)
        if bands := [point["pass_at_k_interval"][str(k)] for k in ks]:
            axis.fill_between(ks, *zip(*bands, strict=True), color=color, alpha=0.15, linewidth=0)
    axis.set_xscale("log", base=2)
    ticks = sorted({int(k) for k in summary["baseline"]["pass_at_k"]})
    axis.set(title="pass@k on held-out problems", xlabel="k", xticks=ticks, xticklabels=ticks, ylim=(0, 1))
    axis.legend(fontsize=7, frameon=False)


def _yield(axis, summary: dict[str, Any]) -> None:
    rounds = [p["iteration"] for p in summary["iterations"]]
    for offset, (name, label, color) in enumerate(
        (("samples", "samples", "#c9d8e6"), ("correct", "verified correct", "#7fadd4"), ("kept_rows", "training rows", BLUE))
    ):
        axis.bar(
            [r + 0.27 * (offset - 1) for r in rounds],
            [p["counts"][name] for p in summary["iterations"]],
            width=0.25,
            color=color,
            label=label,
        )
    axis.set(title="From samples to training rows", xlabel="iteration", xticks=rounds)
    axis.set_ylim(0, axis.get_ylim()[1] * 1.15)  # room for the legend
    axis.legend(fontsize=7, frameon=False, ncols=3, loc="upper center")


def _png(figure) -> bytes:
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    plt.close(figure)
    return buffer.getvalue()
