"""Problems that are corrected or called otherwise: a pool serves them all, and a run brings
every stage up to date."""

import json

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import TaskError
from selftrain_assets.operations.lineage import Lineage
from selftrain_assets.operations.reverify import reverify
from selftrain_assets.pipeline import dataset, inputs, training
from selftrain_assets.pipeline.loop import human_only, run_rounds
from selftrain_assets.pipeline.policy import POLICY
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.sampling import SAMPLES, VERIFICATIONS
from tests import lab
from tests.operations.test_audit import audited


@pytest.mark.parametrize("ids", ["ba", "xy"])
def test_samples_of_renamed_problems_are_judged_by_their_own_answers(store, tmp_path, ids):
    questions = {"One and two?": "3", "Two and two?": "4"}

    def solved(name, ids):
        rows = [
            {"id": id, "question": q, "answer": a}
            for id, (q, a) in zip(ids, questions.items(), strict=True)
        ]
        rows.append({"id": "t", "question": "Test?", "answer": 1, "split": "test"})
        (tmp_path / "problems.jsonl").write_text("\n".join(map(json.dumps, rows)))
        (tmp_path / "texts.json").write_text(
            json.dumps({row["id"]: [f"#### {row['answer']}"] for row in rows})
        )
        config = parse_experiment(
            {
                "task": {"type": "file", "path": str(tmp_path / "problems.jsonl")},
                "engine": {"type": "scripted", "path": str(tmp_path / "texts.json")},
                "recipe": {"sampling": {"samples_per_problem": 1}},
            },
            name,
        )
        run = Run(name, config, store)
        (
            inputs.problems(run),
            training.base(run),
            POLICY.run(run, 1),
            SAMPLES.run(run, 1),
            VERIFICATIONS.run(run, 1),
        )
        return {row.problem_id: row.prompt for row in _rows(run)}

    def _rows(run):
        from selftrain_assets.domain.types import Row

        return run.store.read_table(dataset.dataset(run, 1), "rows", Row)

    assert solved("first", "ab") == {"a": "Q: One and two? A:", "b": "Q: Two and two? A:"}
    assert solved("second", ids) == {ids[0]: "Q: One and two? A:", ids[1]: "Q: Two and two? A:"}


PROBLEMS = {
    "a": {"question": "One and two?", "answer": "3"},
    "b": {"question": "Two and two?", "answer": "4"},
    "c": {"question": "Two and three?", "answer": "5"},
    "h": {"question": "Four and four?", "answer": "8", "split": "human", "solution": "#### 8"},
    "v": {"question": "One and one?", "answer": "2", "split": "validation"},
    "t": {"question": "Nine and one?", "answer": "10", "split": "test"},
}
RECIPE = {**lab.SETTINGS["recipe"], "rationalize": True}


def answer(of, text):
    return lambda problems: problems[of].update(answer=text)


def rename(problems):
    for id in "abc":
        problems[f"{id}2"] = problems.pop(id)


@pytest.fixture
def with_problems(opened, tmp_path):
    """Returns a function that opens the experiment on these problems; the engine answers by
    question, and one is never solved."""

    def open_run(problems=PROBLEMS, **changes):
        (tmp_path / "problems.jsonl").write_text(
            "\n".join(json.dumps({"id": id, **p}) for id, p in problems.items())
        )
        texts = {
            id: ["none"]
            if id[0] == "c"
            else [f"#### {PROBLEMS[id[0]]['answer']}", f"= {PROBLEMS[id[0]]['answer']}"]
            for id in problems
        }
        task = {"type": "file", "path": str(tmp_path / "problems.jsonl")}
        settings = {
            "task": task,
            "texts": texts,
            "recipe": RECIPE,
            "base": {"fine_tune": "human"},
            "human_only": True,
        }
        return opened(**{**settings, **changes})

    return open_run


def make(run):
    run_rounds(run, [1, 2])
    human_only(run)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(answer("b", "5"), id="train answer"),
        pytest.param(answer("t", "11"), id="test answer", marks=pytest.mark.kills),
        pytest.param(rename, id="ids", marks=pytest.mark.kills),
    ],
)
def test_a_run_brings_every_stage_up_to_date(with_problems, change):
    make(with_problems())
    problems = {id: dict(p) for id, p in PROBLEMS.items()}
    change(problems)
    run = with_problems(problems)
    make(run)
    found = audited(run)
    assert (found.findings, {line.state for line in found.lines}) == ((), {"done"})
    after = {p: p.read_bytes() for p in run.store.root.glob("experiments/**/*.json")}
    make(with_problems(problems))
    assert {p: p.read_bytes() for p in run.store.root.glob("experiments/**/*.json")} == after


def test_another_verifier_is_up_to_date_where_the_same_problems_stay_unsolved(with_problems):
    run_rounds(with_problems(), [1])
    run = with_problems(verifier={"type": "numeric", "require_mark": True})
    run_rounds(run, [1])
    assert audited(run).findings == ()


def test_every_verdict_on_a_sample_is_shown(with_problems):
    run_rounds(with_problems(), [1])
    problems = {id: dict(p) for id, p in PROBLEMS.items()}
    answer("b", "5")(problems)
    run = with_problems(problems)
    run_rounds(run, [1])
    sample = next(
        s for s in lab.read_samples(run, run.need("iter-001", "samples")) if s.problem_id == "b"
    )
    shown = [node for node in Lineage(run.store).sample(sample.key).edges if node.kind == "verdict"]
    assert sorted(node.facts["outcome"] for node in shown) == ["pass", "wrong"]


def test_verdicts_stay_with_the_weights_that_drew_their_samples(with_problems):
    """A new policy alone, as one can ask for in the UI: what was drawn from the old one is the
    old one's."""
    run_rounds(with_problems(), [1])
    before = with_problems().need("iter-001", "verifications")
    run = with_problems(base={"fine_tune": "none"})
    training.base(run), POLICY.run(run, 1)
    assert run.need("iter-001", "policy").digest != before.detail["policy"]
    assert VERIFICATIONS.run(run, 1) == before


def test_samples_that_nothing_has_judged_yet_cannot_be_judged_again(with_problems):
    run_rounds(with_problems(), [1])
    run = with_problems(base={"fine_tune": "none"})
    training.base(run), POLICY.run(run, 1), SAMPLES.run(run, 1)
    with pytest.raises(
        TaskError,
        match="iter-001 has other samples than those its verifications are on; `selftrain run lab`",
    ):
        reverify(run)
