"""What a training is known by, and the seed that it is given."""

from __future__ import annotations

import json
import shutil
from itertools import islice

import pytest

from selftrain_assets.pipeline import loop
from selftrain_assets.trainers import ScriptedTrainer
from tests import keys

HUMAN = [{"split": "human", "question": f"1 + {n}", "answer": str(1 + n)} for n in range(3)]
OTHERS = [
    {"split": split, "question": f"{n} + 2", "answer": str(n + 2)}
    for n, split in enumerate(("train", "test", "validation"), 11)
]
MORE = {"split": "validation", "question": "20 + 2", "answer": "22"}


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Returns a function that fine-tunes a base on the same human rows, and gives the key of that
    and the job."""
    jobs = []

    def train(self, job):
        jobs.append(job)
        return as_it_is(self, job)

    as_it_is = ScriptedTrainer.train
    monkeypatch.setattr(ScriptedTrainer, "train", train)

    def base(name, problems=OTHERS, **changes):
        folder = tmp_path / name
        folder.mkdir()
        rows = [
            row | {"id": f"p{n}", "solution": f"#### {row['answer']}"}
            for n, row in enumerate([*HUMAN, *problems])
        ]
        (folder / "problems.jsonl").write_text("\n".join(map(json.dumps, rows)))
        settings = {
            "task": {"type": "file", "path": str(folder / "problems.jsonl")},
            "base": {"fine_tune": "human"},
            "trainer": {"type": "scripted"},
        }
        run = keys.open_run(folder, "lab", settings | changes)
        _, made = islice(loop.prepare(run), 2)
        return made.key, jobs.pop()

    return base


def best(every=1):
    return {"recipe": {"type": "rest_em", "early_stopping": {"rule": "best", "every": every}}}


def test_experiments_that_differ_in_seed_train_with_different_seeds(trained):
    (key, job), (other_key, other) = trained("one", seed=1), trained("two", seed=2)
    assert [row.key for row in job.rows] == [row.key for row in other.rows]
    assert job.seed != other.seed
    assert key != other_key


def test_the_weights_that_a_training_starts_from_are_part_of_its_key(trained, tmp_path, embedded):
    shutil.copytree(embedded.directory, tmp_path / "model")
    (tmp_path / "model" / "note.json").write_text('"other bytes"')
    (key, job), (other_key, other) = trained("one"), trained("two", model=str(tmp_path / "model"))
    assert [row.key for row in job.rows] == [row.key for row in other.rows]
    assert key != other_key


def test_when_a_training_ends_is_part_of_its_key(trained):
    known = {trained(str(n), **changes)[0] for n, changes in enumerate(({}, best(), best(2)))}
    assert len(known) == 3


def test_so_are_the_problems_that_say_when_it_ends(trained):
    key, job = trained("few", **best())
    other_key, other = trained("more", [*OTHERS, MORE], **best())
    assert [row.key for row in job.rows] == [row.key for row in other.rows]
    assert key != other_key
    assert trained("unasked")[0] == trained("unasked-more", [*OTHERS, MORE])[0]
