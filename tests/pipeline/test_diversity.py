"""How varied the rows of a round are: counted in the database as by hand, kept in its manifest,
and shown in the report."""

import json
import math
from collections import Counter
from dataclasses import asdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selftrain_assets.domain.diversity import near_duplicates
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.selection import make_row
from selftrain_assets.domain.types import Problem, Row
from selftrain_assets.pipeline import dataset, inputs, samples
from selftrain_assets.pipeline import diversity as measuring
from selftrain_assets.pipeline.diversity import OWN, TOP, TOP_PROBLEMS, diversity
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import INPUTS, Clock, Run, finish
from selftrain_assets.reports import further_tables, summarize, write_report
from tests import lab

PROBLEMS = [
    Problem(f"p{i}", f"what is {i} and {i}", str(2 * i), group="sums" if i % 3 else "")
    for i in range(5)
]
TEXTS = [
    "#### 1",
    "#### 2",
    "####  1\n",
    "One and one are two",
    "one and one ARE two",
    "a solution of many words " * 4,
]
RECIPE = lab.SETTINGS["recipe"]


def entropy(counts):
    rows = sum(counts.values())
    return -math.fsum(n / rows * math.log(n / rows) for n in counts.values())


def by_hand(rows, problems):
    """The same numbers, row by row."""
    groups = {p.id: p.group for p in problems}
    own = [row for row in rows if row.source != "human"]
    found = {}
    for prefix, of in (("", rows), *([(OWN, own)] if 0 < len(own) < len(rows) else [])):
        by = {
            "problems": Counter(row.problem_id for row in of),
            "groups": Counter(groups.get(row.problem_id, "") for row in of),
            "solutions": Counter(
                (row.problem_id, " ".join(row.completion.lower().split())) for row in of
            ),
        }
        if {*by["groups"]} <= {""}:
            del by["groups"]
        for kind, counts in by.items():
            found |= {
                f"{prefix}distinct_{kind}": len(counts),
                f"{prefix}effective_{kind}": math.exp(entropy(counts)),
            }
        found[prefix + TOP_PROBLEMS] = sum(n for _, n in by["problems"].most_common(TOP)) / len(of)
    questions = {p.id: p.question for p in problems}
    texts = [f"{questions.get(row.problem_id, row.prompt)}\n{row.completion}" for row in rows]
    return found | {
        "near_duplicate_share": near_duplicates(texts) / len(texts),
        "near_duplicates_among": len(texts),
    }


def rows_of(run, scope):
    return run.store.read_table(run.need(scope, "dataset"), "rows", Row)


@pytest.fixture
def frozen(opened):
    """An experiment of which nothing but the problems is there."""
    run = opened()
    table = run.store.write_table(run.name, INPUTS, "problems", "0" * 32, Problem, PROBLEMS)
    finish(
        run,
        Clock(),
        INPUTS,
        "problems",
        key="",
        digest="0" * 32,
        parents={},
        files={"problems": table},
    )
    return run


def measured(run, rows):
    """Numbers of these rows, in a table as a recipe writes it that makes them in Python."""
    digest = fingerprint("rows", [asdict(row) for row in rows])
    return diversity(
        run, "iter-001", run.store.write_table(run.name, "iter-001", "rows", digest, Row, rows)
    )


SOME = st.builds(
    lambda problem, text, source, index: make_row(
        f"prompt of {problem}", text, 1.0, source, problem, 1, str(index)
    ),
    st.sampled_from([*(p.id for p in PROBLEMS), "of no task"]),
    st.sampled_from(TEXTS),
    st.sampled_from(["self", "self", "human", "improved"]),
    st.integers(0, 99),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(SOME, min_size=1, max_size=40))
def test_the_database_counts_as_by_hand(frozen, rows):
    assert measured(frozen, rows) == pytest.approx(by_hand(rows, PROBLEMS))


def test_of_no_rows_nothing_is_said(frozen):
    assert measured(frozen, []) == {}


def test_so_many_rows_are_compared_and_those_of_a_problem_together(frozen, monkeypatch):
    rows = [
        make_row("prompt", f"{text} {problem}", 1.0, "self", problem, 1, problem + text)
        for problem in ("p1", "p2")
        for text in "ab"
    ]
    monkeypatch.setattr(measuring, "MOST_ROWS", 2)
    compared = measured(frozen, rows)
    assert compared["near_duplicates_among"] == 2
    assert compared["near_duplicate_share"] == by_hand(rows[:2], PROBLEMS)["near_duplicate_share"]
    monkeypatch.setattr(measuring, "MOST_CHARACTERS", 1)
    assert measured(frozen, rows)["near_duplicates_among"] == 1


TITLE = "Diversity of the training rows"
MIXED = {"recipe": RECIPE | {"mix_human": 1.0}}


def tables(run):
    return {title: (header, rows) for title, header, rows in further_tables(summarize(run))}


@pytest.mark.parametrize("changes", [{}, MIXED])
def test_a_round_says_how_varied_its_rows_are(opened, changes):
    run = opened(**changes)
    run_rounds(run, [1, 2])
    for scope in ("iter-001", "iter-002"):
        found, rows = run.need(scope, "dataset").metrics["diversity"], rows_of(run, scope)
        assert found == pytest.approx(by_hand(rows, run.problems))
        assert (
            (OWN + "effective_problems" in found)
            == bool(changes)
            == any(row.source == "human" for row in rows)
        )
        assert found["distinct_solutions"] < found["near_duplicates_among"] == len(rows), (
            "some were drawn twice"
        )
        assert found["near_duplicate_share"] > 0


def test_the_report_shows_its_course(opened):
    run = opened(**MIXED)
    run_rounds(run, [1, 2])
    page = write_report(run)
    header, rows = tables(run)[TITLE]
    assert [row[0] for row in rows] == ["1", "1, without human rows", "2", "2, without human rows"]
    for i, (whole, own) in enumerate(zip(rows[::2], rows[1::2], strict=True), 1):
        counts, found = (
            run.need(f"iter-00{i}", "dataset").counts,
            run.need(f"iter-00{i}", "dataset").metrics["diversity"],
        )
        cells, without = (dict(zip(header, row, strict=True)) for row in (whole, own))
        assert (cells["rows"], without["rows"]) == (str(counts["rows"]), str(counts["self"]))
        assert cells["effective problems"] == f"{found['effective_problems']:.1f}"
        assert without["solutions"] == str(found[f"{OWN}distinct_solutions"])
        assert (cells["near-duplicates"], without["near-duplicates"]) == (
            f"{found['near_duplicate_share']:.3f}",
            "",
        )
    assert f"<h2>{TITLE}</h2>" in page.read_text()
    assert page.with_name("diversity.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads(page.with_suffix(".json").read_text())["iterations"]
    assert [point["diversity"] for point in told] == [
        run.need(f"iter-00{i}", "dataset").metrics["diversity"] for i in (1, 2)
    ]


def test_a_dataset_of_before_is_shown_without_it_and_measured_without_training_again(
    opened, monkeypatch
):
    run = opened(rounds=1)
    with monkeypatch.context() as before:
        for stage in (inputs, samples, dataset):
            before.setattr(stage, "VERSION", 1)
        before.setattr(dataset, "diversity", lambda *_: {})
        run_rounds(run, [1])
    path = run.store.scope(run.name, "iter-001") / "dataset.json"
    old = json.loads(path.read_text())
    del old["metrics"]["diversity"]
    path.write_text(json.dumps(old))
    page = write_report(run)
    assert TITLE not in tables(run)
    assert not page.with_name("diversity.png").exists()
    trained = run.need("iter-001", "checkpoint")
    again = Run(run.name, run.config, run.store)
    run_rounds(again, [1])
    new = again.need("iter-001", "dataset")
    assert new.metrics["diversity"] == pytest.approx(
        by_hand(rows_of(again, "iter-001"), again.problems)
    )
    assert (new.digest, new.files) == (
        old["digest"],
        {name: tuple(entry) for name, entry in old["files"].items()},
    )
    assert again.need("iter-001", "checkpoint") == trained
    assert TITLE in tables(again)
    assert write_report(again).with_name("diversity.png").exists()
