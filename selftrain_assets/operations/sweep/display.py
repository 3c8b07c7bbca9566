"""What a person sees of a sweep while it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from selftrain_assets.cli.ui import console
from selftrain_assets.operations.sweep.state import PointRun

MOST_SHOWN = 24  # of runs; of more, those that are done or have yet to begin are only counted
STATES = ("done", "running", "failed", "waiting")


class SweepDisplay:
    """A line for each run with its stage, and how many are done. Without a terminal: a plain
    line whenever one begins or ends."""

    def __init__(self, name: str, quiet: bool = False) -> None:
        self.runs: Sequence[PointRun] = ()
        self._name, self._quiet = name, quiet
        self._told: dict[str, tuple[str, str]] = {}
        self._live = (
            Live(console=console, get_renderable=self._shown, refresh_per_second=4)
            if console.is_terminal and not quiet
            else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live:
            self._live.stop()

    def changed(self, run: PointRun) -> None:
        """A line where there is no terminal, of what is new but for progress inside of a stage."""
        line = self._line(run)
        if (
            self._live is None
            and not self._quiet
            and self._told.get(run.name) != (run.state, run.sentence)
        ):
            self._told[run.name] = (run.state, run.sentence)
            print(line, flush=True)

    def stopped(self) -> None:
        """What is kept where it was interrupted."""
        if not self._quiet:
            done = sum(run.state == "done" for run in self.runs)
            going = [run.name for run in self.runs if run.state == "running"]
            rest = f", and what {' and '.join(going)} had committed" if going else ""
            console.print(
                f"{done} of {len(self.runs)} runs of the sweep are done, and kept{rest}.",
                highlight=False,
            )

    def counts(self) -> str:
        """How many are done, running, failed and waiting."""
        of: Counter[str] = Counter(run.state for run in self.runs)
        return (
            f"{self._name}: {', '.join(f'{of[state]} {state}' for state in STATES if of[state])},"
            f" {len(self.runs)} in all"
        )

    def _line(self, run: PointRun) -> str:
        done = sum(each.state in ("done", "failed") for each in self.runs)
        ending = f" ({done} of {len(self.runs)})" if run.state in ("done", "failed") else ""
        return f"{run.name}: {run.state}{ending}{_what(run)}"

    def _shown(self) -> Group:
        table = Table.grid(padding=(0, 2))
        few = len(self.runs) <= MOST_SHOWN
        for run in self.runs:
            if few or run.state in ("running", "failed"):
                bar = (
                    ProgressBar(run.total, run.done, width=20)
                    if run.state == "running" and run.total
                    else ""
                )
                table.add_row(
                    Text(run.name, style=STYLES[run.state]),
                    bar,
                    Text(_shown(run), overflow="ellipsis", no_wrap=True),
                )
        return Group(table, Text(self.counts(), style="bold"))


STYLES = {"done": "green", "running": "cyan", "failed": "red", "waiting": "dim"}


def _what(run: PointRun) -> str:
    if run.accuracy is not None:
        return f", accuracy {run.accuracy:.3f}"
    return f", {run.sentence}" if run.sentence else ""


def _shown(run: PointRun) -> str:
    if run.state == "running" and not run.sentence:
        return f"{run.stage} {run.done} of {run.total}" if run.stage else "begins"
    return f"{run.state}{_what(run)}"
