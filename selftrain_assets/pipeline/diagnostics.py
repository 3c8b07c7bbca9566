"""Measurements that checks are based on, made with a stage and stored in its manifest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from selftrain_assets.domain.contamination import HeldOut, Leak
from selftrain_assets.domain.diversity import top_share
from selftrain_assets.domain.quality_checks import TOP_SHARE
from selftrain_assets.domain.types import HELD_OUT, Problem, Row, Sample
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.verification import VerificationResult
from selftrain_assets.store.selection import ChosenSample
from selftrain_assets.store.workspace import Relation, Workspace

# The version of the measurements here and in diversity.py; it enters the keys of their stages.
VERSION = 3
# Rows of a dataset that are searched for held-out text: the first by key. Keys are hashes, so
# these are a random sample.
MOST_ROWS = 100_000
# Whole questions and near copies that are listed; further whole questions are only counted.
MOST_LEAKS, MOST_NEAR = 10_000, 1000
EXAMPLES, EXCERPT = 3, 160


class _Text(NamedTuple):
    where: str
    problem_id: str
    text: str
    is_question: bool
    sample_key: str | None = None


def leaks_in_problems(problems: list[Problem]) -> dict[str, Any]:
    """Find held-out text in the questions and solutions of the other problems.

    Returns:
        {leaks, looked_at}.
    """
    learnt = [p for p in problems if p.split not in HELD_OUT]
    return _leaks(
        problems,
        (text for p in learnt for text in (_question(p), *_solutions(p))),
        f"{len(learnt)} problems to learn from",
    )


def leaks_in_selection(
    run: Run,
    ws: Workspace,
    chosen: Relation[ChosenSample],
    samples: Relation[Sample],
    other_rows: Relation[Row],
) -> dict[str, Any]:
    """Apply `leaks_in_rows` to chosen samples and to rows that come from no sample."""
    texts = ws.rows(
        "selection.texts_learnt",
        chosen=chosen,
        samples=samples,
        other_rows=other_rows,
        most=MOST_ROWS,
    )
    own, others = ws.count(chosen), ws.count(other_rows)
    return leaks_in_rows(
        run,
        texts,
        f"{own + others} rows"
        if own <= MOST_ROWS
        else f"{MOST_ROWS + others} of {own + others} rows",
    )


def leaks_in_rows(
    run: Run, rows: Iterable[tuple[str | None, str, str]], looked_at: str
) -> dict[str, Any]:
    """Find held-out text in the completions of rows and in the questions that they ask.

    Args:
        run: The run.
        rows: (sample key, problem id, completion) of each row.
        looked_at: Description of what is searched.
    """
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
    texts = [p.solution, *(p.solutions or {}).values()]
    return [
        _Text(f"the solution of {p.id} ({p.split})", p.id, text, False) for text in texts if text
    ]


@dataclass(frozen=True, slots=True)
class _Solution:
    """A distinct solution of a problem by a method, with its number of draws and their tokens."""

    problem_id: str
    method: str | None
    text: int
    times: int
    sample_key: str
    tokens: int


def solutions(ws: Workspace, result: VerificationResult) -> dict[str, Any]:
    """Measure the number, diversity and length of correct samples, and list the most repeated."""
    different = ws.table(
        _Solution,
        "verification.solutions",
        planned=result.planned,
        verdicts=result.verdicts,
        samples=result.samples,
    )
    correct, distinct, tokens = ws.row("verification.count_solutions", solutions=different)
    repeated = ws.rows(
        "verification.most_repeated",
        solutions=different,
        samples=result.samples,
        characters=EXCERPT,
        most=EXAMPLES,
    )
    ws.drop(different)
    return {
        "correct": int(correct),
        "distinct": distinct,
        "mean_tokens": float(tokens) / int(correct) if correct else None,
        "repeated": [
            {"problem_id": problem, "times": times, "completion": text}
            for problem, times, text in repeated
        ],
    }


def unparsed(ws: Workspace, result: VerificationResult) -> list[dict[str, Any]]:
    """A few samples in which the verifier found no answer."""
    rows = ws.rows(
        "verification.malformed",
        planned=result.planned,
        verdicts=result.verdicts,
        samples=result.samples,
        characters=EXCERPT,
        most=EXAMPLES,
    )
    return [
        {"sample_key": key, "problem_id": problem, "completion": text, "reason": reason}
        for key, problem, text, reason in rows
    ]


def concentration(rows: Mapping[str, int]) -> dict[str, Any]:
    """The share of rows that belongs to the TOP_SHARE of problems with most rows.

    Args:
        rows: The number of rows of each problem.

    Returns:
        `share`, and `problems`: the first of these problems with their numbers of rows.
    """
    if not rows:
        return {"share": None, "problems": []}
    top = sorted(rows.items(), key=lambda found: (-found[1], found[0]))[
        : math.ceil(len(rows) * TOP_SHARE)
    ]
    share = top_share(Counter(rows.values()), len(top))
    return {"share": share, "problems": [{"problem_id": id, "rows": n} for id, n in top[:EXAMPLES]]}
