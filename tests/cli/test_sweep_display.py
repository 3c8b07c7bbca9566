"""What is shown of a sweep: a line for each run on a terminal, and plain lines of what is new
elsewhere."""

import io

import pytest
from rich.console import Console

from selftrain_assets.cli import ui
from selftrain_assets.cli.ui import MOST_SHOWN, SweepDisplay
from selftrain_assets.operations.sweep.state import PointRun

SUMMARY = {"iterations": [{"greedy_accuracy": 0.25}, {"greedy_accuracy": 0.5}]}


def runs(count=4):
    made = [PointRun(f"lab-cap-{n}") for n in range(count)]
    made[0].state, made[0].summary = "done", SUMMARY
    made[1].state, made[1].stage, made[1].done, made[1].total = (
        "running",
        "iter-001 samples",
        12,
        48,
    )
    made[2].state, made[2].sentence = "failed", "the task has none"
    return made


@pytest.fixture
def shown(monkeypatch):
    """Returns a function that gives the text of a display on a terminal."""

    def show(made):
        console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=120)
        monkeypatch.setattr(ui, "console", console)
        of = SweepDisplay("lab")
        of.runs = made
        with of:
            pass
        return console.file.getvalue()

    return show


def test_on_a_terminal_every_run_has_its_stage_accuracy_or_sentence(shown):
    text = shown(runs())
    for part in (
        "lab-cap-0",
        "done, accuracy 0.500",
        "iter-001 samples 12 of 48",
        "failed, the task has none",
        "lab: 1 done, 1 running, 1 failed, 1 waiting, 4 in all",
    ):
        assert part in text


def test_of_many_runs_only_those_that_go_on_or_have_failed_are_listed(shown):
    text = shown(runs(MOST_SHOWN + 1))
    assert "lab-cap-1 " in text
    assert "lab-cap-2 " in text
    assert "lab-cap-3 " not in text
    assert (
        f"lab: 1 done, 1 running, 1 failed, {MOST_SHOWN - 2} waiting, {MOST_SHOWN + 1} in all"
        in text
    )


def test_elsewhere_a_line_is_told_once_and_not_for_progress(capsys):
    made = runs()
    with SweepDisplay("lab") as of:
        of.runs = made
        for run in (*made, *made):
            of.changed(run)
        made[1].done = 24
        of.changed(made[1])
    assert capsys.readouterr().out.splitlines() == [
        "lab-cap-0: done (2 of 4), accuracy 0.500",
        "lab-cap-1: running",
        "lab-cap-2: failed (2 of 4), the task has none",
        "lab-cap-3: waiting",
    ]


def test_quiet_says_nothing_and_an_interrupt_what_is_kept(capsys):
    with SweepDisplay("lab", quiet=True) as of:
        of.runs = runs()
        of.changed(of.runs[0])
        of.stopped()
    assert capsys.readouterr().out == ""
    loud = SweepDisplay("lab")
    loud.runs = runs()
    loud.stopped()
    assert (
        "1 of 4 runs of the sweep are done. Their results are kept, and so is what lab-cap-1 had"
        " committed." in capsys.readouterr().out
    )
