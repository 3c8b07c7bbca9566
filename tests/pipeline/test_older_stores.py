"""A store as older versions left it is read as it is: nothing of it is made again, and nothing
is lost."""

import json

import pytest

from selftrain_assets.operations.audit import owed
from selftrain_assets.operations.garbage import collect
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.operations.lineage import Lineage
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import Run

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
