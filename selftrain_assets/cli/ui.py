"""What a person sees in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from selftrain_assets.domain.foreign import visible
from selftrain_assets.reports.endings import ending
from selftrain_assets.reports.tables import Titled, header, rows

if TYPE_CHECKING:
    from sandbox.doctor import Diagnosis
    from selftrain_assets.operations.findings import Audit
    from selftrain_assets.operations.garbage import Collected
    from selftrain_assets.operations.lineage import Node
    from selftrain_assets.operations.retract import Affected
    from selftrain_assets.operations.reverify import RoundDifference

WIDTH_OF_A_FILE = 200  # where nobody's window sets a width, tables need not fold
# of a lineage, shown on lines of their own
TEXTS = ("prompt", "completion", "thought", "answer", "output")
REMEDY = (
    "An old engine, or another runtime or kernel, is the usual cause: see sandbox/README.md,"
    " Running it elsewhere."
)


class Terminal(Console):
    """Shows text as it is, whoever wrote it: brackets are no markup, colons no emoji, and what
    would act on the terminal is written out."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, **settings)

    def render_str(self, text: str, **settings: Any) -> Text:
        return super().render_str(visible(text), **settings)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


console = Terminal(width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s", style="cyan")


class Display:
    """One progress bar per stage with rate and time left, and the table of iterations, which
    grows as they finish. Without a terminal: one plain line per finished stage."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet, self._live_wanted = quiet, not quiet and console.is_terminal
        self._bars = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._tasks: dict[str, Any] = {}
        self._summary: Callable[[], dict[str, Any]] | None = None
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._live_wanted:
            self._live = Live(self._bars, console=console, refresh_per_second=8)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._summary is not None and not self._quiet:
            console.print(summary_table(self._summary()))

    def progress(self, stage: str, done: int, total: int) -> None:
        """Move the bar of a stage."""
        if self._quiet:
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total)
        self._bars.update(self._tasks[stage], completed=done, total=total)
        if (
            not self._live_wanted
            and done == total
            and not self._bars.tasks[self._tasks[stage]].fields.get("told")
        ):
            self._bars.update(self._tasks[stage], told=True)
            print(f"{stage}: {done} of {total}", flush=True)

    def table(self, summary: Callable[[], dict[str, Any]]) -> None:
        """Show the numbers so far; they are asked for when they are shown."""
        self._summary = summary
        if self._live is not None:
            self._live.update(Group(self._bars, summary_table(summary())))


def summary_table(summary: dict[str, Any]) -> Table:
    """The table of an experiment."""
    return _titled(Titled(summary["experiment"], header(summary), rows(summary)))


def print_titled(table: Titled) -> None:
    """A table under its title, which may be wider than the table."""
    console.print(table.title, style="italic", highlight=False)
    console.print(_titled(table._replace(title="")))


def _titled(titled: Titled) -> Table:
    table = Table(title=titled.title or None, title_justify="left", header_style="bold")
    for i, column in enumerate(titled.header):
        table.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    for row in titled.rows:
        table.add_row(*row)
    return table


def print_rows(columns: Sequence[str], found: Sequence[Sequence[Any]]) -> None:
    """A query result; tab-separated where no person is looking."""
    if not console.is_terminal:
        sys.stdout.writelines("\t".join(map(str, row)) + "\n" for row in [columns, *found])
        return
    table = Table(header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in found:
        table.add_row(*map(str, row))
    console.print(table)


def print_samples(samples: Sequence[dict[str, Any]]) -> None:
    """Samples one below the other."""
    for s in samples:
        console.rule(f"{s['problem_id']}, draw {s['index']}: {s['outcome']}", align="left")
        thought = [(visible(s["thought"].lstrip()), "dim")] if s["thought"] else []
        console.print(
            Text.assemble(
                visible(s["prompt"]), " ", *thought, (visible(s["answer"].strip()), "bold")
            ),
            highlight=False,
        )
        console.print(
            f"{s['reason']}  ({ending(s)}, seed {s['seed']}, policy {s['policy'][:12]},"
            f" {s['engine']}, sample {s['sample_key'][:12]})",
            style="dim",
            highlight=False,
        )
    if not samples:
        console.print("no such sample")


def print_notes(notes: Iterable[str]) -> None:
    """What a person should know before anything is done."""
    for note in notes:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)


def print_diagnosis(found: Diagnosis, quiet: bool) -> dict[str, Any]:
    """Each control on a line of its own as it is tried, unless quiet; returns all that was found
    of the engine."""
    shown = Terminal(quiet=True) if quiet else console
    shown.print(f"{found.engine}\nimage {found.image}, {found.holds}\n", highlight=False)
    checks = []
    for check in found.checks:
        checks.append(asdict(check))
        line = Text.assemble(
            ("✓", "green") if check.ok else ("✗", "red"),
            f" {check.name:<64} ",
            (check.found, "dim"),
        )
        shown.print(line, no_wrap=True, overflow="ellipsis", highlight=False)
    failed = [check["name"] for check in checks if not check["ok"]]
    if failed:
        shown.print(
            f"\n{len(failed)} of {len(checks)} controls have no effect, so no program is run here."
            f" {REMEDY}",
            highlight=False,
        )
    else:
        shown.print(
            f"\nAll {len(checks)} controls take effect: programs can be run here.", highlight=False
        )
    return {
        "engine": found.engine,
        "image": found.image,
        "python": found.python,
        "packages": found.packages,
        "languages": found.languages,
        "checks": checks,
    }


def print_lineage(node: Node) -> None:
    """A lineage as a tree."""
    console.print(_tree(node), highlight=False)


def _tree(node: Node) -> Tree:
    """Long texts come last, each on lines of their own."""
    facts = {
        name: value for name, value in node.facts.items() if value not in (None, "", node.name)
    }
    texts = {
        name: visible(str(value))
        for name, value in facts.items()
        if name in TEXTS or "\n" in str(value)
    }
    short = {name: value for name, value in facts.items() if name not in texts}
    label = Text.assemble(
        (node.kind, "bold"),
        " ",
        (visible(node.name), "cyan"),
        "  ",
        (visible(", ".join(f"{k} {v}" for k, v in short.items())), "dim"),
    )
    for name, text in texts.items():
        label.append(f"\n{name}: ", style="dim").append(text.strip())
    tree = Tree(label)
    for edge in node.edges:
        tree.children.append(_tree(edge))
    return tree


def print_differences(found: Sequence[RoundDifference], listed: bool) -> None:
    """What another verifier would change, by round."""
    table = Table(header_style="bold")
    for title in (
        "round",
        "judged",
        "verdicts changed",
        "rows gained",
        "rows lost",
        "checkpoint trained on other rows",
    ):
        table.add_column(title, justify="left" if title == "round" else "right")
    for each in found:
        affected = each.checkpoint[:12] if each.checkpoint and (each.added or each.removed) else ""
        table.add_row(
            each.scope,
            *map(str, (each.judged, len(each.changed), len(each.added), len(each.removed))),
            affected,
        )
    console.print(table)
    for each in found if listed else ():
        for change in each.changed:
            console.print(
                f"{each.scope} sample {change.sample.key[:12]}: {change.before.outcome} ->"
                f" {change.now.outcome}",
                highlight=False,
            )
            console.print(
                f"  before: {change.before.reason}\n  now:    {change.now.reason}",
                style="dim",
                highlight=False,
            )
        for sign, differing in (("+", each.added), ("-", each.removed)):
            for row in differing:
                console.print(
                    f"{each.scope} row {sign} {row.key[:12]} {row.problem_id} sample"
                    f" {str(row.sample_key)[:12]}",
                    highlight=False,
                )


def print_affected(affected: Affected, repair: str) -> None:
    """What a retraction reaches."""
    for scope, count in affected.scopes.items():
        console.print(f"{scope}: {count} rows stem from it", highlight=False)
    for digest in affected.checkpoints:
        console.print(f"checkpoint {digest} was trained on them", highlight=False)
    if affected.superseded:
        console.print(
            f"and {len(affected.superseded)} datasets that were superseded before hold it",
            highlight=False,
        )
    console.print(f"To repair: {repair}", highlight=False)


def print_status(found: Sequence[dict[str, Any]]) -> None:
    """Finished stages of experiments."""
    for experiment in found:
        table = Table(
            title=f"{experiment['experiment']}  ({experiment['store']})",
            title_justify="left",
            show_header=False,
        )
        for scope, stages in experiment["finished"].items():
            table.add_row(
                scope,
                *(
                    Text.assemble(("✓", "green"), " ", name) if when else Text(f"· {name}", "dim")
                    for name, when in stages.items()
                ),
            )
        console.print(table)
        for fork in experiment["forked_from"]:
            console.print(f"forked from {fork}", style="dim", highlight=False)


def print_audit(found: Audit) -> None:
    """The numbers of each experiment, then what is wrong, a sentence each."""
    for name in dict.fromkeys(line.experiment for line in found.lines):
        columns = ("wanted", "committed", "owed", "duplicated", "lost", "quarantined")
        table = Table(title=name, title_justify="left", header_style="bold")
        for title in ("round", "stage", "state"):
            table.add_column(title)
        for title in columns:
            table.add_column(title, justify="right")
        for line in found.lines:
            if line.experiment == name:
                numbers = (getattr(line, column) for column in columns)
                table.add_row(
                    line.scope,
                    line.stage,
                    line.state,
                    *("-" if n is None else f"{n:,}" for n in numbers),
                )
        console.print(table)
    for finding in found.findings:
        console.print(
            f"{finding.kind}: {finding.sentence}",
            style="red" if finding.wrong else "dim",
            highlight=False,
        )
    wrong = sum(f.wrong for f in found.findings)
    console.print(f"{wrong} things are wrong." if wrong else "Nothing is wrong.", highlight=False)


def print_garbage(found: Collected) -> None:
    """What no manifest needs, with its bytes, and what is left alone for now."""
    table = Table(header_style="bold")
    for title in ("what", "where", "why"):
        table.add_column(title, overflow="fold")
    table.add_column("bytes", justify="right")
    for item in found.garbage:
        table.add_row(item.kind, item.path, item.why, f"{item.bytes:,}")
    if found.garbage:
        console.print(table)
    for kept in found.left_alone:
        console.print(f"left alone: {kept}", style="dim", highlight=False)
    count = f"{len(found.garbage)} things that no manifest needs, {found.bytes:,} bytes"
    if not found.garbage:
        console.print("There is nothing that no manifest needs.")
    elif found.deleted:
        console.print(f"Removed {count}.", highlight=False)
    else:
        console.print(
            f"{count}; nothing was removed: selftrain gc --delete removes them.", highlight=False
        )
