"""Diversity of the rows of a round, measured with the dataset and stored in its manifest."""

from __future__ import annotations

from dataclasses import dataclass

from selftrain_assets.domain.diversity import (
    Frequencies,
    distinct,
    effective_number,
    near_duplicates,
    top_share,
)
from selftrain_assets.domain.types import Problem, Row
from selftrain_assets.pipeline.run import INPUTS, Run
from selftrain_assets.store import Table
from selftrain_assets.store.workspace import Relation, Workspace

TOP, TOP_PROBLEMS = 10, "top_10_problems_share"  # the problems with most rows
# Limits on the texts that are compared with one another, which takes a second or two.
MOST_ROWS, MOST_CHARACTERS = 10_000, 5_000_000
KINDS = ("problems", "groups", "solutions")
"""What rows are counted by. Solutions are of one problem, and the same where the rules of
selection call them so."""
OWN = "own_"
"""Prefix of numbers of the rows that are not human, where some are and some are not: human rows
are the same in every round and would hide what becomes of the policy's own."""


@dataclass(frozen=True, slots=True)
class RowCount:
    """The number of rows of a problem that count as equal."""

    problem_id: str
    own: bool
    solution: int
    times: int
    group: str


def diversity(run: Run, scope: str, rows: Table) -> dict[str, float]:
    """Measure the diversity of a table of rows; docs/ui.md describes each number.

    Numbers of groups are included if any problem has a group. An empty table gives no numbers.

    Near-duplicates are rows with nearly the same question and completion as another one
    (domain/diversity.py). `near_duplicates_among` rows are compared: the first in the order of
    hashes of their problems, so that the rows of a problem stay together.
    """
    with run.store.workspace() as ws:
        trained_on = ws.read(Row, [run.store.scope(run.name, scope) / rows[0]])
        problems = ws.read(Problem, [run.store.table(run.need(INPUTS, "problems"), "problems")])
        counts = ws.table(RowCount, "rows.row_counts", rows=trained_on, problems=problems)
        numbers = _numbers(ws, counts, own=False)
        if ws.row("rows.is_mixed", counts=counts)[0]:
            numbers |= {
                OWN + name: number for name, number in _numbers(ws, counts, own=True).items()
            }
        return numbers | _near_duplicates(ws, trained_on, problems) if numbers else {}


def _numbers(ws: Workspace, counts: Relation[RowCount], own: bool) -> dict[str, float]:
    """The numbers of all rows, or only of the `own` ones."""
    by: dict[str, Frequencies] = {
        kind: dict(ws.rows("rows.frequencies", counts=counts, kind=kind, own=own)) for kind in KINDS
    }
    if not by["problems"]:
        return {}
    if not ws.row("rows.have_groups", counts=counts, own=own)[0]:
        del by["groups"]
    numbers: dict[str, float] = {}
    for kind, frequencies in by.items():
        numbers |= {
            f"distinct_{kind}": distinct(frequencies),
            f"effective_{kind}": effective_number(frequencies),
        }
    return numbers | {TOP_PROBLEMS: top_share(by["problems"], TOP)}


def _near_duplicates(
    ws: Workspace, rows: Relation[Row], problems: Relation[Problem]
) -> dict[str, float]:
    """Measure the share of near-duplicates among the rows.

    Questions are compared, not prompts, which may repeat the same text before every question. A row
    that belongs to no problem of the task is compared by its prompt.
    """
    texts: list[str] = []
    room = MOST_CHARACTERS
    for (text,) in ws.stream("rows.texts", rows=rows, problems=problems, most=MOST_ROWS):
        room -= len(text)
        if texts and room < 0:
            break
        texts.append(text)
    return {
        "near_duplicate_share": near_duplicates(texts) / len(texts),
        "near_duplicates_among": len(texts),
    }
