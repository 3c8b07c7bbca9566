"""Text of models and programs on the terminal and on pages: shown as it is, and it does nothing."""

import io

import pytest
from rich.table import Table

from selftrain_assets.cli import ui
from selftrain_assets.operations.lineage import Node

NASTY = (
    "[/x] [x]gone[/x] [bold]b :smile: \x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b2J \u202eright\u2066 a\rb \0"
    " \ud800"
)
WRITTEN = (
    r"[/x] [x]gone[/x] [bold]b :smile: \x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b2J \u202eright\u2066 a\rb"
    r" \x00 \ud800"
)
SAMPLE = {
    "problem_id": NASTY,
    "index": 0,
    "outcome": "wrong",
    "prompt": NASTY,
    "completion": NASTY,
    "reason": NASTY,
    "seed": 1,
}
SAMPLE |= {"policy": "p", "engine": NASTY, "sample_key": "k", "thought": NASTY, "answer": NASTY}
SAMPLE |= {"completion_tokens": 7, "finish_reason": "stop", "ended_by": "<|im_end|>"}


@pytest.fixture(params=[False, True], ids=["a file", "a terminal"])
def shown(request, monkeypatch):
    """What was printed, with colours where there is a ui."""
    console = ui.Terminal(
        file=io.StringIO(), width=2000, force_terminal=request.param, color_system=None
    )
    monkeypatch.setattr(ui, "console", console)
    return console.file.getvalue


def test_samples(shown):
    ui.print_samples([SAMPLE])
    assert shown().count(WRITTEN) == 6
    assert "\x1b]" not in shown()


@pytest.mark.parametrize(
    ("reason", "by", "said"),
    [
        ("stop", "<|im_end|>", '7 tokens, ended by "<|im_end|>"'),
        ("stop", "\n\n", '7 tokens, ended by "\\n\\n"'),
        ("stop", None, "(7 tokens, seed"),
        ("length", None, "cut off at 7 tokens"),
        ("thought", None, "7 tokens, which end within the thought"),
    ],
)
def test_how_a_sample_ended(shown, reason, by, said):
    ui.print_samples([SAMPLE | {"finish_reason": reason, "ended_by": by}])
    assert said in shown()


def test_a_lineage(shown):
    ui.print_lineage(Node("sample", NASTY, {"output": f"{NASTY}!", "reason": f"{NASTY}?"}, []))
    assert shown().count(WRITTEN) == 3


def test_tables_and_titles(shown):
    found = Table(title=NASTY)
    found.add_column(NASTY)
    found.add_row(NASTY)
    ui.console.print(found)
    ui.console.rule(NASTY)
    ui.console.print(NASTY, style="dim")
    assert shown().count(WRITTEN) == 5


def test_rows_of_a_query(shown):
    if ui.console.is_terminal:
        ui.print_rows([NASTY], [[NASTY]])
        assert shown().count(WRITTEN) == 2
