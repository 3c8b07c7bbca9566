"""Output for people in the terminal."""

from __future__ import annotations

import sys
from collections import Counter
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
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from selftrain_assets.domain.foreign import visible
from selftrain_assets.reports.endings import ending
from selftrain_assets.reports.summary import Summary
from selftrain_assets.reports.tables import Titled, header, rows

if TYPE_CHECKING:
    from sandbox.doctor import Diagnosis
    from selftrain_assets.operations.findings import Audit
    from selftrain_assets.operations.garbage import Collected
    from selftrain_assets.operations.lineage import Node
    from selftrain_assets.operations.retract import Affected
    from selftrain_assets.operations.reverify import RoundDifference
    from selftrain_assets.operations.sweep.state import PointRun

WIDTH_OF_A_FILE = 200  # where nobody's window sets a width, tables need not fold
# The facts of a lineage that are long texts, shown on lines of their own.
TEXTS = ("prompt", "completion", "thought", "answer", "output")
MOST_SHOWN = 24  # runs of a sweep; of more, those that are done or have yet to begin are counted
STATES = {"done": "green", "running": "cyan", "failed": "red", "waiting": "dim"}
REMEDY = (
    "The usual cause is an old engine, or another runtime or kernel: see sandbox/README.md, Running"
    " it elsewhere."
)


class Terminal(Console):
    """A console that prints text literally.

    Brackets are no markup, colons no emoji, and control characters are written out.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **settings)

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


class LiveView:
    """A part of the terminal that is redrawn while work goes on.

    Nothing is drawn if output is no terminal or if `quiet` is set.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._is_drawn = console.is_terminal and not quiet

    def render(self) -> RenderableType:
        """Return what is drawn."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        if self._is_drawn:
            self._live = Live(console=console, get_renderable=self.render, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._is_drawn:
            self._live.stop()


class RunDisplay(LiveView):
    """A progress bar for each stage, and the table of iterations, which grows as they finish.

    Without a terminal: a plain line for each finished stage, and the table at the end.
    """

    def __init__(self, quiet: bool = False) -> None:
        super().__init__(quiet)
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
        self._tasks: dict[str, TaskID] = {}
        self._finished: set[str] = set()
        self._summary: Callable[[], Summary] | None = None
        self._table: Table | None = None

    def render(self) -> RenderableType:
        return Group(self._bars, *([self._table] if self._table else []))

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        if self._summary is not None and not self._quiet and not self._is_drawn:
            console.print(summary_table(self._summary()))

    def progress(self, stage: str, done: int, total: int) -> None:
        """Move the bar of a stage."""
        if self._is_drawn:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(stage)
            self._bars.update(self._tasks[stage], completed=done, total=total)
        elif not self._quiet and done == total and stage not in self._finished:
            self._finished.add(stage)
            print(f"{stage}: {done} of {total}", flush=True)

    def table(self, summary: Callable[[], Summary]) -> None:
        """Show the numbers so far; `summary` is called only when they are shown."""
        self._summary = summary
        if self._is_drawn:
            self._table = summary_table(summary())


class SweepDisplay(LiveView):
    """A line for each run of a sweep with its stage, and how many are done.

    Without a terminal: a plain line whenever a run begins or ends.
    """

    def __init__(self, name: str, quiet: bool = False) -> None:
        super().__init__(quiet)
        self.runs: Sequence[PointRun] = ()
        self._name = name
        self._printed: dict[str, tuple[str, str]] = {}

    def changed(self, run: PointRun) -> None:
        """Print the new state of a run, except progress within a stage, if nothing is drawn."""
        news = run.state, run.sentence
        if not (self._is_drawn or self._quiet) and self._printed.get(run.name) != news:
            self._printed[run.name] = news
            ended = sum(other.state in ("done", "failed") for other in self.runs)
            count = f" ({ended} of {len(self.runs)})" if run.state in ("done", "failed") else ""
            print(f"{run.name}: {run.state}{count}{_result(run)}", flush=True)

    def stopped(self) -> None:
        """Print what is kept of a sweep that was interrupted."""
        if self._quiet:
            return
        done = sum(run.state == "done" for run in self.runs)
        going = [run.name for run in self.runs if run.state == "running"]
        rest = f", and so is what {' and '.join(going)} had committed" if going else ""
        console.print(
            f"{done} of {len(self.runs)} runs of the sweep are done. Their results are kept{rest}."
        )

    def render(self) -> RenderableType:
        lines = Table.grid(padding=(0, 2))
        for run in self.runs:
            if len(self.runs) > MOST_SHOWN and run.state not in ("running", "failed"):
                continue
            name = Text(run.name, style=STATES[run.state])
            state = f"{run.state}{_result(run)}"
            bar: RenderableType = ""
            if run.state == "running" and run.total:
                bar = ProgressBar(run.total, run.done, width=20)
            if run.state == "running" and not run.sentence:
                state = f"{run.stage} {run.done} of {run.total}" if run.stage else "starting"
            lines.add_row(name, bar, Text(state, overflow="ellipsis", no_wrap=True))
        counts: Counter[str] = Counter(run.state for run in self.runs)
        states = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
        return Group(lines, Text(f"{self._name}: {states}, {len(self.runs)} in all", style="bold"))


def _result(run: PointRun) -> str:
    if run.accuracy is not None:
        return f", accuracy {run.accuracy:.3f}"
    return f", {run.sentence}" if run.sentence else ""


def summary_table(summary: Summary) -> Table:
    """Return the table of an experiment."""
    return _titled(Titled(summary.experiment, header(summary), rows(summary)))


def print_titled(table: Titled) -> None:
    """Print a table under its title, which may be wider than the table."""
    console.print(table.title, style="italic")
    console.print(_titled(table._replace(title="")))


def _titled(titled: Titled) -> Table:
    table = _table(titled.header[:1], titled.header[1:], titled.title)
    for row in titled.rows:
        table.add_row(*row)
    return table


def _table(left: Sequence[str], right: Sequence[str] = (), title: str = "") -> Table:
    """Return an empty table: columns of text to the left of columns of numbers."""
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for column in left:
        table.add_column(column, overflow="fold")
    for column in right:
        table.add_column(column, justify="right", overflow="fold")
    return table


def print_rows(columns: Sequence[str], values: Sequence[Sequence[Any]]) -> None:
    """Print the result of a query; separated by tabs if output is no terminal."""
    if not console.is_terminal:
        sys.stdout.writelines("\t".join(map(str, row)) + "\n" for row in [columns, *values])
        return
    table = _table(columns)
    for row in values:
        table.add_row(*map(str, row))
    console.print(table)


def print_samples(samples: Sequence[dict[str, Any]]) -> None:
    """Print samples one below the other."""
    for s in samples:
        console.rule(f"{s['problem_id']}, draw {s['index']}: {s['outcome']}", align="left")
        thought = [(visible(s["thought"].lstrip()), "dim")] if s["thought"] else []
        console.print(
            Text.assemble(
                visible(s["prompt"]), " ", *thought, (visible(s["answer"].strip()), "bold")
            )
        )
        console.print(
            f"{s['reason']}  ({ending(s)}, seed {s['seed']}, policy {s['policy'][:12]},"
            f" {s['engine']}, sample {s['sample_key'][:12]})",
            style="dim",
        )
    if not samples:
        console.print("There is no such sample.")


def print_notes(notes: Iterable[str]) -> None:
    """Print notes that a person should read before work begins."""
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True)


def print_diagnosis(diagnosis: Diagnosis, quiet: bool) -> dict[str, Any]:
    """Print each control as it is tried, unless `quiet`.

    Returns:
        The diagnosis as JSON.
    """
    terminal = Terminal(quiet=True) if quiet else console
    terminal.print(f"{diagnosis.engine}\nimage {diagnosis.image}, {diagnosis.holds}\n")
    checks = []
    for check in diagnosis.checks:
        checks.append(asdict(check))
        line = Text.assemble(
            ("✓", "green") if check.ok else ("✗", "red"),
            f" {check.name:<64} ",
            (check.found, "dim"),
        )
        terminal.print(line, no_wrap=True, overflow="ellipsis")
    failed = [check["name"] for check in checks if not check["ok"]]
    if failed:
        terminal.print(
            f"\n{len(failed)} of {len(checks)} controls do not work, so no program is run on this"
            f" machine. {REMEDY}"
        )
    else:
        terminal.print(f"\nAll {len(checks)} controls work: programs can be run on this machine.")
    return {
        "engine": diagnosis.engine,
        "image": diagnosis.image,
        "python": diagnosis.python,
        "packages": diagnosis.packages,
        "languages": diagnosis.languages,
        "checks": checks,
    }


def print_lineage(node: Node) -> None:
    """Print a lineage as a tree."""
    console.print(_tree(node))


def _tree(node: Node) -> Tree:
    """Return a lineage as a tree; long texts come last, each on lines of their own."""
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


def print_differences(rounds: Sequence[RoundDifference], list_changes: bool) -> None:
    """Print what another verifier would change, by round."""
    changes = "changed verdicts", "added rows", "removed rows", "checkpoint to train again"
    table = _table(["round"], ["judged", *changes])
    for r in rounds:
        counts = r.judged, len(r.changed), len(r.added), len(r.removed)
        affected = r.checkpoint[:12] if r.checkpoint and (r.added or r.removed) else ""
        table.add_row(r.scope, *map(str, counts), affected)
    console.print(table)
    if owed := sum(r.owed for r in rounds):
        console.print(
            f"The verifier failed on {owed} samples, which are judged by the next `selftrain"
            " verify`; rows that depend on them are not compared.",
            style="yellow",
        )
    for r in rounds if list_changes else ():
        for change in r.changed:
            outcomes = f"{change.before.outcome} -> {change.now.outcome}"
            console.print(f"{r.scope} sample {change.sample.key[:12]}: {outcomes}")
            reasons = f"  before: {change.before.reason}\n  now:    {change.now.reason}"
            console.print(reasons, style="dim")
        for sign, differing in (("+", r.added), ("-", r.removed)):
            for row in differing:
                sample = str(row.sample_key)[:12]
                console.print(
                    f"{r.scope} row {sign} {row.key[:12]} {row.problem_id} sample {sample}"
                )


def print_affected(affected: Affected, repair: str) -> None:
    """Print what a retraction affects."""
    for scope, count in affected.scopes.items():
        console.print(f"{scope}: {count} rows come from it")
    for digest in affected.checkpoints:
        console.print(f"checkpoint {digest} was trained on these rows")
    if affected.superseded:
        console.print(
            f"{len(affected.superseded)} datasets that were replaced earlier contain it too"
        )
    console.print(f"To train without it: {repair}")


def print_status(statuses: Sequence[dict[str, Any]]) -> None:
    """Print the finished stages of experiments."""
    for experiment in statuses:
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
            console.print(f"forked from {fork}", style="dim")


def print_audit(result: Audit) -> None:
    """Print the numbers of each experiment, then each finding as a sentence."""
    for name in dict.fromkeys(line.experiment for line in result.lines):
        columns = ("wanted", "committed", "owed", "duplicated", "lost", "quarantined")
        table = _table(["round", "stage", "state"], columns, name)
        for line in result.lines:
            if line.experiment == name:
                numbers = (getattr(line, column) for column in columns)
                table.add_row(
                    line.scope,
                    line.stage,
                    line.state,
                    *("-" if n is None else f"{n:,}" for n in numbers),
                )
        console.print(table)
    for finding in result.findings:
        console.print(
            f"{finding.kind}: {finding.sentence}", style="red" if finding.wrong else "dim"
        )
    wrong = sum(f.wrong for f in result.findings)
    console.print(f"{wrong} things are wrong." if wrong else "Nothing is wrong.")


def print_garbage(collected: Collected) -> None:
    """Print what no manifest needs, with its bytes, and what is left alone for now."""
    table = _table(["what", "where", "why"], ["bytes"])
    for item in collected.garbage:
        table.add_row(item.kind, item.path, item.why, f"{item.bytes:,}")
    if collected.garbage:
        console.print(table)
    for kept in collected.left_alone:
        console.print(f"left in place: {kept}", style="dim")
    count = f"{len(collected.garbage)} things that no manifest needs, {collected.bytes:,} bytes"
    if not collected.garbage:
        console.print("There is nothing to remove.")
    elif collected.deleted:
        console.print(f"Removed {count}.")
    else:
        console.print(f"{count}. Nothing was removed yet: selftrain gc --delete removes them.")
