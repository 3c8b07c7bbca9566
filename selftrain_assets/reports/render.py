"""Render pages and tables as HTML and Markdown.

The text is in templates, which escape every value that they show.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from selftrain_assets.domain.foreign import visible
from selftrain_assets.reports.tables import Titled

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Page:
    """The parts of a report; `report.html.jinja` and `report.md.jinja` put them in order.

    Attributes:
        title: Heading of the page.
        findings: Paragraphs above the figures.
        figures: PNG images by name. In HTML they are part of the page, in Markdown files beside it.
        table: Columns and rows of the main table, if there is one.
        notes: Paragraphs below it.
        sections: Further tables, each with its title.
    """

    title: str
    findings: Sequence[str] = ()
    figures: Mapping[str, bytes] = field(default_factory=dict)
    table: tuple[Sequence[str], Sequence[Sequence[str]]] | None = None
    notes: Sequence[str] = ()
    sections: Sequence[Titled] = ()

    def html(self) -> str:
        """Return the page as one HTML file without references to other files."""
        return html_templates().get_template("report.html.jinja").render(page=self)

    def markdown(self) -> str:
        """Return the page as Markdown that refers to the figures beside it."""
        return markdown_templates(__package__).get_template("report.md.jinja").render(page=self)


@cache
def html_templates() -> Environment:
    """Return the HTML templates, which escape values and make invisible characters visible."""
    return _environment([__package__], visible, base64=lambda png: base64.b64encode(png).decode())


@cache
def markdown_templates(package: str, *folders: Path) -> Environment:
    """Return the Markdown templates in the folder `templates` of a package.

    A value is escaped by `escape_markdown` unless a filter made it Markdown.

    Filters: `table(rows)` of column titles, `code` in the line, `fenced(language)` for a block of
    it, `python` for a literal within one, `thousands` for a count, `listed` for words.

    Args:
        package: Name of the package.
        *folders: Folders whose templates replace those of the package.
    """
    from markupsafe import Markup

    return _environment(
        [*folders, package],
        lambda text: Markup(escape_markdown(text)),
        table=lambda columns, rows: Markup(markdown_table(columns, rows)),
        code=lambda text: Markup(_code(str(text))),
        fenced=lambda text, language="": Markup(_fenced(text, language)),
        python=lambda value: Markup(_literal(value)),
        thousands=lambda count: f"{count:,}",
        listed=listed,
    )


def _environment(
    places: Sequence[str | Path], escape: Callable[[str], str], **filters: Callable[..., object]
) -> Environment:
    """Return a template environment that applies `escape` to every value that is not markup.

    jinja2 then escapes for HTML what is not markup yet.
    """
    from jinja2 import (
        ChoiceLoader,
        Environment,
        FileSystemLoader,
        PackageLoader,
        StrictUndefined,
    )
    from markupsafe import Markup

    def finalize(value: object) -> str | Markup:
        return value if isinstance(value, Markup) else escape(str(value))

    made = Environment(
        loader=ChoiceLoader(
            [
                FileSystemLoader(place) if isinstance(place, Path) else PackageLoader(place)
                for place in places
            ]
        ),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= filters
    return made


def escape_markdown(text: str) -> str:
    """Escape text so that it stays plain text in a paragraph and in a table cell.

    The result is one line without cell separators, tags, links or pictures. Code in backticks stays
    code.
    """
    line = re.sub(r"\s+", " ", visible(text)).replace("\\", "\\\\")
    return line.replace("|", "\\|").replace("<", "&lt;").replace("](", "]\\(")


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown, with the text of its cells escaped."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(escape_markdown(cell).strip() for cell in cells) + " |"

    return "\n".join([line(columns), line(["---"] * len(columns)), *map(line, rows)])


def _code(text: str) -> str:
    """Put text between more backticks than it contains."""
    line = " ".join(visible(text).split())
    ticks = _backticks(line, 1)
    return f"{ticks} {line} {ticks}" if "`" in line else f"{ticks}{line}{ticks}"


def _fenced(text: str, language: str) -> str:
    fence = _backticks(text, 3)
    return f"{fence}{language}\n{visible(text).strip()}\n{fence}"


def _literal(value: object) -> str:
    """Return a value as a Python literal on one line, in double quotes where possible."""
    literal = repr(value)
    return literal if '"' in literal or not isinstance(value, str) else f'"{literal[1:-1]}"'


def _backticks(text: str, least: int) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)


def listed(words: Sequence[str]) -> str:
    """Join words with commas, and with `and` before the last one."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
