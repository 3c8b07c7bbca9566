"""What checks say of real rounds, and what they stop."""

import json

import pytest

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.types import Row
from selftrain_assets.operations import retract
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import BASE, INPUTS, Run
from selftrain_assets.pipeline.stages import check, round_stages
from selftrain_assets.reports import notes, summarize
from tests import lab

QUESTION = (
    "A farmer has 12 hens and each of them lays 3 eggs a day . How many eggs are there after 2"
    " days ?"
)
RECIPE = lab.SETTINGS["recipe"]


def checks(run, scope, stage):
    return {c.name: c for c in check(run, run.need(scope, stage))}


def problem_file(folder, **last):
    """Twelve problems to learn from and four held out; `last` is one more."""
    rows = [
        {"id": f"p{i}", "question": f"what is {i} and {i}", "answer": str(2 * i), "split": "train"}
        for i in range(12)
    ]
    rows += [
        {
            "id": f"t{i}",
            "question": f"how much is {i} with {i}",
            "answer": str(2 * i),
            "split": "test",
        }
        for i in range(3)
    ]
    rows += [
        {
            "id": "eggs",
            "question": QUESTION,
            "answer": "72",
            "split": "test",
            "solution": "12 hens times 3 eggs times 2 days is 72",
        }
    ]
    path = folder / "problems.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in [*rows, *([last] if last else [])]))
    texts = {row["id"]: [f"#### {row['answer']}", "#### 0"] for row in rows} | {"copy": ["#### 72"]}
    return {
        "task": {"type": "file", "path": str(path)},
        "texts": texts,
        "evaluation": lab.SETTINGS["evaluation"] | {"majority_at": []},
    }


def test_a_healthy_round_passes_every_check_that_is_declared(finished):
    run = finished(iterations=2)
    for stage in round_stages(run.config.recipe):
        found = checks(run, "iter-002", stage.name)
        assert {*found} == {check.name for check in stage.checks}, stage.name
        assert [
            c.message
            for c in found.values()
            if not c.passed and c.name not in ("near_copies", "parse_failures")
        ] == []


def test_a_held_out_question_in_the_training_problems_stops_before_anything_is_drawn(
    opened, tmp_path
):
    copy = {
        "id": "copy",
        "question": f"Think. {QUESTION.upper().replace(' .', '.')}",
        "answer": "72",
        "split": "train",
    }
    run = opened(**problem_file(tmp_path, **copy))
    with pytest.raises(
        TaskError,
        match=(
            r"stops at the check held_out_apart of problems.*question of eggs \(test\) in the"
            r" question of copy"
        ),
    ):
        run_rounds(run, [1])
    assert run.manifest(BASE, "checkpoint") is None
    (leak,) = checks(run, INPUTS, "problems")["held_out_apart"].evidence["leaks"]
    assert (leak["problem_id"], leak["exact"], leak["words"]) == ("copy", True, 22)
    retract.retract(run, "problem", "copy", "leaked")
    again = Run(run.name, run.config, run.store)
    run_rounds(again, [1])
    assert checks(again, INPUTS, "problems")["held_out_apart"].passed


def test_a_leak_that_is_allowed_stops_nothing_and_is_told_with_its_reason(opened, tmp_path):
    copy = {"id": "copy", "question": f"Think. {QUESTION}", "answer": "72", "split": "train"}
    allow = [
        {"problem": "co*", "reason": "asked on purpose"},
        {"problem": "nobody", "reason": "not needed"},
    ]
    run = opened(**problem_file(tmp_path, **copy), contamination={"allow": allow})
    run_rounds(run, [1])
    found = checks(run, INPUTS, "problems")["held_out_apart"]
    assert found.passed
    assert found.message.endswith(
        "allowed: 1 of co* (asked on purpose); nothing of nobody (not needed)"
    )
    assert checks(run, "iter-001", "dataset")["near_copies"].evidence["leaks"] == []
    summary = summarize(run)
    assert [(each.waiver.problem, each.problems, each.rows > 0) for each in summary.allowed] == [
        ("co*", 1, True),
        ("nobody", 0, False),
    ]
    assert (
        "nobody: 0 problems and 0 rows, so that it is not needed (not needed)" in notes(summary)[-1]
    )
    without = opened(**problem_file(tmp_path, **copy))
    assert not checks(without, INPUTS, "problems")["held_out_apart"].passed


def test_a_completion_that_recites_held_out_text_is_traced_to_its_row(opened, tmp_path):
    changes = problem_file(tmp_path)
    changes["texts"]["p5"] = [f"{QUESTION} #### 10"]
    run = opened(**changes)
    with pytest.raises(TaskError, match="iter-001 stops at the check held_out_apart of dataset"):
        run_rounds(run, [1])
    assert run.manifest("iter-001", "checkpoint") is None
    leaks = checks(run, "iter-001", "dataset")["held_out_apart"].evidence["leaks"]
    rows = {
        r.sample_key: r for r in run.store.read_table(run.need("iter-001", "dataset"), "rows", Row)
    }
    assert {leak["held_out"] for leak in leaks} == {"question of eggs (test)"}
    for leak in leaks:
        assert rows[leak["sample_key"]].problem_id == "p5" == leak["problem_id"]


def test_a_round_that_repeats_one_solution_is_stopped_before_it_trains(opened, tmp_path):
    changes = problem_file(tmp_path)
    many = {id: [f"{n} ways to {of[0]}" for n in range(40)] for id, of in changes["texts"].items()}
    sampling = {"recipe": RECIPE | {"sampling": RECIPE["sampling"] | {"samples_per_problem": 8}}}
    run_rounds(opened(**changes | {"texts": many} | sampling), [1])
    collapsed = opened(
        **changes | {"texts": {id: of[:1] for id, of in changes["texts"].items()}} | sampling
    )
    with pytest.raises(
        TaskError,
        match=(
            r"iter-002 stops at the check distinct_solutions.*12 of 96 correct samples are"
            r" distinct.*temperature"
        ),
    ):
        run_rounds(collapsed, [1, 2])
    assert collapsed.manifest("iter-002", "dataset") is None
    found = checks(collapsed, "iter-002", "verifications")["distinct_solutions"]
    assert {r["times"] for r in found.evidence["most repeated"]} == {8}


def test_warnings_stop_nothing_and_show_examples(opened):
    run = opened(
        texts={f"train-{i:05d}": ["I would rather not say"] * 3 + ["#### 1 2 3"] for i in range(12)}
    )
    with pytest.raises(TaskError, match="correct_samples"):
        run_rounds(run, [1])
    found = checks(run, "iter-001", "verifications")["parse_failures"]
    assert not found.passed
    assert {e["completion"] for e in found.evidence["examples"]} == {"I would rather not say"}


def test_new_weights_of_an_earlier_round_are_told_where_they_were_made(opened, finished):
    finished(iterations=2)
    changed = opened(trainer=lab.SETTINGS["trainer"] | {"steps": 3})
    assert checks(changed, "iter-001", "checkpoint")["loop_edge"].passed
    run_rounds(changed, [1])
    stale = checks(changed, "iter-001", "checkpoint")["loop_edge"]
    assert (stale.passed, stale.blocking) == (False, False)
    assert stale.message.startswith(
        "iter-002 sampled from weights that this round no longer has; materialize iter-002 from its"
        " policy on"
    )
    edge = checks(changed, "iter-002", "policy")["loop_edge"]
    assert (edge.passed, edge.blocking) == (False, True)
    run_rounds(changed, [2])
    assert checks(changed, "iter-001", "checkpoint")["loop_edge"].passed
    assert checks(changed, "iter-002", "policy")["loop_edge"].passed


def test_a_damaged_table_and_a_changed_parent_are_named(finished):
    run = finished()
    file, _, _ = run.need("iter-001", "dataset").files["rows"]
    path = run.store.scope(run.name, "iter-001") / file
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    found = checks(run, "iter-001", "dataset")["intact"]
    assert (found.passed, found.blocking) == (False, True)
    assert found.message.startswith(
        "a table of iter-001 dataset is missing or not as it was committed; run `selftrain run lab`"
    )
    path.write_bytes(whole)
    verdicts = run.store.scope(run.name, "iter-001") / "verifications.json"
    values = json.loads(verdicts.read_text())
    verdicts.write_text(json.dumps(values | {"digest": "0" * 32}))
    assert (
        "was made from other iter-001/verifications than is there now"
        in checks(run, "iter-001", "dataset")["intact"].message
    )
