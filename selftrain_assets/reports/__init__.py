"""Reports: report.md with its figures beside it, report.html that holds everything in one file,
and report.json, the numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from selftrain_assets.config.forks import Fork
from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.quality_checks import second_opinion
from selftrain_assets.domain.statistics import INTERVALS
from selftrain_assets.pipeline.run import Run
from selftrain_assets.reports.diversity import diversity_tables
from selftrain_assets.reports.endings import ending_tables
from selftrain_assets.reports.groups import group_tables
from selftrain_assets.reports.methods import method_tables
from selftrain_assets.reports.opinion import evidence_tables, opinion_tables
from selftrain_assets.reports.render import Page
from selftrain_assets.reports.suites import suite_tables
from selftrain_assets.reports.summary import figures_of, summarize
from selftrain_assets.reports.tables import Titled, estimated, header, number, rows
from selftrain_assets.reports.thoughts import thought_tables
from selftrain_assets.reports.trajectories import trajectory_tables
from selftrain_assets.runtime.files import write_atomically


def write_report(run: Run) -> Path:
    """Write figures, Markdown and HTML for what is finished so far; returns the HTML file.
    Drawing takes a second or two, so what was drawn from the same numbers is kept."""
    from selftrain_assets.reports.figures import figures

    summary = summarize(run)
    if summary["baseline"] is None:
        raise TaskError(
            f"{run.name}: nothing is finished yet, so there is nothing to report; run `selftrain"
            f" run {run.name}` first"
        )
    folder = run.store.root / "experiments" / run.name
    numbers = (
        json.dumps({"selftrain": version("selftrain"), **summary}, indent=2, ensure_ascii=False)
        + "\n"
    )
    names = ["report.html", "report.md", *(f"{name}.png" for name in figures_of(summary))]
    if (
        all((folder / name).is_file() for name in names)
        and _text(folder / "report.json") == numbers
    ):
        return folder / "report.html"
    drawn = figures(summary)
    for name, png in drawn.items():
        write_atomically(folder / f"{name}.png", png)
    page = report_page(summary, drawn)
    write_atomically(folder / "report.md", page.markdown())
    write_atomically(folder / "report.html", page.html())
    write_atomically(folder / "report.json", numbers)
    return folder / "report.html"


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def report_page(summary: dict[str, Any], figures: Mapping[str, bytes]) -> Page:
    """The report of these numbers with these figures."""
    return Page(
        summary["experiment"],
        [findings(summary)],
        figures,
        (header(summary), rows(summary)),
        notes(summary),
        [*further_tables(summary), *evidence_tables(summary)],
    )


def further_tables(summary: dict[str, Any]) -> list[Titled]:
    """Of groups and sources, of other tasks, of the methods where there are several, of
    trajectories, of endings and tokens, of thoughts, of how varied the rows are, and of what
    another reading would pass."""
    return [
        *group_tables(summary),
        *suite_tables(summary),
        *method_tables(summary),
        *trajectory_tables(summary),
        *ending_tables(summary),
        *thought_tables(summary),
        *diversity_tables(summary),
        *opinion_tables(summary),
    ]


def findings(summary: dict[str, Any]) -> str:
    """What the numbers say, in sentences."""
    base, last = summary["baseline"], (summary["iterations"] or [None])[-1]
    text = f"{summary['recipe']} on model {summary['model']}, seed {summary['seed']}."
    text += "".join(f" Forked from {Fork.model_validate(fork)}." for fork in summary["forks"])
    text += f" Accuracy is greedy, on {base['test_problems']} problems that no round trains on."
    if last is None:
        return text
    gain = estimated(last["gain_over_base"], last["gain_over_base_interval"], "+") or "not defined"
    text += (
        f" After iteration {last['iteration']} it is {number(last['greedy_accuracy'])}, "
        f"against {number(base['greedy_accuracy'])} of the base: a paired difference of {gain}."
    )
    if summary["human_only"]:
        shown = " and ".join(
            f"{number(c['greedy_accuracy'])} after {c['steps']} steps"
            for c in summary["human_only"]
        )
        text += f" Fine-tuning the same base on the human rows alone gives {shown}."
    if last.get("transfer_accuracy") is not None:
        text += (
            f" On the transfer split it is {number(last['transfer_accuracy'])}, against"
            f" {number(base['transfer_accuracy'])} of the base."
        )
    doubted = {
        stage: found
        for stage, found in last["second_opinion"].items()
        if not second_opinion(found).passed
    }
    text += "".join(
        f" Another reading would pass {found['turned']} of {found['read']} wrong and malformed"
        f" samples of its {stage}: does the verifier read what is right?"
        for stage, found in doubted.items()
    )
    return text


def notes(summary: dict[str, Any]) -> list[str]:
    """What stands below the table: how its intervals are made, and accuracy by difficulty."""
    return [
        f"Intervals of {summary['confidence']:.0%} are over problems: {INTERVALS}.",
        *difficulty(summary),
        *_allowed(summary),
    ]


def _allowed(summary: dict[str, Any]) -> list[str]:
    """Held-out text that a person lets stand in what is learnt from."""
    told = [
        f"{each['problem']}: {each['problems']} problems and {each['rows']} rows"
        + ("" if each["problems"] or each["rows"] else ", so that it is not needed")
        + f" ({each['reason']})"
        for each in summary["allowed"]
    ]
    return (
        [
            "Held-out text is allowed in what is learnt from (contamination.allow):"
            f" {'; '.join(told)}."
        ]
        if told
        else []
    )


def difficulty(summary: dict[str, Any]) -> list[str]:
    """Accuracy by the base's success rate, in a sentence; nothing before the first iteration."""
    if not summary["iterations"]:
        return []
    bins = summary["iterations"][-1]["by_difficulty"]
    parts = [
        f"{name} ({bins[name]['problems']} problems): {number(bins[name]['base'])} to"
        f" {number(bins[name]['now'])}"
        for name in ("easy", "medium", "hard", "very hard")
        if name in bins
    ]
    return (
        [
            "Base to last iteration by difficulty, that is by the base's success rate on samples. "
            + "; ".join(parts)
            + "."
        ]
        if parts
        else []
    )


__all__ = [
    "difficulty",
    "figures_of",
    "findings",
    "further_tables",
    "report_page",
    "summarize",
    "write_report",
]
