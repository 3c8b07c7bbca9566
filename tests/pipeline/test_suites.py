"""Other tasks beside the one that is learnt: measured with every policy, held out of every
dataset, never counted as its own."""

import json

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import TaskError, UserError
from selftrain_assets.domain.types import Score
from selftrain_assets.operations.audit import audit
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.pipeline.loop import prepare, run_rounds
from selftrain_assets.reports import report_page, summarize
from tests import lab
from tests.lab import read_samples

CAPITALS = {"France?": "Paris", "Italy?": "Rome", "Spain?": "Madrid"}


@pytest.fixture
def with_suite(opened, tmp_path):
    """Returns a function that opens an experiment with a suite of three questions, of which the
    engine knows two."""

    def open_run(suite=None, capitals=CAPITALS, **changes):
        rows = [{"id": q, "question": q, "answer": a, "split": "test"} for q, a in capitals.items()]
        rows.append({"id": "left out", "question": "Norway?", "answer": "Oslo", "split": "train"})
        path = tmp_path / "capitals.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        texts = lab.answers(lab.WordProblems(**lab.TASK).load())
        texts |= {
            "capitals/France?": ["Paris"],
            "capitals/Italy?": ["Rome.", "Turin"],
            "capitals/Spain?": ["no idea"],
        }
        settings = {
            "task": {"type": "file", "path": str(path)},
            "verifier": {"type": "text"},
            "prompt": {"template": "Capital of {question}"},
        }
        settings |= {"samples_per_problem": 4, "pass_at": [1, 4]} | (suite or {})
        evaluation = {**lab.SETTINGS["evaluation"], "suites": {"capitals": settings}}
        return opened(texts=texts, evaluation=evaluation, **changes)

    return open_run


def test_every_policy_is_measured_on_it_beside_the_base(with_suite):
    run = with_suite()
    run_rounds(run, [1])
    for scope in ("base", "iter-001"):
        found = run.need(scope, "evaluation").metrics["suites"]["capitals"]
        assert found["greedy_accuracy"]["mean"] == pytest.approx(2 / 3)
        assert found["greedy_accuracy"]["problems"] == 3
        assert 1 / 3 < found["pass_at_k"]["1"]["mean"] <= 2 / 3
        assert found["pass_at_k"]["4"]["mean"] == pytest.approx(2 / 3)
    assert found["gain_over_base"]["mean"] == 0
    told = report_page(summarize(run), {}).markdown()
    assert "## Suite capitals: 3 problems of another task" in told
    assert "| 1 | 0.667 [" in told


def test_what_is_learnt_and_its_own_numbers_stay_as_they_are(with_suite, opened):
    alone, run = opened(name="alone"), with_suite()
    run_rounds(alone, [1])
    run_rounds(run, [1])
    assert run.need("iter-001", "dataset").digest == alone.need("iter-001", "dataset").digest
    assert run.need("iter-001", "checkpoint").digest == alone.need("iter-001", "checkpoint").digest
    ours, others = (dict(each.need("iter-001", "evaluation").metrics) for each in (run, alone))
    assert ours.pop("suites")
    # of the suite's samples too
    read, alone_read = ours.pop("second_opinion"), others.pop("second_opinion")
    assert {*read["by"]} == {"numeric", "text"} > {*alone_read["by"]}
    assert ours == others
    asked = {s.problem_id for s in read_samples(run, run.need("iter-001", "samples"))}
    assert not any("capitals" in id for id in asked)


def test_its_own_prompt_and_verifier_are_used(with_suite):
    run = with_suite()
    for _ in prepare(run):
        pass
    scores = run.store.read_table(run.need("base", "evaluation"), "scores", Score)
    assert {(s.problem_id, s.greedy, s.samples) for s in scores if s.split == "suite"} == {
        ("capitals/France?", 1, 4),
        ("capitals/Italy?", 1, 4),
        ("capitals/Spain?", 0, 4),
    }
    prompts = {
        p
        for draws in run.store.samples(run.need("base", "checkpoint").digest).files()
        for p in _prompts(draws)
    }
    assert "Capital of France?" in prompts


def _prompts(file):
    import pyarrow.parquet

    return pyarrow.parquet.read_table(file)["prompt"].to_pylist()


def test_greedy_alone_is_the_default_and_some_problems_can_be_chosen(with_suite):
    run = with_suite({"samples_per_problem": 0, "pass_at": [], "problems": 2})
    for _ in prepare(run):
        pass
    found = run.need("base", "evaluation").metrics["suites"]["capitals"]
    assert found["greedy_accuracy"]["problems"] == 2
    assert found["pass_at_k"] == {}


def test_it_is_audited_and_a_second_run_does_nothing(with_suite, tmp_path):
    run = with_suite()
    run_rounds(run, [1, 2])
    before = {p: p.stat().st_mtime_ns for p in run.store.root.rglob("*.parquet")}
    run_rounds(run, [1, 2])
    assert {p: p.stat().st_mtime_ns for p in run.store.root.rglob("*.parquet")} == before
    inspector = Inspector(run.store)
    lines = audit(inspector, run)
    assert not inspector.findings
    assert {line.state for line in lines} == {"done"}


def test_its_text_must_not_be_learnt(with_suite):
    """A whole question of the suite among the training problems stops the experiment."""
    question = lab.WordProblems(**lab.TASK).load()[0].question
    run = with_suite(capitals={**CAPITALS, question: "Oslo"})
    with pytest.raises(TaskError, match="held_out_apart"):
        run_rounds(run, [1])


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ({"pass_at": [8]}, "evaluation.suites.capitals: pass_at"),
        ({"samples": 3}, r"unknown field \"evaluation\.suites\.capitals\.samples\"; did you mean"),
        (
            {"prompt": {"few_shot": 2}},
            r"evaluation\.suites\.capitals: prompt\.few_shot: a suite has no human problems",
        ),
        ({"method": "code"}, r'evaluation\.suites\.capitals\.method: there is no method "code"'),
        (
            {"verifier": {"type": "numeric"}},
            'problem "capitals/France\\?": the answer "Paris" holds no number',
        ),
    ],
    ids=["k", "misspelt", "few-shot", "method", "verifier"],
)
def test_what_does_not_fit_is_a_sentence(with_suite, suite, message):
    with pytest.raises(UserError, match=message):
        for _ in prepare(with_suite(suite)):
            pass


def test_a_name_that_is_no_name_is_told():
    with pytest.raises(UserError, match=r"evaluation\.suites"):
        parse_experiment(
            {"evaluation": {"suites": {"Human Eval": {"task": {"type": "word_problems"}}}}}, "lab"
        )
