"""What the stage `problems` says of questions that its task left out."""

import json

from selftrain_assets.dagster.metadata import metadata_of
from selftrain_assets.pipeline.inputs import problems
from selftrain_assets.pipeline.run import INPUTS


def test_dropped_copies_and_contradictions_stand_in_the_manifest_and_in_the_ui(opened, tmp_path):
    rows = [
        {
            "id": f"p{n}",
            "question": f"Is {n} even?",
            "answer": n,
            "split": "test" if n % 2 else "train",
        }
        for n in range(8)
    ]
    rows += [{"id": "again", "question": "is 2 even", "answer": 2, "split": "train"}]
    rows += [{"id": "other", "question": "IS 4 EVEN?", "answer": 5, "split": "train"}]
    (tmp_path / "problems.jsonl").write_text("\n".join(map(json.dumps, rows)))
    run = opened(
        task={"type": "file", "path": str(tmp_path / "problems.jsonl"), "duplicates": "drop"}
    )
    told = problems(run).detail["remarks"]
    assert told == [
        "duplicates dropped: 3 of train",
        '1 question occurs with different answers: "Is 4 even?" (p4: 4, other: 5; kept: none)',
    ]
    assert metadata_of(run, run.need(INPUTS, "problems"))["left out"].value == "\n".join(told)
