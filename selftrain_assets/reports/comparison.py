"""Compare experiments, each with one or several seeds.

A comparison has accuracies with intervals, paired differences, and how far the terms were equal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isnan
from pathlib import Path
from statistics import fmean
from typing import Any

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.statistics import Estimate, estimate, over_seeds, paired_difference
from selftrain_assets.domain.types import Row
from selftrain_assets.pipeline.run import BASE, INPUTS, Run, iteration_scope
from selftrain_assets.reports import figures
from selftrain_assets.reports.arms import Arm, Measures
from selftrain_assets.reports.recipes import Scores
from selftrain_assets.reports.render import Page
from selftrain_assets.reports.summary import plain
from selftrain_assets.reports.tables import Titled, estimated
from selftrain_assets.runtime.files import write_atomically

SPLITS = ("test", "transfer")
LONGEST_NAME = 120  # characters
MOST_NAMED = 6  # arms of which a sentence gives the number of each

Course = Mapping[str, Mapping[str, Sequence[Estimate]]]
"""By split and measure: one estimate for each round, that of the base first."""


@dataclass(frozen=True, slots=True)
class ArmSummary:
    """The numbers of an arm.

    Attributes:
        rounds: Number of rounds that are finished for every seed.
        accuracy: Estimates over seeds.
        by_seed: As `accuracy`, with the accuracy of each seed in place of an estimate.
        drawn: Number of samples that its rounds learned from, averaged over seeds.
        rows: Number of training rows of the last round, averaged over seeds.
        optimizer_steps: Optimizer steps of all rounds, averaged over seeds.
    """

    name: str
    rounds: int
    accuracy: Course
    by_seed: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]
    drawn: float
    rows: float
    optimizer_steps: float

    @property
    def terms(self) -> list[str]:
        """Rounds, drawn samples, rows and steps, formatted for a table."""
        return [
            f"{count:,.0f}" for count in (self.rounds, self.drawn, self.rows, self.optimizer_steps)
        ]


@dataclass(frozen=True, slots=True)
class Difference:
    """The accuracy of `arm` minus that of `less`, after the last round of each."""

    arm: str
    less: str
    split: str
    measure: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class SharedRows:
    """The number of distinct training rows that the last rounds of two arms have in common.

    Attributes:
        arm: The arm that is compared.
        less: The arm that it is compared with.
        shared: Number of rows that both have.
        only_first: Number of rows that only `less` has.
        only_this: Number of rows that only `arm` has.
    """

    arm: str
    less: str
    shared: int = 0
    only_first: int = 0
    only_this: int = 0


@dataclass(frozen=True, slots=True)
class SweepPoints:
    """The sweep whose points are compared.

    Attributes:
        experiment: The experiment that has the sweep.
        points: The settings of each point.
        left_out: The runs that are not finished, each with the reason.
    """

    experiment: str
    points: Mapping[str, Mapping[str, Any]]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a comparison.

    Attributes:
        seeds: Seeds of every arm.
        arms: The numbers of each arm.
        differences: Differences from the first arm.
        terms: Sentences on what is and what is not equal in all arms.
        rows: Training rows in common; None if rows are not compared.
        sweep: The sweep, if the arms are its points.
    """

    seeds: Sequence[int]
    arms: Sequence[ArmSummary]
    differences: Sequence[Difference]
    terms: Sequence[str]
    rows: Sequence[SharedRows] | None = None
    sweep: SweepPoints | None = None

    @property
    def splits(self) -> list[str]:
        return list(self.arms[0].accuracy)

    def measures(self, split: str) -> list[str]:
        """Return the measures that all arms have on a split."""
        return list(self.arms[0].accuracy[split])

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as `compare --json` prints them; undefined numbers are None."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        for difference in values["differences"]:
            difference |= difference.pop("estimate")
        return plain(values)


def compare(names: Sequence[str], runs: Sequence[Sequence[Run]]) -> Comparison:
    """Compare experiments, each with the same seeds.

    With several seeds intervals are Student's over seeds, and differences are paired by seed. With
    one seed, or where all seeds agree and so say no more than one of them, intervals are over
    held-out problems: Wilson's, and Newcombe's for a difference, paired by problem.

    Args:
        names: Experiments; differences are from the first one.
        runs: The runs of each experiment, in the same order of seeds for every experiment.

    Raises:
        UserError: An experiment is named twice.
        TaskError: An experiment has no finished round.
    """
    for i, name in enumerate(names):
        if name in names[:i]:
            raise UserError(f'compare: "{name}" is named twice')
    arms = [Arm.of(name, repeated) for name, repeated in zip(names, runs, strict=True)]
    return replace(compare_arms(arms), rows=[_shared_rows(arm, arms[0]) for arm in arms[1:]])


def compare_arms(arms: Sequence[Arm]) -> Comparison:
    """Compare arms by their numbers, and describe on what terms they are compared."""
    splits = [
        split for split in SPLITS if all(run.split(split) for arm in arms for run in arm.runs)
    ]
    measures = Measures.of(arms, splits)
    differences: list[Difference] = []
    for arm in arms[1:]:
        for split in splits:
            differences += _differences(arm, arms[0], split, measures)
    seeds = [run.config.seed for run in arms[0].runs]
    return Comparison(
        seeds, [_summary(arm, splits, measures) for arm in arms], differences, _terms(arms)
    )


def _summary(arm: Arm, splits: Sequence[str], measures: Measures) -> ArmSummary:
    estimates: dict[str, dict[str, list[Estimate]]] = {split: {} for split in splits}
    by_seed: dict[str, dict[str, list[list[float]]]] = {split: {} for split in splits}
    for split in splits:
        for iteration in range(arm.rounds + 1):
            for measure, scores in arm.scores(iteration, split, measures).items():
                estimates[split].setdefault(measure, []).append(accuracy(scores))
                by_seed[split].setdefault(measure, []).append(_means(scores))
    rows = fmean(summary.iterations[arm.rounds - 1].counts.kept_rows for summary in arm.summaries)
    return ArmSummary(
        arm.name, arm.rounds, estimates, by_seed, arm.drawn(), rows, arm.optimizer_steps()
    )


def _means(seeds: Sequence[Scores]) -> list[float]:
    return [fmean(scores.values()) if scores else float("nan") for scores in seeds]


def accuracy(seeds: Sequence[Scores]) -> Estimate:
    """Estimate the accuracy over seeds, or over problems if all seeds agree.

    Over problems it is that of the first seed.
    """
    interval = over_seeds(_means(seeds))
    return estimate(list(seeds[0].values())) if isnan(interval.low) else interval


def _differences(arm: Arm, less: Arm, split: str, measures: Measures) -> list[Difference]:
    before, after = (
        less.scores(less.rounds, split, measures),
        arm.scores(arm.rounds, split, measures),
    )
    by_problem = _share([less, arm], INPUTS, "problems")
    return [
        Difference(
            arm.name,
            less.name,
            split,
            measure,
            difference(before[measure], after[measure], by_problem),
        )
        for measure in before
    ]


def difference(before: Sequence[Scores], after: Sequence[Scores], by_problem: bool) -> Estimate:
    """Estimate the difference of two arms, paired by seed.

    Where seeds all agree it is paired by problem, if `by_problem` and both have the same problems;
    else it has no interval.
    """
    interval = over_seeds([b - a for a, b in zip(_means(before), _means(after), strict=True)])
    if isnan(interval.low) and by_problem and before[0].keys() == after[0].keys():
        return paired_difference(list(before[0].values()), [after[0][id] for id in before[0]])
    return interval


def _shared_rows(arm: Arm, first: Arm) -> SharedRows:
    """Count shared rows by prompt and completion, summed over seeds."""
    counts = [0, 0, 0]
    for before, after in zip(first.runs, arm.runs, strict=True):
        tables = [
            run.store.table(run.need(iteration_scope(iteration), "dataset"), "rows")
            for run, iteration in ((before, first.rounds), (after, arm.rounds))
        ]
        with after.store.workspace() as ws:
            rows = [ws.read(Row, [table]) for table in tables]
            of_seed = ws.row("rows.overlap", first=rows[0], this=rows[1])
        counts = [total + count for total, count in zip(counts, of_seed, strict=True)]
    return SharedRows(arm.name, first.name, *counts)


def _share(arms: Sequence[Arm], scope: str, stage: str) -> bool:
    """Return whether the result of a stage is the same in every arm, for each seed."""
    digests = [[run.need(scope, stage).digest for run in arm.runs] for arm in arms]
    return all(digests_of_arm == digests[0] for digests_of_arm in digests)


def _terms(arms: Sequence[Arm]) -> list[str]:
    """Return sentences on what is and what is not equal in all arms."""
    if len(arms) < 2:
        return []
    terms = []
    for what, scope, stage in (("Problems", INPUTS, "problems"), ("Base", BASE, "checkpoint")):
        same = "the same" if _share(arms, scope, stage) else "NOT the same"
        terms.append(f"{what}: {same} in every arm.")
    for arm in arms:
        terms += [f"{arm.name}: forked from {fork}." for fork in arm.runs[0].config.forks]
    terms.append(_amounts("Optimizer steps", {arm.name: arm.optimizer_steps() for arm in arms}))
    terms.append(_amounts("Drawn samples", {arm.name: arm.drawn() for arm in arms}))
    return terms


def _amounts(what: str, counts: Mapping[str, float]) -> str:
    """Return a sentence with the count of each arm."""
    amounts = {name: f"{count:,.0f}" for name, count in counts.items()}
    if len(set(amounts.values())) == 1:
        return f"{what}: {next(iter(amounts.values()))} in every arm."
    if len(counts) <= MOST_NAMED:
        return f"{what}: {', '.join(f'{name} {amount}' for name, amount in amounts.items())}."
    fewest, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    return f"{what}: from {amounts[fewest]} ({fewest}) to {amounts[most]} ({most})."


# -- page ------------------------------------------------------------------------------------------


def comparison_tables(comparison: Comparison) -> list[Titled]:
    """Return tables of the accuracy of each arm and of its difference from the first, by split."""
    tables = []
    for split in comparison.splits:
        tables += [_accuracy_table(comparison, split), _difference_table(comparison, split)]
    first = comparison.arms[0].name
    rows = [
        [each.arm, f"{each.shared:,}", f"{each.only_first:,}", f"{each.only_this:,}"]
        for each in comparison.rows or ()
    ]
    tables.append(
        Titled(
            "Distinct training rows of the last round",
            ["", f"also of {first}", f"only of {first}", "only its own"],
            rows,
        )
    )
    return [table for table in tables if table.rows]


def _accuracy_table(comparison: Comparison, split: str) -> Titled:
    measures, seeds = comparison.measures(split), comparison.seeds
    bases: dict[tuple[str, ...], list[str]] = {}
    after = []
    for arm in comparison.arms:
        base = tuple(estimated(arm.accuracy[split][measure][0]) for measure in measures)
        bases.setdefault(base, []).append(arm.name)
        after.append(
            [
                arm.name,
                *(estimated(arm.accuracy[split][measure][-1]) for measure in measures),
                *arm.terms,
            ]
        )
    rows = []
    for base, names in bases.items():
        rows.append(
            ["base" if len(bases) == 1 else f"base of {', '.join(names)}", *base, "", "", "", ""]
        )
    of_seeds = f"{len(seeds)} seeds" if len(seeds) > 1 else f"seed {seeds[0]}"
    title = f"Greedy accuracy on the {split} split after the last round, {of_seeds}, 95% intervals"
    return Titled(title, ["", *measures, "rounds", "drawn", "last rows", "steps"], rows + after)


def _difference_table(comparison: Comparison, split: str) -> Titled:
    measures = comparison.measures(split)
    by_arm: dict[str, dict[str, str]] = {}
    for gain in comparison.differences:
        if gain.split == split:
            by_arm.setdefault(gain.arm, {})[gain.measure] = estimated(gain.estimate, "+")
    rows = [[name, *(cells[measure] for measure in measures)] for name, cells in by_arm.items()]
    paired_by = "seed" if len(comparison.seeds) > 1 else "problem where the problems are the same"
    return Titled(
        f"Less {comparison.arms[0].name} on the {split} split, paired by {paired_by}",
        ["", *measures],
        rows,
    )


def folder_name(parts: Sequence[str]) -> str:
    """Return the name of the folder of a comparison.

    A name that is too long is cut, and made unique by a digest.
    """
    name = "+".join(parts)
    return (
        name
        if len(name) <= LONGEST_NAME
        else f"{name[:LONGEST_NAME]}-{fingerprint('comparison', name)[:8]}"
    )


def write_comparison(comparison: Comparison, folder: Path) -> Path:
    """Write comparison.json, .png, .md and .html; returns the path of the HTML file."""
    title = " and ".join(arm.name for arm in comparison.arms)
    return write_page(
        comparison, folder, title, comparison_figure(comparison), comparison_tables(comparison)
    )


def comparison_figure(comparison: Comparison) -> bytes:
    """Draw the accuracy of every arm by iteration, with a panel for each measure on the test split.

    Returns:
        A PNG image.
    """
    measures = comparison.measures("test")
    return figures.comparison(
        {
            measure: {arm.name: arm.accuracy["test"][measure] for arm in comparison.arms}
            for measure in measures
        }
    )


def write_page(
    comparison: Comparison, folder: Path, title: str, png: bytes, tables: Sequence[Titled]
) -> Path:
    """Write a comparison with the given figure and tables.

    Returns:
        The path of the HTML file.
    """
    page = Page(
        title, figures={"comparison": png}, notes=[" ".join(comparison.terms)], sections=tables
    )
    write_atomically(folder / "comparison.json", json.dumps(comparison.to_json(), indent=1))
    write_atomically(folder / "comparison.png", png)
    write_atomically(folder / "comparison.md", page.markdown())
    write_atomically(folder / "comparison.html", page.html())
    return folder / "comparison.html"
