"""A pool serves every experiment of a policy, whatever each calls its problems."""

import json

import pytest

from selftrain_assets.config import parse_experiment
from selftrain_assets.stages import inputs, sampling, selecting, training
from selftrain_assets.stages.run import Run


@pytest.mark.parametrize("ids", ["ba", "xy"])
def test_samples_of_renamed_problems_are_judged_by_their_own_answers(store, tmp_path, ids):
    questions = {"One and two?": "3", "Two and two?": "4"}

    def solved(name, ids):
        rows = [{"id": id, "question": q, "answer": a} for id, (q, a) in zip(ids, questions.items(), strict=True)]
        rows.append({"id": "t", "question": "Test?", "answer": 1, "split": "test"})
        (tmp_path / "problems.jsonl").write_text("\n".join(map(json.dumps, rows)))
        (tmp_path / "texts.json").write_text(json.dumps({row["id"]: [f"#### {row['answer']}"] for row in rows}))
        config = parse_experiment(
            {
                "task": {"type": "file", "path": str(tmp_path / "problems.jsonl")},
                "engine": {"type": "scripted", "path": str(tmp_path / "texts.json")},
                "recipe": {"sampling": {"samples_per_problem": 1}},
            },
            name,
        )
        run = Run(name, config, store)
        inputs.problems(run), training.base(run), sampling.policy(run, 1), sampling.samples(run, 1), sampling.verifications(run, 1)
        return {row.problem_id: row.prompt for row in _rows(run)}

    def _rows(run):
        from selftrain_assets.core.types import Row

        return run.store.read_table(selecting.dataset(run, 1), "rows", Row)

    assert solved("first", "ab") == {"a": "Q: One and two? A:", "b": "Q: Two and two? A:"}
    assert solved("second", ids) == {ids[0]: "Q: One and two? A:", ids[1]: "Q: Two and two? A:"}
