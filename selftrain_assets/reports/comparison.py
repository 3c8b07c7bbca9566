"""Experiments beside one another, each with one seed or several: accuracy with intervals, paired
differences, and on what terms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from math import isnan
from pathlib import Path
from statistics import fmean
from typing import Any

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.statistics import Estimate, estimate, over_seeds, paired_difference
from selftrain_assets.domain.types import Row
from selftrain_assets.pipeline.run import BASE, INPUTS, Run, iteration_scope
from selftrain_assets.reports.arms import Arm, Asked, Scores
from selftrain_assets.reports.render import Page
from selftrain_assets.reports.summary import plain
from selftrain_assets.reports.tables import Titled, estimated
from selftrain_assets.runtime.files import write_atomically

SPLITS = ("test", "transfer")
LONGEST_NAME = 120  # characters
MOST_NAMED = 6  # arms of which a sentence gives the number of each


def compare(names: Sequence[str], runs: Sequence[Sequence[Run]]) -> dict[str, Any]:
    """Everything that a comparison says. `runs` holds those of each name, in the same order of
    seeds for every name.

    With several seeds an interval is Student's over seeds, and a difference is paired by seed. With
    one, and with seeds that all agree, which say no more than one of them, it is over held-out
    problems: Wilson's, and Newcombe's for a difference, paired by problem.
    """
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise UserError(f'compare: "{twice[0]}" is named twice')
    arms = [Arm.of(name, repeated) for name, repeated in zip(names, runs, strict=True)]
    return plain(compare_arms(arms) | {"rows": [_rows(arm, arms[0]) for arm in arms[1:]]})


def compare_arms(arms: Sequence[Arm]) -> dict[str, Any]:
    """Their numbers, and on what terms they are compared."""
    splits = [
        split for split in SPLITS if all(run.split(split) for arm in arms for run in arm.runs)
    ]
    asked = Asked.of(arms, splits)
    return {
        "seeds": [run.config.seed for run in arms[0].runs],
        "arms": [_arm(arm, splits, asked) for arm in arms],
        "differences": [
            d
            for arm in arms[1:]
            for split in splits
            for d in _differences(arm, arms[0], split, asked)
        ],
        "terms": _terms(arms),
    }


def _arm(arm: Arm, splits: Sequence[str], asked: Asked) -> dict[str, Any]:
    by_round = {
        split: [arm.scores(i, split, asked) for i in range(arm.rounds + 1)] for split in splits
    }
    return {
        "name": arm.name,
        "rounds": arm.rounds,
        "accuracy": {
            split: {m: [asdict(accuracy(p[m])) for p in of] for m in of[0]}
            for split, of in by_round.items()
        },
        "by_seed": {
            split: {m: [_means(p[m]) for p in of] for m in of[0]} for split, of in by_round.items()
        },
        "drawn": arm.drawn(),
        "rows": fmean(
            s["iterations"][arm.rounds - 1]["counts"]["kept_rows"] for s in arm.summaries
        ),
        "optimizer_steps": arm.total("optimizer_steps"),
    }


def _means(seeds: Sequence[Scores]) -> list[float]:
    return [fmean(scores.values()) if scores else float("nan") for scores in seeds]


def accuracy(seeds: Sequence[Scores]) -> Estimate:
    """Over seeds; where these have no spread, over the problems of the first."""
    found = over_seeds(_means(seeds))
    return estimate(list(seeds[0].values())) if isnan(found.low) else found


def _differences(arm: Arm, less: Arm, split: str, asked: Asked) -> list[dict[str, Any]]:
    """After the last round of each: this arm less the first."""
    before, after = (each.scores(each.rounds, split, asked) for each in (less, arm))
    by_problem = _share([less, arm], INPUTS, "problems")
    return [
        {
            "arm": arm.name,
            "less": less.name,
            "split": split,
            "measure": m,
            **asdict(difference(before[m], after[m], by_problem)),
        }
        for m in before
    ]


def difference(before: Sequence[Scores], after: Sequence[Scores], by_problem: bool) -> Estimate:
    """Paired by seed; where seeds have no spread, by problem, if those are the same
    (`by_problem`), else without an interval."""
    found = over_seeds([b - a for a, b in zip(_means(before), _means(after), strict=True)])
    if isnan(found.low) and by_problem and before[0].keys() == after[0].keys():
        return paired_difference(list(before[0].values()), [after[0][id] for id in before[0]])
    return found


def _rows(arm: Arm, first: Arm) -> dict[str, Any]:
    """Which rows the last rounds have in common, by prompt and completion; of all seeds
    together."""
    counts = {"shared": 0, "only_first": 0, "only_this": 0}
    for before, after in zip(first.runs, arm.runs, strict=True):
        with after.store.workspace() as ws:
            rows = [
                ws.read(
                    Row, [run.store.table(run.need(iteration_scope(iteration), "dataset"), "rows")]
                )
                for run, iteration in ((before, first.rounds), (after, arm.rounds))
            ]
            shared, only_first, only_this = ws.row("rows.overlap", first=rows[0], this=rows[1])
        counts["shared"] += shared
        counts["only_first"] += only_first
        counts["only_this"] += only_this
    return {"arm": arm.name, "less": first.name, **counts}


def _share(arms: Sequence[Arm], scope: str, stage: str) -> bool:
    """Seed by seed, is it the same in every arm?"""
    return all(
        len({run.need(scope, stage).digest for run in of_seed}) == 1
        for of_seed in zip(*(arm.runs for arm in arms), strict=True)
    )


def _terms(arms: Sequence[Arm]) -> list[str]:
    """Sentences on what the arms share, and on what they do not."""
    if len(arms) < 2:
        return []

    told = [
        f"{what}: {'the same in every arm' if _share(arms, *of) else 'NOT the same in every arm'}."
        for what, of in {"Problems": (INPUTS, "problems"), "Base": (BASE, "checkpoint")}.items()
    ]
    told += [
        f"{arm.name}: forked from {fork}." for arm in arms for fork in arm.runs[0].config.forks
    ]
    steps, drawn = (
        {arm.name: arm.total("optimizer_steps") for arm in arms},
        {arm.name: arm.drawn() for arm in arms},
    )
    for what, counts in {"Optimizer steps": steps, "Drawn samples": drawn}.items():
        amounts = {name: f"{count:,.0f}" for name, count in counts.items()}
        if len(set(amounts.values())) == 1:
            told.append(f"{what}: {amounts[arms[0].name]} in every arm.")
        elif len(arms) <= MOST_NAMED:
            told.append(
                f"{what}: {', '.join(f'{name} {amount}' for name, amount in amounts.items())}."
            )
        else:
            fewest, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
            told.append(f"{what}: from {amounts[fewest]} ({fewest}) to {amounts[most]} ({most}).")
    return told


def comparison_tables(found: dict[str, Any]) -> list[Titled]:
    """The arms on each split, and how far each is from the first."""
    several = len(found["seeds"]) > 1
    seeds = f"{len(found['seeds'])} seeds" if several else f"seed {found['seeds'][0]}"
    tables = [
        table
        for split in found["arms"][0]["accuracy"]
        for table in (
            _arms(found, split, seeds),
            _less(found, split, "seed" if several else "problem where the problems are the same"),
        )
    ]
    counts = [
        [d["arm"], *(f"{d[count]:,}" for count in ("shared", "only_first", "only_this"))]
        for d in found["rows"]
    ]
    first = found["arms"][0]["name"]
    tables.append(
        Titled(
            "Distinct training rows of the last round",
            ["", f"also of {first}", f"only of {first}", "only its own"],
            counts,
        )
    )
    return [table for table in tables if table.rows]


def _arms(found: dict[str, Any], split: str, seeds: str) -> Titled:
    accuracy = {arm["name"]: arm["accuracy"][split] for arm in found["arms"]}
    measures = list(found["arms"][0]["accuracy"][split])
    bases: dict[tuple[str, ...], list[str]] = {}
    for name, of in accuracy.items():
        bases.setdefault(tuple(interval(of[m][0]) for m in measures), []).append(name)
    rows = [
        ["base" if len(bases) == 1 else f"base of {', '.join(of)}", *cells, "", "", "", ""]
        for cells, of in bases.items()
    ]
    for arm in found["arms"]:
        counts = [f"{arm[count]:,.0f}" for count in ("rounds", "drawn", "rows", "optimizer_steps")]
        rows.append(
            [arm["name"], *(interval(accuracy[arm["name"]][m][-1]) for m in measures), *counts]
        )
    title = f"Greedy accuracy on the {split} split after the last round, {seeds}, 95% intervals"
    return Titled(title, ["", *measures, "rounds", "drawn", "last rows", "steps"], rows)


def _less(found: dict[str, Any], split: str, paired_by: str) -> Titled:
    cells: dict[str, dict[str, str]] = {}
    for d in found["differences"]:
        if d["split"] == split:
            cells.setdefault(d["arm"], {})[d["measure"]] = interval(d, "+")
    measures = list(found["arms"][0]["accuracy"][split])
    title = f"Less {found['arms'][0]['name']} on the {split} split, paired by {paired_by}"
    return Titled(
        title, ["", *measures], [[name, *(of[m] for m in measures)] for name, of in cells.items()]
    )


def interval(estimate: dict[str, Any], sign: str = "") -> str:
    """Of an estimate as JSON holds it."""
    return estimated(estimate["mean"], (estimate["low"], estimate["high"]), sign)


def folder_name(parts: Sequence[str]) -> str:
    """Where a comparison of these lies; what is too long for a folder's name is cut, and told
    apart by its digest."""
    name = "+".join(parts)
    return (
        name
        if len(name) <= LONGEST_NAME
        else f"{name[:LONGEST_NAME]}-{fingerprint('comparison', name)[:8]}"
    )


def write_comparison(found: dict[str, Any], folder: Path) -> Path:
    """Write comparison.json, .png, .md and .html; returns the HTML file."""
    from selftrain_assets.reports.figures import comparison

    return write_page(
        found,
        folder,
        " and ".join(arm["name"] for arm in found["arms"]),
        comparison(found),
        comparison_tables(found),
    )


def write_page(
    found: dict[str, Any], folder: Path, title: str, png: bytes, tables: Sequence[Titled]
) -> Path:
    """The same, with this figure and these tables."""
    page = Page(
        title, figures={"comparison": png}, notes=[" ".join(found["terms"])], sections=tables
    )
    write_atomically(folder / "comparison.json", json.dumps(found, indent=1))
    write_atomically(folder / "comparison.png", png)
    write_atomically(folder / "comparison.md", page.markdown())
    write_atomically(folder / "comparison.html", page.html())
    return folder / "comparison.html"
