"""Compare the points of a sweep in one table and one figure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from selftrain_assets.config.sweep import Sweep
from selftrain_assets.domain.errors import TaskError
from selftrain_assets.pipeline.run import Run
from selftrain_assets.reports import figures
from selftrain_assets.reports.arms import Arm
from selftrain_assets.reports.comparison import Comparison, SweepPoints, compare_arms, write_page
from selftrain_assets.reports.reading import summarize
from selftrain_assets.reports.tables import Titled, estimated

FEW = 6  # names in one sentence


def compare_sweep(name: str, sweep: Sweep, runs: Mapping[str, Sequence[Run]]) -> Comparison:
    """Compare the points of a sweep that are finished with every seed.

    A run is finished if it has as many rounds as the run with most rounds, or all rounds of its
    own.

    Args:
        name: The experiment that has the sweep.
        sweep: Its points.
        runs: The runs of each point, by its name.

    Raises:
        TaskError: No point is finished.
    """
    all_runs = [run for of_point in runs.values() for run in of_point]
    summaries = {run.name: summarize(run) for run in all_runs}
    furthest = max(len(summary.iterations) for summary in summaries.values())
    if not furthest:
        raise TaskError(
            f"{name}: no round of any point of its sweep is finished; run `selftrain run {name}"
            " --sweep` first"
        )
    left_out = {}
    for run in all_runs:
        done, wanted = len(summaries[run.name].iterations), min(furthest, run.config.rounds)
        if done < wanted:
            left_out[run.name] = (
                f"{done} of {wanted} rounds are finished" if done else "no round is finished"
            )
    arms = []
    for point, of_point in runs.items():
        if not any(run.name in left_out for run in of_point):
            arms.append(Arm(point, of_point, [summaries[run.name] for run in of_point]))
    if not arms:
        raise TaskError(
            f"{name}: no point of its sweep is finished with every seed; run `selftrain run {name}"
            " --sweep` first"
        )
    changes = {f"{name}-{end}": settings for end, settings in sweep.named.items()}
    points = SweepPoints(name, {arm.name: changes[arm.name] for arm in arms}, left_out)
    comparison = compare_arms(arms)
    terms = [*comparison.terms]
    if left_out:
        terms.append(
            "Not finished, and left out:"
            f" {_few([f'{run} ({why})' for run, why in left_out.items()])}."
        )
    return replace(comparison, terms=terms, sweep=points)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")


def _points(comparison: Comparison) -> SweepPoints:
    assert comparison.sweep is not None
    return comparison.sweep


def short(comparison: Comparison, arm: str) -> str:
    """Return the name of a point without that of its experiment."""
    return arm.removeprefix(f"{_points(comparison).experiment}-")


def numeric_field(comparison: Comparison) -> tuple[str, list[float]] | None:
    """Return the swept field and its value at each point, if points differ in one number only."""
    points = [_points(comparison).points[arm.name] for arm in comparison.arms]
    fields = {field for point in points for field in point}
    if len(fields) != 1 or len(points) < 2 or not all(points):
        return None
    (field,) = fields
    values = [point[field] for point in points]
    numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )
    return (field, values) if numbers else None


def sweep_figure(comparison: Comparison, dpi: int = figures.FINE) -> bytes:
    """Draw the accuracy of every point after its last round.

    Each measure has a colour; the transfer split is hollow and dashed.

    Returns:
        A PNG image.
    """
    series = []
    for split in comparison.splits:
        measures = comparison.measures(split)
        for color, measure in enumerate(measures):
            label = f"{measure}, {split}" if len(measures) > 1 else split
            estimates = [arm.accuracy[split][measure][-1] for arm in comparison.arms]
            series.append(figures.Series(label, estimates, color, split == "test"))
    return figures.sweep(
        series,
        [short(comparison, arm.name) for arm in comparison.arms],
        numeric_field(comparison),
        dpi,
    )


def sweep_table(comparison: Comparison) -> Titled:
    """Return a table with a row for each point.

    On each split it has the mean of each measure with its interval, and the paired difference from
    the first point.
    """
    arms, first = comparison.arms, comparison.arms[0]
    cells = [
        (split, measure) for split in comparison.splits for measure in comparison.measures(split)
    ]
    less = {
        (each.arm, each.split, each.measure): estimated(each.estimate, "+")
        for each in comparison.differences
    }
    header = [""]
    for split, measure in cells:
        title = f"{split} {measure}" if len(comparison.measures(split)) > 1 else split
        header += [title, f"{title} less {short(comparison, first.name)}"]
    rows, bases = [], set()
    for arm in arms:
        row = [short(comparison, arm.name)]
        for split, measure in cells:
            row += [
                estimated(arm.accuracy[split][measure][-1]),
                less.get((arm.name, split, measure), ""),
            ]
        rows.append([*row, *arm.terms])
        bases.add(tuple(str(arm.accuracy[split][measure][0]) for split, measure in cells))
    if len(bases) == 1:
        base = ["base"]
        for split, measure in cells:
            base += [estimated(first.accuracy[split][measure][0]), ""]
        rows.insert(0, [*base, "", "", "", ""])
    seeds = comparison.seeds
    of_seeds = f"seed {seeds[0]}, paired by problem where the problems are the same"
    if len(seeds) > 1:
        of_seeds = f"{len(seeds)} seeds, paired by seed"
    title = (
        f"{_points(comparison).experiment}: greedy accuracy after the last round with 95%"
        f" intervals, {of_seeds}"
    )
    return Titled(title, [*header, "rounds", "drawn", "last rows", "steps"], rows)


def write_sweep(comparison: Comparison, root: Path) -> tuple[Path, bool]:
    """Write the comparison of a sweep below a store's root, as JSON, figure, Markdown and HTML.

    Returns:
        The path of the HTML file, and whether it has changed.
    """
    experiment = _points(comparison).experiment
    folder = root / "comparisons" / f"{experiment}.sweep"  # no experiment has a dot in its name
    numbers, page = folder / "comparison.json", folder / "comparison.html"
    if (
        page.is_file()
        and numbers.is_file()
        and json.loads(numbers.read_text()) == comparison.to_json()
    ):
        return page, False
    return (
        write_page(
            comparison,
            folder,
            f"{experiment}: sweep",
            sweep_figure(comparison),
            [sweep_table(comparison)],
        ),
        True,
    )
