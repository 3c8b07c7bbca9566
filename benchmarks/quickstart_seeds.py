"""The quickstart with five seeds, each with a data split of its own: python
benchmarks/quickstart_seeds.py STORE docs [SEED ...]

With SEEDs, only runs those, so that several processes can share the work; without, runs what is
missing and writes docs/quickstart-seeds.json and .png, and prints the table of docs/quickstart.md.
Every arm of every seed is listed; none is left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from selftrain_assets.config.experiment_files import load_experiment
from selftrain_assets.pipeline.loop import human_only, walk
from selftrain_assets.pipeline.run import Run
from selftrain_assets.reports import summarize
from selftrain_assets.reports.tables import number
from selftrain_assets.store import Store

SEEDS = range(5)


def main(store: Path, output: Path) -> None:
    summaries = [one_seed(Store(store.absolute()), seed) for seed in SEEDS]
    output.mkdir(parents=True, exist_ok=True)
    (output / "quickstart-seeds.json").write_text(json.dumps(summaries, indent=1) + "\n")
    print(table(summaries))
    (output / "quickstart-seeds.png").write_bytes(figure(summaries))


def one_seed(store: Store, seed: int) -> dict[str, Any]:
    config = load_experiment("quickstart")
    config = config.model_copy(
        update={"seed": seed, "task": config.task.model_copy(update={"seed": seed})}
    )
    run = Run(f"quickstart-seed-{seed}", config, store)
    for m in walk(run, range(1, config.rounds + 1)):
        print(m.experiment, m.scope, m.stage, f"{m.seconds:.1f} s", flush=True)
    human_only(run)
    return summarize(run).to_json()


def table(summaries: list[dict[str, Any]]) -> str:
    """Greedy accuracy on the 300 test problems of each split, with 95% intervals, and the
    seconds by stage."""
    rounds = [str(p["iteration"]) for p in summaries[0]["iterations"]]
    steps = [f"human rows only, {c['steps']} steps" for c in summaries[0]["human_only"]]
    lines = [
        "| seed | base | "
        + " | ".join(f"iteration {r}" for r in rounds)
        + " | "
        + " | ".join(steps)
        + " | gain over base |",
        "|---" * (4 + len(rounds) + len(steps) - 1) + "|",
    ]
    for s in summaries:
        points = [s["baseline"], *s["iterations"], *s["human_only"]]
        low, high = s["iterations"][-1]["gain_over_base_interval"]
        lines.append(
            f"| {s['seed']} | "
            + " | ".join(cell(p) for p in points)
            + f" | {s['iterations'][-1]['gain_over_base']:+.3f} [{low:+.3f}, {high:+.3f}] |"
        )
    for title, name in (
        ("train problems", "train_accuracy"),
        ("transfer split", "transfer_accuracy"),
    ):
        lines += [
            "",
            f"Greedy accuracy, {title}:",
            "",
            "| seed | base | "
            + " | ".join(f"iteration {r}" for r in rounds)
            + " | "
            + " | ".join(steps)
            + " |",
            "|---" * (2 + len(rounds) + len(steps)) + "|",
        ]
        lines += [
            f"| {s['seed']} | "
            + " | ".join(
                number(p[name]) for p in [s["baseline"], *s["iterations"], *s["human_only"]]
            )
            + " |"
            for s in summaries
        ]
    return "\n".join(lines) + "\n"


def cell(point: dict[str, Any]) -> str:
    low, high = point["greedy_accuracy_interval"]
    return f"{number(point['greedy_accuracy'])} [{number(low)}, {number(high)}]"


def figure(summaries: list[dict[str, Any]]) -> bytes:
    import io

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    drawn, axis = plt.subplots(figsize=(6.4, 4), layout="constrained")
    for s in summaries:
        points = [s["baseline"], *s["iterations"]]
        means = [p["greedy_accuracy"] for p in points]
        line = axis.plot(range(len(points)), means, marker="o", label=f"seed {s['seed']}")[0]
        axis.fill_between(
            range(len(points)),
            *zip(*(p["greedy_accuracy_interval"] for p in points), strict=True),
            color=line.get_color(),
            alpha=0.1,
            linewidth=0,
        )
        axis.plot(
            [len(points) - 1 + 0.25],
            [s["human_only"][-1]["greedy_accuracy"]],
            marker="x",
            color=line.get_color(),
        )
    axis.set(
        title="Held-out greedy accuracy, 95% intervals",
        xlabel="iteration (0 = base); x: human rows only, steps of all rounds",
        xticks=range(len(points)),
        ylim=(0, 1),
    )
    axis.grid(axis="y", color="#e6e6e6")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8)
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    if sys.argv[3:]:
        for seed in map(int, sys.argv[3:]):
            one_seed(Store(Path(sys.argv[1]).absolute()), seed)
    else:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
