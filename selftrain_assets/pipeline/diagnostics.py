"""What the checks of a stage stand on: measured when the stage is made, and kept in its
manifest."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from selftrain_assets.domain.contamination import HeldOut, Leak
from selftrain_assets.domain.diversity import top_share
from selftrain_assets.domain.quality_checks import TOP_SHARE
from selftrain_assets.domain.types import HELD_OUT, Problem
from selftrain_assets.pipeline.run import Run
from selftrain_assets.store.database import Database

# of what is measured here and in diversity.py; part of the keys of the stages that measure it
VERSION = 3
# of a dataset that are looked at for held-out text: keys are hashes, so the first of them are a
# sample
MOST_ROWS = 100_000
# whole questions and near copies that are named; of the former all others are counted
MOST_LEAKS, MOST_NEAR = 10_000, 1000
EXAMPLES, EXCERPT = 3, 160


class _Text(NamedTuple):
    where: str
    problem_id: str
    text: str
    is_question: bool
    sample_key: str | None = None


def leaks_in_problems(problems: list[Problem]) -> dict[str, Any]:
    """Held-out text in the questions and solutions of the other problems: {leaks, looked_at}."""
    learnt = [p for p in problems if p.split not in HELD_OUT]
    return _leaks(
        problems,
        (text for p in learnt for text in (_question(p), *_solutions(p))),
        f"{len(learnt)} problems to learn from",
    )


def leaks_in_selection(run: Run, db: Database) -> dict[str, Any]:
    """`leaks_in_rows` of what was `chosen` and of `human_rows`."""
    texts = db.execute(
        "SELECT sample_key, c.problem_id, completion FROM (SELECT * FROM chosen ORDER BY sample_key"
        " LIMIT $1) AS c JOIN sample_pool AS s ON s.key = c.sample_key UNION ALL SELECT NULL,"
        " problem_id, completion FROM human_rows",
        MOST_ROWS,
    )
    own, human = db.count("chosen"), db.count("human_rows")
    return leaks_in_rows(
        run,
        texts,
        f"{own + human} rows" if own <= MOST_ROWS else f"{MOST_ROWS + human} of {own + human} rows",
    )


def leaks_in_rows(
    run: Run, rows: Iterable[tuple[str | None, str, str]], looked_at: str
) -> dict[str, Any]:
    """Held-out text in the completions of rows (sample, problem, completion), and in the
    questions that they ask."""
    by_id = {p.id: p for p in run.problems}

    def texts() -> Iterator[_Text]:
        asked: set[str] = set()
        for key, problem, completion in rows:
            if problem not in asked and problem in by_id:
                asked.add(problem)
                yield _question(by_id[problem])
            yield _Text(
                f"the completion of sample {key[:12]}" if key else f"the human row of {problem}",
                problem,
                completion,
                False,
                key,
            )

    return _leaks(run.problems, texts(), looked_at)


def _leaks(problems: list[Problem], texts: Iterable[_Text], looked_at: str) -> dict[str, Any]:
    held_out = [p for p in problems if p.split in HELD_OUT]
    index = HeldOut(held_out, {p.id: [s.text for s in _solutions(p)] for p in held_out})
    kept: list[dict[str, Any]] = []
    more = near = 0
    for text in texts:
        if leak := index.find(text.text, text.is_question):
            near += not leak.exact
            if len(kept) < MOST_LEAKS if leak.exact else near <= MOST_NEAR:
                kept.append(_record(text, leak))
            else:
                more += leak.exact
    return {"leaks": kept, "more_leaks": more, "looked_at": looked_at}


def _record(text: _Text, leak: Leak) -> dict[str, Any]:
    held_out = f"{leak.part} of {leak.held_out} ({leak.split})"
    return {
        "found_in": text.where,
        "problem_id": text.problem_id,
        "sample_key": text.sample_key,
        "held_out": held_out,
        "held_out_id": leak.held_out,
        "exact": leak.exact,
        "words": len(leak.span.split()),
        "span": leak.span,
    }


def _question(p: Problem) -> _Text:
    return _Text(f"the question of {p.id} ({p.split})", p.id, p.question, True)


def _solutions(p: Problem) -> list[_Text]:
    texts = [p.solution, *json.loads(p.solutions or "{}").values()]
    return [
        _Text(f"the solution of {p.id} ({p.split})", p.id, text, False) for text in texts if text
    ]


def solutions(db: Database) -> dict[str, Any]:
    """How distinct, and how long, the correct ones of `judgements` are; and those that were
    repeated most."""
    db.execute(
        "CREATE OR REPLACE TEMP TABLE repeats AS SELECT j.problem_id, j.method, hash(s.completion)"
        " AS text, count(*) AS times, min(s.key) AS sample_key, sum(s.completion_tokens) AS tokens"
        " FROM judgements AS j JOIN verdict_pool AS v ON v.key = j.key JOIN sample_pool AS s ON"
        " s.key = j.sample_key WHERE v.outcome = 'pass' GROUP BY ALL"
    )
    correct, distinct, tokens = db.execute(
        "SELECT coalesce(sum(times), 0), count(*), sum(tokens) FROM repeats"
    )[0]
    repeated = db.execute(
        "SELECT r.problem_id, times, left(completion, $1) FROM (SELECT * FROM repeats ORDER BY"
        " times DESC, sample_key LIMIT $2) AS r JOIN sample_pool AS s ON s.key = r.sample_key ORDER"
        " BY times DESC, s.key",
        EXCERPT,
        EXAMPLES,
    )
    return {
        "correct": int(correct),
        "distinct": distinct,
        "mean_tokens": float(tokens) / int(correct) if correct else None,
        "repeated": [
            {"problem_id": problem, "times": times, "completion": text}
            for problem, times, text in repeated
        ],
    }


def unparsed(db: Database) -> list[dict[str, Any]]:
    """A few of `judgements` that no answer could be read out of."""
    found = db.execute(
        "SELECT s.key, j.problem_id, left(s.completion, $1), reason FROM (SELECT place,"
        " m.sample_key, m.problem_id, reason FROM judgements AS m JOIN verdict_pool USING (key)"
        " WHERE outcome = 'malformed' ORDER BY place LIMIT $2) AS j JOIN sample_pool AS s ON s.key"
        " = j.sample_key ORDER BY place",
        EXCERPT,
        EXAMPLES,
    )
    return [
        {"sample_key": key, "problem_id": problem, "completion": text, "reason": reason}
        for key, problem, text, reason in found
    ]


def rows_by_problem(db: Database) -> dict[str, int]:
    """How many of `chosen` each problem has."""
    return dict(db.execute("SELECT problem_id, count(*) FROM chosen GROUP BY ALL"))


def concentration(rows: Mapping[str, int]) -> dict[str, Any]:
    """The share of rows that is of the TOP_SHARE of their problems with most rows, and the first
    of these. `rows` are by problem."""
    if not rows:
        return {"share": None, "problems": []}
    top = sorted(rows.items(), key=lambda found: (-found[1], found[0]))[
        : math.ceil(len(rows) * TOP_SHARE)
    ]
    share = top_share(Counter(rows.values()), len(top))
    return {"share": share, "problems": [{"problem_id": id, "rows": n} for id, n in top[:EXAMPLES]]}
