"""Rows of other sources in a round's dataset, and the recipe that trains on nothing else."""

import json

import pytest

from selftrain_assets.domain.errors import TaskError, UserError
from selftrain_assets.domain.types import Problem, Row, Score
from selftrain_assets.operations import reverify
from selftrain_assets.operations.audit import audit
from selftrain_assets.operations.catalog import query
from selftrain_assets.operations.export import export
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.operations.lineage import Lineage
from selftrain_assets.operations.retract import retract
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import INPUTS
from selftrain_assets.reports import report_page, summarize

RECIPE = {
    "type": "rest_em",
    "sampling": {"samples_per_problem": 4, "temperature": 1.0, "max_tokens": 32},
    "dedup": "none",
}
SCRATCH = {"architecture": "llama", "layers": 1, "width": 16, "heads": 1, "positions": 128}
STEPS = {
    "type": "multistep_arithmetic",
    "train": 60,
    "human": 4,
    "validation": 2,
    "test": 6,
    "transfer": 4,
}


@pytest.fixture
def general(tmp_path):
    """A source of 20 questions and answers in four groups."""
    rows = [
        {
            "id": f"g{i}",
            "question": f"Capital {i}?",
            "answer": f"City {i}",
            "solution": f"It is City {i}.",
            "group": f"kind {i % 4}",
        }
        for i in range(20)
    ]
    rows.append({"id": "unsolved", "question": "Unsolved?", "answer": "x"})
    rows = [{"split": "train", **row} for row in rows]
    path = tmp_path / "general.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return {
        "general": {
            "task": {"type": "file", "path": str(path)},
            "prompt": {"template": "Question: {question}"},
        }
    }


def rows_of(run, iteration=1):
    return run.store.read_table(run.need(f"iter-{iteration:03d}", "dataset"), "rows", Row)


def by_source(rows):
    general = [r for r in rows if r.problem_id.startswith("general/")]
    return {"general": general, "self": [r for r in rows if r.source == "self"]}


def test_a_share_of_another_source_stands_beside_the_own_rows(opened, general, store):
    alone, run = (
        opened(name="alone"),
        opened(recipe=RECIPE | {"mix": {"general": 0.25}}, sources=general),
    )
    run_rounds(alone, [1])
    run_rounds(run, [1, 2])
    found = by_source(rows_of(run))
    assert found["self"] == rows_of(alone)  # nothing else changes
    assert len(found["general"]) == round(len(found["self"]) / 3)
    solved = {
        p.id: p
        for p in store.read_table(run.need(INPUTS, "problems"), "problems", Problem)
        if p.split == "source"
    }
    assert len(solved) == 20
    for row in found["general"]:
        of = solved[row.problem_id]
        assert (row.prompt, row.completion, row.source, row.sample_key) == (
            f"Question: {of.question}",
            of.solution,
            "human",
            None,
        )
    assert run.need("iter-001", "dataset").metrics["mixed"] == {"general": len(found["general"])}
    inspector = Inspector(store)
    assert all(line.state == "done" and not line.lost for line in audit(inspector, run))
    assert not inspector.findings
    told = report_page(summarize(run), {}).markdown()
    assert "## Training rows, and those of other sources among them" in told
    assert not reverify.reverify(run)[0].removed
    [node] = [
        n for n in Lineage(store).checkpoint("lab", "iter-001", row=1).edges if n.kind == "dataset"
    ]
    assert node.edges


def test_rows_of_another_source_can_take_the_place_of_own_ones(opened, general):
    alone, run = (
        opened(name="alone"),
        opened(recipe=RECIPE | {"mix": {"general": 5}, "mix_by": "replace"}, sources=general),
    )
    run_rounds(alone, [1])
    run_rounds(run, [1])
    own, found = rows_of(alone), by_source(rows_of(run))
    assert len(found["general"]) == 5
    assert len(found["self"]) == len(own) - 5
    assert {r.key for r in found["self"]} < {r.key for r in own}


def test_human_rows_by_their_number(opened):
    run = opened(recipe=RECIPE | {"mix": {"human": 3}})
    run_rounds(run, [1])
    assert sum(r.source == "human" for r in rows_of(run)) == 3


def test_none_of_a_source_is_as_good_as_not_naming_it(opened, general):
    """A sweep over the share begins there."""
    alone, run = (
        opened(name="alone"),
        opened(recipe=RECIPE | {"mix": {"general": 0, "human": 0}}, sources=general),
    )
    run_rounds(alone, [1])
    run_rounds(run, [1])
    assert rows_of(run) == rows_of(alone)


def test_a_problem_of_a_source_can_be_retracted(opened, general):
    run = opened(recipe=RECIPE | {"mix": {"general": 20}}, sources=general)
    run_rounds(run, [1])
    affected = retract(run, "problem", "general/g3", "it is wrong")
    assert affected.scopes == {"iter-001": 1}
    again = opened(recipe=RECIPE | {"mix": {"general": 19}}, sources=general)
    run_rounds(again, [1])
    assert "general/g3" not in {r.problem_id for r in rows_of(again)}


def test_held_out_text_in_a_source_stops_the_round(opened, finished, general, tmp_path):
    plain = finished()
    asked = plain.split("test")[0].question
    with (tmp_path / "general.jsonl").open("a") as file:
        file.write(
            "\n"
            + json.dumps(
                {"id": "leak", "question": asked, "answer": "1", "solution": "1", "split": "train"}
            )
        )
    run = opened(recipe=RECIPE | {"mix": {"general": 5}}, sources=general)
    with pytest.raises(TaskError, match=r"held_out_apart.*general/leak"):
        run_rounds(run, [1])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"recipe": RECIPE | {"mix": {"general": 21}}},
            "recipe.mix: general has 20 rows to learn from, and 21 are asked for",
        ),
        (
            {"recipe": RECIPE | {"mix": {"general": 20}, "mix_by": "replace"}},
            "20 rows of other sources would replace all",
        ),
    ],
)
def test_more_than_there_is_is_told(opened, general, changes, told):
    with pytest.raises((UserError, TaskError), match=told):
        run_rounds(opened(sources=general, **changes), [1])


def test_a_source_without_solutions_is_told(opened, tmp_path):
    path = tmp_path / "bare.jsonl"
    path.write_text(
        "\n".join(
            json.dumps({"id": str(i), "question": f"Q{i}?", "answer": "1"}) for i in range(20)
        )
    )
    with pytest.raises(
        UserError, match=r"sources\.bare\.task: no training problem of task file has a solution"
    ):
        run_rounds(
            opened(
                recipe=RECIPE | {"mix": {"bare": 0.1}},
                sources={"bare": {"task": {"type": "file", "path": str(path)}}},
            ),
            [1],
        )


@pytest.fixture
def instructed(opened, tmp_path, monkeypatch):
    """Returns a function that opens an experiment of recipe diversification, on a model of
    random weights."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def open_run(name="lab", **changes):
        settings = {
            "model": SCRATCH,
            "task": STEPS,
            "rounds": 1,
            "engine": {"type": "transformers"},
            **changes,
        }
        settings["recipe"] = {
            "type": "diversification",
            "sampling": {"max_tokens": 8},
            "init_from": "pretrained",
            **changes.get("recipe", {}),
        }
        return opened(name, **settings)

    return open_run


def test_a_budget_of_reference_solutions_is_all_that_is_learnt(
    instructed, store, general, tmp_path, monkeypatch
):
    run = instructed(
        recipe={"budget": 20, "instructions": 2, "mix": {"general": 0.2}}, sources=general
    )
    run_rounds(run, [1])
    rows = rows_of(run)
    problems = {p.id: p for p in run.problems}
    own = [r for r in rows if not r.problem_id.startswith("general/")]
    groups = [problems[r.problem_id].group for r in own]
    assert len(own) == 20
    assert sorted(groups.count(g) for g in set(groups)) == [10, 10]
    assert len(rows) == 25
    scores = run.store.read_table(run.need("iter-001", "evaluation"), "scores", Score)
    measured = {s.problem_id for s in scores if s.split == "train"}
    assert len(measured) == 4
    # of 60 training problems, of which 20 are learnt
    assert measured <= {r.problem_id for r in own}
    assert all(r.completion == problems[r.problem_id].solution for r in rows)
    inspector = Inspector(store)
    assert [(line.scope, line.stage) for line in audit(inspector, run)][3:] == [
        ("iter-001", stage) for stage in ("dataset", "checkpoint", "evaluation")
    ]
    assert not inspector.findings
    summary = summarize(run)
    assert summary.model.startswith("llama from scratch")
    assert set(summary.iterations[0].groups) == {"test", "transfer"}
    assert "## Greedy accuracy by group of problems" in report_page(summary, {}).markdown()
    _, found = query(store, "SELECT count(*) FROM rows WHERE problem_id LIKE 'general/%'")
    assert found[0][0] == 5
    monkeypatch.setenv("SELFTRAIN_DEFS", str(tmp_path / "defs"))
    assert export(run, 1, tmp_path / "export", rows="jsonl").rows.rows == 25


def test_other_sources_alone(instructed, general):
    """As where the task is a benchmark: nothing of it is learnt."""
    run = instructed(recipe={"budget": 0, "mix": {"general": 8}}, sources=general)
    run_rounds(run, [1])
    assert len(rows_of(run)) == 8
    assert all(r.problem_id.startswith("general/") for r in rows_of(run))


def test_a_larger_budget_keeps_what_a_smaller_one_has(instructed):
    small, large = (
        instructed(name, recipe={"budget": n, "instructions": 2})
        for name, n in (("small", 10), ("large", 20))
    )
    for run in (small, large):
        run_rounds(run, [1])
    assert {r.key for r in rows_of(small)} < {r.key for r in rows_of(large)}


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (
            {"budget": 61},
            "recipe.budget and recipe.instructions: 61 rows are asked for, and there are 60",
        ),
        (
            {"instructions": 99},
            "recipe.budget and recipe.instructions: 99 instructions are asked for, and there are",
        ),
    ],
)
def test_a_budget_that_is_not_there_is_told_before_anything_is_done(instructed, recipe, told):
    run = instructed(recipe=recipe)
    with pytest.raises(UserError, match=told):
        run_rounds(run, [1])
    assert run.manifest(INPUTS, "problems") is None


def test_it_needs_solutions(instructed):
    with pytest.raises(
        UserError,
        match='recipe diversification learns from solutions, and problem "train-00000" has none',
    ):
        run_rounds(
            instructed(
                task={
                    "type": "word_problems",
                    "train": 5,
                    "human": 2,
                    "validation": 1,
                    "test": 2,
                    "transfer": 1,
                }
            ),
            [1],
        )


def test_what_no_round_of_it_has_is_told(instructed):
    run = instructed()
    with pytest.raises(
        TaskError,
        match="recipe diversification samples nothing, so that no round of it has verifications",
    ):
        run.need("iter-001", "verifications")
