"""The points of a sweep beside one another: one table, one figure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selftrain_assets.config.sweep import Sweep
from selftrain_assets.domain.errors import TaskError
from selftrain_assets.pipeline.run import Run
from selftrain_assets.reports.arms import Arm
from selftrain_assets.reports.comparison import compare_arms, interval, write_page
from selftrain_assets.reports.summary import plain, summarize
from selftrain_assets.reports.tables import Titled

FEW = 6  # names in one sentence


def compare_sweep(name: str, sweep: Sweep, runs: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """Everything that `comparison.compare` says of experiments, of the points of which every
    seed is finished; `runs` are those of each point, by its name. Finished is what has come as
    far as the furthest, or to its own last round. TaskError where there is none."""
    summaries = {run.name: summarize(run) for of in runs.values() for run in of}
    rounds = {run: len(summary["iterations"]) for run, summary in summaries.items()}
    furthest = max(rounds.values())
    if not furthest:
        raise TaskError(
            f"{name}: no round of any point of its sweep is finished; run `selftrain run {name}"
            " --sweep` first"
        )
    wanted = {run.name: min(furthest, run.config.rounds) for of in runs.values() for run in of}
    left_out = {
        run: f"{done} of {wanted[run]} rounds are finished" if done else "no round is finished"
        for run, done in rounds.items()
        if done < wanted[run]
    }
    arms = [
        Arm(point, of, [summaries[run.name] for run in of])
        for point, of in runs.items()
        if not any(r.name in left_out for r in of)
    ]
    if not arms:
        raise TaskError(
            f"{name}: no point of its sweep is finished with every seed; run `selftrain run {name}"
            " --sweep` first"
        )
    found = compare_arms(arms)
    named = {f"{name}-{end}": changes for end, changes in sweep.named.items()}
    found["sweep"] = {
        "experiment": name,
        "points": {arm.name: named[arm.name] for arm in arms},
        "left_out": left_out,
    }
    if left_out:
        found["terms"].append(
            "Not finished, and left out:"
            f" {_few([f'{run} ({why})' for run, why in left_out.items()])}."
        )
    return plain(found)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")


def short(found: dict[str, Any], arm: str) -> str:
    """The name of a point without that of its experiment."""
    return arm.removeprefix(f"{found['sweep']['experiment']}-")


def numeric_field(found: dict[str, Any]) -> str | None:
    """The field, where the points differ in one alone, and by a number."""
    points = found["sweep"]["points"].values()
    fields = {field for point in points for field in point}
    values = [value for point in points for value in point.values()]
    numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )
    return fields.pop() if len(fields) == 1 and numbers and len(values) == len(points) > 1 else None


def sweep_table(found: dict[str, Any]) -> Titled:
    """A row for each point: on each split the mean of each measure with its interval, and the
    paired difference from the first point."""
    arms, first = found["arms"], found["arms"][0]["name"]
    accuracy = first_of = arms[0]["accuracy"]
    cells = [(split, measure) for split, of in accuracy.items() for measure in of]
    less = {(d["arm"], d["split"], d["measure"]): interval(d, "+") for d in found["differences"]}
    header, several = [""], len(next(iter(first_of.values()))) > 1
    for split, measure in cells:
        title = f"{split} {measure}" if several else split
        header += [title, f"{title} less {short(found, first)}"]
    bases = {
        json.dumps([arm["accuracy"][split][measure][0] for split, measure in cells]) for arm in arms
    }
    rows = []
    if len(bases) == 1:
        base = [
            text for split, measure in cells for text in (interval(accuracy[split][measure][0]), "")
        ]
        rows.append(["base", *base, "", "", "", ""])
    for arm in arms:
        row = [short(found, arm["name"])]
        for split, measure in cells:
            row += [
                interval(arm["accuracy"][split][measure][-1]),
                less.get((arm["name"], split, measure), ""),
            ]
        rows.append(
            [
                *row,
                *(f"{arm[count]:,.0f}" for count in ("rounds", "drawn", "rows", "optimizer_steps")),
            ]
        )
    seeds = found["seeds"]
    of = (
        f"{len(seeds)} seeds, paired by seed"
        if len(seeds) > 1
        else f"seed {seeds[0]}, paired by problem where the problems are the same"
    )
    title = (
        f"{found['sweep']['experiment']}: greedy accuracy after the last round with 95% intervals,"
        f" {of}"
    )
    return Titled(title, [*header, "rounds", "drawn", "last rows", "steps"], rows)


def write_sweep(found: dict[str, Any], root: Path) -> tuple[Path, bool]:
    """Write the comparison below a store's root as JSON, figure, Markdown and HTML; returns the
    HTML file, and whether it says anything new."""
    from selftrain_assets.reports.figures import sweep

    # no experiment has a dot in its name
    folder = root / "comparisons" / f"{found['sweep']['experiment']}.sweep"
    numbers, page = folder / "comparison.json", folder / "comparison.html"
    if page.is_file() and numbers.is_file() and json.loads(numbers.read_text()) == found:
        return page, False
    title = f"{found['sweep']['experiment']}: sweep"
    return write_page(found, folder, title, sweep(found), [sweep_table(found)]), True
