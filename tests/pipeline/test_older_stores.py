"""A store as older versions left it is read as it is: nothing of it is made again, and nothing
is lost."""

import json
from dataclasses import asdict, dataclass

import pyarrow.parquet as pq
import pytest

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.types import Problem
from selftrain_assets.operations.audit import owed
from selftrain_assets.operations.garbage import collect
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.operations.lineage import Lineage
from selftrain_assets.pipeline.inputs import problems_digest
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import Run
from selftrain_assets.store.tables import file_digest, read_table
from tests import lab

TRAINER = {"steps": 1, "batch_size": 4, "learning_rate": 0.001, "lora": {"r": 2}}


def format_1(value):
    """A part of a manifest with references to weights as they were before format 2."""
    if isinstance(value, list):
        return [format_1(each) for each in value]
    if not isinstance(value, dict):
        return value
    value = {
        {"weights": "place", "asked": "places"}.get(name, name): format_1(each)
        for name, each in value.items()
    }
    match value.pop("kind", None):
        case "checkpoint":
            value["checkpoint"] = value.pop("key")
        case "random_init":
            value["scratch"] = value.pop("settings")
        case "served":
            return {
                "served": {name: value[name] for name in ("model", "api", "revision")},
                "digest": value["digest"],
            }
    return value


@pytest.fixture
def older(opened):
    """A finished round, in a store whose manifests are of format 1."""
    run = opened(rounds=1, trainer=TRAINER)
    run_rounds(run, [1])
    (run.store.root / "store.json").unlink()
    for path in (run.store.root / "experiments").glob("*/*/*.json"):
        manifest = json.loads(path.read_text())
        if manifest["stage"] == "problems":
            file, records, _ = manifest["files"]["problems"]
            table = pq.read_table(path.parent / file).drop_columns("collection")
            pq.write_table(table, path.parent / file)
            manifest["files"]["problems"] = [file, records, file_digest(path.parent / file)]
        path.write_text(json.dumps(manifest | {"detail": format_1(manifest["detail"])}))
    return run


def test_nothing_of_an_older_store_is_made_again_or_lost(older, opened):
    assert older.store.manifest(older.name, "base", "checkpoint").detail["place"].keys() == {
        "model",
        "digest",
    }
    before = {m.scope + m.stage: (m.key, m.digest, m.finished) for m in older.store.manifests()}
    again = Run(older.name, older.config, older.store)
    assert owed(again, ["inputs", "base", "iter-001"]) == []
    run_rounds(again, [1])
    assert {
        m.scope + m.stage: (m.key, m.digest, m.finished) for m in again.store.manifests()
    } == before
    inspector = Inspector(again.store)
    inspector.experiment(again.name).inspect()
    assert inspector.findings == ()
    assert collect(again.store, delete=True).garbage == ()
    facts = Lineage(again.store).checkpoint(again.name, "iter-001").facts
    assert facts["adapter on"] == {"model": "embedded"}


@dataclass(frozen=True)
class OlderProblem:
    """As tables had them before they named the collection."""

    id: str
    question: str
    answer: str
    split: str
    group: str
    solution: str | None = None
    tests: str | None = None
    solutions: str | None = None


def test_the_collection_of_an_older_problem_is_read_off_its_id(tmp_path):
    older = [
        OlderProblem("capitals/France?", "?", "Paris", "suite", ""),
        OlderProblem("general/a/1", "?", "1", "source", ""),
        OlderProblem("a/b", "?", "2", "train", ""),
    ]
    digest = lab.write_table(tmp_path / "problems.parquet", OlderProblem, older)
    problems = read_table(tmp_path / "problems.parquet", Problem, digest)
    assert [problem.collection for problem in problems] == ["capitals", "general", None]
    assert problems_digest(problems) == fingerprint(
        "problems", [asdict(problem) for problem in older]
    )
