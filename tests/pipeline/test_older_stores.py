"""A store as older versions left it is read as it is: nothing of it is made again, and nothing
is lost."""

import json
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.types import Problem
from selftrain_assets.operations.audit import owed
from selftrain_assets.operations.catalog import query
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


def as_json(table, column):
    """A table with a column as it was before format 3."""
    values = table[column].to_pylist(maps_as_pydicts="strict")
    texts = [None if value is None else json.dumps(value) for value in values]
    return table.set_column(table.column_names.index(column), column, pa.array(texts, pa.string()))


@pytest.fixture(params=[1, 2])
def older(request, opened):
    """A finished round, in a store of an older format."""
    run = opened(rounds=1, trainer=TRAINER)
    run_rounds(run, [1])
    mark = run.store.root / "store.json"
    mark.write_text('{"format": 2}')
    if request.param == 1:
        mark.unlink()
    for path in (run.store.root / "experiments").glob("*/*/*.json"):
        manifest = json.loads(path.read_text())
        for name, column in (("problems", "solutions"), ("rows", "sections")):
            if name in manifest["files"]:
                file, records, _ = manifest["files"][name]
                table = as_json(pq.read_table(path.parent / file), column)
                if (request.param, name) == (1, "problems"):
                    table = table.drop_columns("collection")
                pq.write_table(table, path.parent / file)
                manifest["files"][name] = [file, records, file_digest(path.parent / file)]
        if request.param == 1:
            manifest["detail"] = format_1(manifest["detail"])
        path.write_text(json.dumps(manifest))
    return run


def test_nothing_of_an_older_store_is_made_again_or_lost(older, opened):
    place = older.store.manifest(older.name, "base", "checkpoint").detail.get("place")
    if place is not None:
        assert place.keys() == {"model", "digest"}
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
    [human] = {p.id: p.solutions for p in again.all_problems if p.id == "human-00000"}.values()
    sql = "SELECT solutions, solutions['code'] FROM problems WHERE id = 'human-00000'"
    assert query(again.store, sql)[1] == [(human, human["code"])]


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
