"""How tables and figures become Markdown and HTML."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

from selftrain_assets.core.foreign import visible

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;font-size:13px}th,td{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:right}
th:first-child,td:first-child{text-align:left}img{max-width:100%}.wide{overflow-x:auto}@media print{body{margin:0}}"""


def markdown_table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """As Markdown. Text in a cell stays text, whatever a model wrote: no cell ends early, no tag, link or picture begins in one."""

    def line(row: Sequence[str]) -> str:
        return "| " + " | ".join(map(_cell, row)) + " |"

    return "\n".join([line(columns), line(["---"] * len(columns)), *map(line, cells)])


def _cell(text: str) -> str:
    line = " ".join(visible(text).split()).replace("\\", "\\\\")
    return line.replace("|", "\\|").replace("<", "&lt;").replace("](", "]\\(")


def html_table(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """As HTML, in a box that scrolls by itself where the table is wide."""

    def line(row: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(visible(cell))}</{tag}>" for cell in row) + "</tr>"

    return f'<div class="wide"><table>{"".join([line(columns, "th"), *(line(row, "td") for row in cells)])}</table></div>'


def document(title: str, parts: Iterable[str]) -> str:
    """An HTML file with this heading."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style><h1>{html.escape(title)}</h1>{''.join(parts)}</html>\n"
    )


def picture(figure: tuple[str, bytes]) -> str:
    """A PNG by its name, inside of the HTML."""
    name, png = figure
    return f'<img alt="{html.escape(name)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
