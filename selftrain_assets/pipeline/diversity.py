"""How varied the rows of a round are: measured when the dataset is made, and kept in its
manifest under `diversity`."""

from __future__ import annotations

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
from selftrain_assets.store.database import Database

TOP, TOP_PROBLEMS = 10, "top_10_problems_share"  # of so many problems with most rows
# that are compared with one another, which takes a second or two
MOST_ROWS, MOST_CHARACTERS = 10_000, 5_000_000
KINDS = {"problems": "problem_id", "groups": '"group"', "solutions": "problem_id, solution"}
"""What rows are counted by. Solutions are of one problem, and the same where the rules of
selection call them so."""
OWN = "own_"
PARTS = {"": "true", OWN: "own"}
"""Prefix of a number, and the rows that it is of: all; and, where some are human and some are
not, those that are not, because human rows are the same in every round and would hide what
becomes of the policy's own."""


def diversity(run: Run, scope: str, rows: Table) -> dict[str, float]:
    """Of a table of Row, by name, what docs/ui.md describes; nothing of no rows. Numbers of groups
    are there where a problem has one.

    Near-duplicates are rows that have another one with nearly the same question and completion
    (domain/diversity.py), among `near_duplicates_among` of them: the first in the order of hashes
    of their problems, so that the rows of a problem stay together.
    """
    with run.store.database() as db:
        db.script("selection_rules")
        db.view("trained_on", Row, [run.store.scope(run.name, scope) / rows[0]])
        db.view("problems", Problem, [run.store.table(run.need(INPUTS, "problems"), "problems")])
        db.execute(
            'CREATE TABLE counted AS SELECT r.*, coalesce(p."group", \'\') AS "group" FROM'
            " (SELECT problem_id, source <> 'human' AS own, md5_number(normalized_text(completion))"
            " AS solution, count(*) AS times FROM trained_on GROUP BY ALL) AS r LEFT JOIN problems"
            " AS p ON p.id = r.problem_id"
        )
        (mixed,) = db.execute("SELECT bool_or(own) AND NOT bool_and(own) FROM counted")[0]
        found: dict[str, float] = {}
        for prefix, part in PARTS.items():
            if mixed or not prefix:
                found |= {prefix + name: number for name, number in _numbers(db, part).items()}
        return found | (_near_duplicates(db) if found else {})


def _numbers(db: Database, part: str) -> dict[str, float]:
    by = {kind: _frequencies(db, part, columns) for kind, columns in KINDS.items()}
    if not by["problems"]:
        return {}
    if not db.count(f"counted WHERE {part} AND \"group\" <> ''"):
        del by["groups"]
    found: dict[str, float] = {}
    for kind, frequencies in by.items():
        found |= {
            f"distinct_{kind}": distinct(frequencies),
            f"effective_{kind}": effective_number(frequencies),
        }
    return found | {TOP_PROBLEMS: top_share(by["problems"], TOP)}


def _frequencies(db: Database, part: str, columns: str) -> Frequencies:
    kinds = f"SELECT sum(times)::BIGINT AS n FROM counted WHERE {part} GROUP BY {columns}"
    return dict(db.execute(f"SELECT n, count(*) FROM ({kinds}) GROUP BY n ORDER BY n"))


def _near_duplicates(db: Database) -> dict[str, float]:
    """Questions, not prompts, which may say the same before every question; of a row that is of
    no problem of the task, the prompt."""
    texts: list[str] = []
    room = MOST_CHARACTERS
    for (text,) in db.stream(
        "SELECT coalesce(question, prompt) || chr(10) || completion FROM trained_on AS r LEFT JOIN"
        " problems AS p ON p.id = r.problem_id ORDER BY md5(problem_id), r.key LIMIT $1",
        MOST_ROWS,
    ):
        room -= len(text)
        if texts and room < 0:
            break
        texts.append(text)
    return {
        "near_duplicate_share": near_duplicates(texts) / len(texts),
        "near_duplicates_among": len(texts),
    }
