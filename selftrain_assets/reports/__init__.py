"""Write the report of an experiment.

report.md has its figures beside it, report.html has everything in one file, and report.json has the
numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.quality_checks import second_opinion
from selftrain_assets.domain.selection import DIFFICULTY
from selftrain_assets.domain.statistics import INTERVALS
from selftrain_assets.pipeline.run import Run
from selftrain_assets.recipes import RECIPES
from selftrain_assets.reports.diversity import diversity_figure, diversity_tables
from selftrain_assets.reports.endings import ending_tables
from selftrain_assets.reports.figures import FINE, overview
from selftrain_assets.reports.groups import group_tables
from selftrain_assets.reports.opinion import evidence_tables, opinion_tables
from selftrain_assets.reports.reading import summarize
from selftrain_assets.reports.recipes import report_of
from selftrain_assets.reports.render import Page
from selftrain_assets.reports.suites import suite_tables
from selftrain_assets.reports.summary import Summary
from selftrain_assets.reports.tables import Titled, estimated, header, mean, number, rows
from selftrain_assets.reports.thoughts import thought_tables
from selftrain_assets.runtime.files import write_atomically


def write_report(run: Run) -> Path:
    """Write figures, Markdown and HTML for what is finished so far.

    Drawing takes a second or two, so figures are kept and reused while the numbers are the same.

    Returns:
        The path of the HTML file.
    """
    summary = summarize(run)
    if summary.baseline is None:
        raise TaskError(
            f"{run.name}: nothing is finished yet, so there is nothing to report; run `selftrain"
            f" run {run.name}` first"
        )
    folder = run.store.root / "experiments" / run.name
    numbers = (
        json.dumps(
            {"selftrain": version("selftrain"), **summary.to_json()}, indent=2, ensure_ascii=False
        )
        + "\n"
    )
    names = ["report.html", "report.md", *(f"{name}.png" for name in _figures(summary))]
    if (
        all((folder / name).is_file() for name in names)
        and _text(folder / "report.json") == numbers
    ):
        return folder / "report.html"
    drawn = draw(summary)
    for name, png in drawn.items():
        write_atomically(folder / f"{name}.png", png)
    page = report_page(summary, drawn)
    write_atomically(folder / "report.md", page.markdown())
    write_atomically(folder / "report.html", page.html())
    write_atomically(folder / "report.json", numbers)
    return folder / "report.html"


def draw(summary: Summary, dpi: int = FINE) -> dict[str, bytes]:
    """Draw the figures of a report.

    Returns:
        PNG images by name.
    """
    return {name: figure(summary, dpi) for name, figure in _figures(summary).items()}


def _figures(summary: Summary) -> dict[str, Callable[[Summary, int], bytes]]:
    """Return the functions that draw the figures of a report, by name."""
    found: dict[str, Callable[[Summary, int], bytes]] = {
        "overview": overview,
        **report_of(RECIPES[summary.recipe]).figures,
    }
    if any(point.diversity for point in summary.iterations):
        found["diversity"] = diversity_figure
    return found


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def report_page(summary: Summary, figures: Mapping[str, bytes]) -> Page:
    """Put the numbers and figures of a report together as a page."""
    return Page(
        summary.experiment,
        [findings(summary)],
        figures,
        (header(summary), rows(summary)),
        notes(summary),
        [*further_tables(summary), *evidence_tables(summary)],
    )


def further_tables(summary: Summary) -> list[Titled]:
    """Return the tables below the main one, such as groups, suites, tokens and diversity."""
    return [
        *group_tables(summary),
        *suite_tables(summary),
        *report_of(RECIPES[summary.recipe]).tables(summary),
        *ending_tables(summary),
        *thought_tables(summary),
        *diversity_tables(summary.iterations),
        *opinion_tables(summary),
    ]


def findings(summary: Summary) -> str:
    """Summarize the main results in sentences."""
    base = summary.base
    text = f"{summary.recipe} on model {summary.model}, seed {summary.seed}."
    text += "".join(f" Forked from {fork}." for fork in summary.forks)
    text += f" Accuracy is greedy, on {base.test_problems} problems that no round trains on."
    if not summary.iterations:
        return text
    last = summary.iterations[-1]
    text += (
        f" After iteration {last.iteration} it is {mean(last.greedy_accuracy)}, against"
        f" {mean(base.greedy_accuracy)} of the base: a paired difference of"
        f" {estimated(last.gain_over_base, '+') or 'not defined'}."
    )
    if summary.human_only:
        controls = " and ".join(
            f"{mean(control.greedy_accuracy)} after {control.steps} steps"
            for control in summary.human_only
        )
        text += f" Fine-tuning the same base on the human rows alone gives {controls}."
    if mean(last.transfer_accuracy):
        text += (
            f" On the transfer split it is {mean(last.transfer_accuracy)}, against"
            f" {mean(base.transfer_accuracy)} of the base."
        )
    for stage, opinion in last.second_opinion.items():
        if not second_opinion(opinion).passed:
            text += (
                f" Another reading would pass {opinion.turned} of {opinion.read} wrong and"
                f" malformed samples of its {stage}: does the verifier read what is right?"
            )
    return text


def notes(summary: Summary) -> list[str]:
    """Return the notes below the main table: how intervals are computed, accuracy by difficulty."""
    return [
        f"Intervals of {summary.confidence:.0%} are over problems: {INTERVALS}.",
        *difficulty(summary),
        *_allowed(summary),
    ]


def _allowed(summary: Summary) -> list[str]:
    """Return a sentence on held-out text that the settings allow in training rows."""
    phrases = []
    for allowed in summary.allowed:
        needed = "" if allowed.problems or allowed.rows else ", so that it is not needed"
        phrases.append(
            f"{allowed.waiver.problem}: {allowed.problems} problems and {allowed.rows} rows{needed}"
            f" ({allowed.waiver.reason})"
        )
    return (
        [
            "Held-out text is allowed in what is learnt from (contamination.allow):"
            f" {'; '.join(phrases)}."
        ]
        if phrases
        else []
    )


def difficulty(summary: Summary) -> list[str]:
    """Say how accuracy depends on the base's success rate; empty before the first iteration."""
    bins = summary.iterations[-1].by_difficulty if summary.iterations else {}
    parts = [
        f"{name} ({bins[name].problems} problems): {number(bins[name].base)} to"
        f" {number(bins[name].now)}"
        for name in DIFFICULTY
        if name in bins
    ]
    sentence = (
        "Base to last iteration by difficulty, that is by the base's success rate on samples. "
    )
    return [f"{sentence}{'; '.join(parts)}."] if parts else []


__all__ = [
    "difficulty",
    "draw",
    "findings",
    "further_tables",
    "notes",
    "report_page",
    "summarize",
    "write_report",
]
