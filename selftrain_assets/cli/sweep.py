"""The option `--sweep`: run and compare all points of an experiment's sweep."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from selftrain_assets.cli.common import as_typed, open_run, print_json
from selftrain_assets.domain.errors import TaskError, UserError

if TYPE_CHECKING:
    from selftrain_assets.reports.comparison import Comparison

MOST_WORKERS = 2
PROGRAM = (sys.executable, "-m", "selftrain_assets.cli.sweep_process")
WORKERS = (
    f"with --sweep: points that run at once; default: {MOST_WORKERS}, at most one for each core. If"
    " the engine or the trainer uses a GPU, set 1, since two points would share its memory"
)


def runs_of(name: str, seeds: str | None) -> dict[str, list[str]]:
    """Return the experiments of each point, one for each seed, by the name of the point.

    Raises:
        UserError: The experiment's file has no sweep, or seeds were given on the command line.
    """
    from selftrain_assets.config.experiment_files import load_experiment, sweep_runs

    if seeds is not None:
        raise UserError(
            "--seeds: set the seeds of a sweep in its file, sweep.seeds, and leave --seeds out"
        )
    sweep = load_experiment(name).sweep
    if sweep is None:
        raise UserError(
            f"--sweep: {name} has no sweep; write one into its file, such as sweep: {{grid:"
            " {recipe.cap: [4, 8]}}"
        )
    return sweep_runs(name, sweep)


def run_sweep(
    name: str, rounds: str | None, seeds: str | None, workers: int | None, as_json: bool
) -> None:
    """Do what is owed of every point.

    If a point fails the others are still finished, and the exit code is 1.
    """
    from selftrain_assets.cli.ui import SweepDisplay
    from selftrain_assets.operations.sweep import Scheduler, cores
    from selftrain_assets.store import Store

    points, store = runs_of(name, seeds), Store.default()
    store.check_writable()
    names = [run for seeds in points.values() for run in seeds]
    with SweepDisplay(name, quiet=as_json) as display:
        scheduler = Scheduler(
            names, store, rounds, workers or min(MOST_WORKERS, cores()), display.changed, PROGRAM
        )
        display.runs = scheduler.runs
        try:
            scheduler.work()
        except KeyboardInterrupt:
            display.stopped()
            raise
    failed = [run for run in scheduler.runs if run.state == "failed"]
    failures = [
        {"experiment": run.name, "sentence": run.sentence, "again": _command(run.name, rounds)}
        for run in failed
    ]
    if any(run.state == "done" for run in scheduler.runs):
        _publish_comparison(name, points, as_json)
    if as_json:
        print_json(
            {"points": [run.summary for run in scheduler.runs if run.summary], "failures": failures}
        )
    else:
        _print_outcome(len(names), failures)
    if failures:
        raise typer.Exit(1)


def _command(run: str, rounds: str | None) -> str:
    return f"{as_typed()} run {run}{f' --rounds {rounds}' if rounds else ''}"


def _publish_comparison(name: str, points: dict[str, list[str]], quiet: bool) -> None:
    """Write the comparison, and report it to Dagster if it is new and there is an instance."""
    from selftrain_assets.dagster.sync import dagster_home

    try:
        comparison, page, new = _write_comparison(name, points)
    except TaskError:  # no point has all its seeds; the failures say why
        return
    if not quiet:
        _print(comparison, page)
    if new and dagster_home():
        from selftrain_assets.dagster.event_log import report_sweep

        report_sweep(name, comparison, page)


def _print_outcome(runs: int, failures: list[dict[str, str]]) -> None:
    from selftrain_assets.cli.ui import console

    console.print(f"{runs - len(failures)} of {runs} runs of the sweep are done.")
    for failure in failures:
        console.print(f"{failure['experiment']} failed: {failure['sentence']}", style="red")
        console.print(f"  fix it, then run: {failure['again']}")


def show_sweep(names: Sequence[str], seeds: str | None, as_json: bool) -> None:
    """Print the comparison of the points that are finished."""
    if len(names) != 1:
        raise UserError(
            "compare --sweep compares the points of one experiment: give one name, or leave --sweep"
            " out to compare experiments"
        )
    comparison, page, _ = _write_comparison(names[0], runs_of(names[0], seeds))
    if as_json:
        print_json(comparison.to_json())
    else:
        _print(comparison, page)


def _write_comparison(name: str, points: dict[str, list[str]]) -> tuple[Comparison, Path, bool]:
    """Return the comparison, the path of its page, and whether it is new."""
    from selftrain_assets.config.experiment_files import load_experiment
    from selftrain_assets.reports.sweeps import compare_sweep, write_sweep
    from selftrain_assets.store import Store

    sweep = load_experiment(name).sweep
    assert sweep is not None
    comparison = compare_sweep(
        name, sweep, {point: [open_run(run) for run in names] for point, names in points.items()}
    )
    return comparison, *write_sweep(comparison, Store.default().root)


def _print(comparison: Comparison, page: Path) -> None:
    from selftrain_assets.cli.ui import console, print_titled
    from selftrain_assets.reports.sweeps import sweep_table

    print_titled(sweep_table(comparison))
    console.print("\n".join(comparison.terms))
    console.print(f"Report: {os.path.relpath(page)}")
