"""Reports: report.md with overview.png beside it, and report.html that holds everything in one file."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import Any

from selftrain_assets.core.errors import TaskError
from selftrain_assets.core.files import write_atomically
from selftrain_assets.reports.methods import method_tables
from selftrain_assets.reports.summary import summarize
from selftrain_assets.reports.tables import header, number, rows
from selftrain_assets.stages.run import Run

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;font-size:13px}th,td{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:right}
th:first-child,td:first-child{text-align:left}img{max-width:100%}.wide{overflow-x:auto}@media print{body{margin:0}}"""


def write_report(run: Run) -> Path:
    """Write figure, Markdown and HTML for what is finished so far; returns the HTML file."""
    from selftrain_assets.reports.figures import overview

    summary = summarize(run)
    if summary["baseline"] is None:
        raise TaskError(f"{run.name}: nothing is finished yet, so there is nothing to report; run `selftrain run {run.name}` first")
    folder, figure = run.store.root / "experiments" / run.name, overview(summary)
    write_atomically(folder / "overview.png", figure)
    write_atomically(folder / "report.md", markdown(summary))
    write_atomically(folder / "report.html", page(summary, figure))
    return folder / "report.html"


def markdown(summary: dict[str, Any]) -> str:
    """The report as Markdown; the figure lies beside it."""
    table = [header(summary), ["---"] * len(header(summary)), *rows(summary)]
    lines = ["| " + " | ".join(row) + " |" for row in table]
    paragraphs = [f"# {summary['experiment']}", findings(summary), "![overview](overview.png)", "\n".join(lines), *_difficulty(summary)]
    for title, columns, cells in method_tables(summary):
        table = [columns, ["---"] * len(columns), *cells]
        paragraphs += [f"## {title}", "\n".join("| " + " | ".join(row) + " |" for row in table)]
    return "\n\n".join(paragraphs) + "\n"


def page(summary: dict[str, Any], figure: bytes) -> str:
    """The report as one HTML file without outside references."""

    def line(row: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) + "</tr>"

    def table(columns: list[str], cells: list[list[str]]) -> str:
        return f'<div class="wide"><table>{"".join([line(columns, "th"), *(line(row, "td") for row in cells)])}</table></div>'

    image = base64.b64encode(figure).decode()
    title = html.escape(summary["experiment"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style>"
        f'<h1>{title}</h1><p>{html.escape(findings(summary))}</p><img alt="accuracy, pass@k and yield by iteration" '
        f'src="data:image/png;base64,{image}">{table(header(summary), rows(summary))}'
        + "".join(f"<p>{html.escape(text)}</p>" for text in _difficulty(summary))
        + "".join(f"<h2>{html.escape(title)}</h2>{table(columns, cells)}" for title, columns, cells in method_tables(summary))
        + "</html>\n"
    )


def findings(summary: dict[str, Any]) -> str:
    """What the numbers say, in sentences."""
    base, last = summary["baseline"], (summary["iterations"] or [None])[-1]
    text = f"{summary['recipe']} on model {summary['model']}, seed {summary['seed']}."
    text += f" Accuracy is greedy, on {base['test_problems']} problems that no round trains on."
    if last is None:
        return text
    low, high = last["gain_over_base_interval"]
    text += (
        f" After iteration {last['iteration']} it is {number(last['greedy_accuracy'])}, "
        f"against {number(base['greedy_accuracy'])} of the base: a paired "
        f"difference of {last['gain_over_base']:+.3f} [{low:+.3f}, {high:+.3f}]."
    )
    if summary["human_only"]:
        shown = " and ".join(f"{number(c['greedy_accuracy'])} after {c['steps']} steps" for c in summary["human_only"])
        text += f" Fine-tuning the same base on the human rows alone gives {shown}."
    if last.get("transfer_accuracy") is not None:
        text += (
            f" On the transfer split it is {number(last['transfer_accuracy'])}, against {number(base['transfer_accuracy'])} of the base."
        )
    return text


def _difficulty(summary: dict[str, Any]) -> list[str]:
    if not summary["iterations"]:
        return []
    bins = summary["iterations"][-1]["by_difficulty"]
    parts = [
        f"{name} ({bins[name]['problems']} problems): {number(bins[name]['base'])} to {number(bins[name]['now'])}"
        for name in ("easy", "medium", "hard", "very hard")
        if name in bins
    ]
    return (
        ["Base to last iteration by difficulty, that is by the base's success rate on samples. " + "; ".join(parts) + "."] if parts else []
    )


__all__ = ["findings", "markdown", "page", "summarize", "write_report"]
