"""How pages and tables become HTML and Markdown: prose stands in templates, which escape every
value that they show."""

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
    """A report in parts; `report.html.jinja` and `report.md.jinja` put them in order.

    Attributes:
        title: Heading of the page.
        findings: Paragraphs above the figures.
        figures: PNG by name. In HTML they are part of the page, in Markdown files beside it.
        table: Columns and rows of the main table, if there is one.
        notes: Paragraphs below it.
        sections: Further tables, each under its title.
    """

    title: str
    findings: Sequence[str] = ()
    figures: Mapping[str, bytes] = field(default_factory=dict)
    table: tuple[Sequence[str], Sequence[Sequence[str]]] | None = None
    notes: Sequence[str] = ()
    sections: Sequence[Titled] = ()

    def html(self) -> str:
        """As one file without outside references."""
        return html_templates().get_template("report.html.jinja").render(page=self)

    def markdown(self) -> str:
        """As text that refers to the figures beside it."""
        return markdown_templates(__package__).get_template("report.md.jinja").render(page=self)


@cache
def html_templates() -> Environment:
    """Templates of pages. A value is escaped for HTML, and what cannot be seen in it is shown."""
    return _environment([__package__], visible, base64=lambda png: base64.b64encode(png).decode())


@cache
def markdown_templates(package: str, *folders: Path) -> Environment:
    """Markdown templates below a package's folder `templates`, in whose place those of `folders`
    stand. A value is escaped by `escape_markdown` unless a filter made it Markdown.

    Filters: `table(rows)` of column titles, `code` in the line, `fenced(language)` for a block of
    it, `python` for a literal within one, `thousands` for a count, `listed` for words.
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
    """`escape` is applied to every value that a template shows but to markup; jinja2 then
    escapes for HTML what is not markup yet."""
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
    """Text that stays text in a paragraph and in a cell of a table, whatever a model wrote.

    It is one line; no cell ends in it, and no tag, link or picture begins in it. Code in backticks
    stays code.
    """
    line = re.sub(r"\s+", " ", visible(text)).replace("\\", "\\\\")
    return line.replace("|", "\\|").replace("<", "&lt;").replace("](", "]\\(")


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as Markdown; text in its cells stays text."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(escape_markdown(cell).strip() for cell in cells) + " |"

    return "\n".join([line(columns), line(["---"] * len(columns)), *map(line, rows)])


def _code(text: str) -> str:
    """Text between backticks, of which there are more than in the text."""
    line = " ".join(visible(text).split())
    ticks = _backticks(line, 1)
    return f"{ticks} {line} {ticks}" if "`" in line else f"{ticks}{line}{ticks}"


def _fenced(text: str, language: str) -> str:
    fence = _backticks(text, 3)
    return f"{fence}{language}\n{visible(text).strip()}\n{fence}"


def _literal(value: object) -> str:
    """As Python reads it, on one line; a text between double quotes where it has none itself."""
    literal = repr(value)
    return literal if '"' in literal or not isinstance(value, str) else f'"{literal[1:-1]}"'


def _backticks(text: str, least: int) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)


def listed(words: Sequence[str]) -> str:
    """Words with commas, and `and` before the last one."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
