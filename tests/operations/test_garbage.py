"""What no manifest needs is found and removed; everything else stays, and a run after it does
nothing."""

import os
import shutil
import time

import pytest

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.engines.scripted import ScriptedSettings
from selftrain_assets.operations import audit as stage_audit
from selftrain_assets.operations.garbage import collect
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import Run
from selftrain_assets.store.lease import lease
from tests import lab


@pytest.fixture
def run(finished):
    """One finished round."""
    run = finished(rounds=1)
    return run


def files(run):
    return {
        p.relative_to(run.store.root): p.read_bytes()
        for p in run.store.root.rglob("*")
        if p.is_file() and p.name != ".lease"
    }


def write(path, age=7200):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"garbage")
    os.utime(path, (time.time() - age,) * 2)


def plant(run):
    """One of each kind of garbage; returns kind and path below the store."""
    root, pool = run.store.root, run.store.samples(run.need("iter-001", "policy").digest).directory
    trained = run.store.checkpoint(run.need("iter-001", "checkpoint").key).name
    scope = run.store.scope(run.name, "iter-001")
    places = [
        ("temporary", pool / f".shard-x.parquet.{'a' * 32}.tmp"),
        ("temporary", scope / f".rows.parquet.{'b' * 32}.tmp"),
        ("temporary", root / f".probe-{'c' * 32}"),
        ("temporary", root / "scratch" / ("d" * 16) / f"output-{'d' * 32}" / "model.safetensors"),
        ("temporary", root / "scratch" / f".{'f' * 16}.removed" / "resume" / "state"),
        ("scratch", root / "scratch" / trained / "resume" / "state"),
        ("orphan", pool / f"shard-{'e' * 32}.parquet"),
        ("table", scope / f"rows-{'0' * 16}.parquet"),
        ("checkpoint", root / "checkpoints" / ("1" * 16) / "model.safetensors"),
        ("pool", root / "samples" / ("2" * 16) / f"shard-{'2' * 32}.parquet"),
        ("pool", root / "verifications" / ("3" * 16) / ("2" * 16) / f"shard-{'3' * 32}.parquet"),
    ]
    for _, path in places:
        write(path)
    for folder in (places[3][1].parent, places[4][1].parent, places[4][1].parents[1]):
        os.utime(folder, (time.time() - 7200,) * 2)
    return {(kind, str(path.relative_to(root))) for kind, path in places}


def within(found, planted):
    """Every finding is planted, and everything planted is found."""
    for kind, path in planted:
        assert any(g.kind == kind and path.startswith(g.path) for g in found.garbage), (kind, path)
    for g in found.garbage:
        assert any(kind == g.kind and path.startswith(g.path) for kind, path in planted), g


def is_clean(run):
    inspector = Inspector(run.store)
    stage_audit.audit(inspector, run)
    inspector.all_pools()
    return inspector.findings == ()


def test_exactly_the_planted_garbage_goes_and_a_dry_run_removes_nothing(run, monkeypatch):
    assert collect(run.store).garbage == ()
    needed = files(run)
    planted = plant(run)
    littered = files(run)
    dry = collect(run.store)
    within(dry, planted)
    assert dry.bytes == 7 * len(planted)
    assert files(run) == littered
    wet = collect(run.store, delete=True)
    assert wet.garbage == dry.garbage
    assert files(run) == needed
    assert is_clean(run)
    assert collect(run.store, delete=True, history=True, quarantine=True).garbage == ()
    monkeypatch.setattr(
        ScriptedSettings, "open", lambda *_: pytest.fail("something needed was removed")
    )
    run_rounds(Run(run.name, run.config, run.store), [1])
    assert files(run) == needed


def test_young_temporaries_and_what_is_held_are_left_alone(run):
    pool = run.store.samples(run.need("iter-001", "policy").digest)
    young, old = (run.store.root / f".probe-{letter * 32}" for letter in "ab")
    write(young, age=60)
    write(old)
    write(orphan := pool.directory / f"shard-{'e' * 32}.parquet")
    write(table := run.store.scope("lab", "iter-001") / f"rows-{'0' * 16}.parquet")
    write(weights := run.store.root / "checkpoints" / ("1" * 16) / "model.safetensors")
    with (
        lease(pool.directory, "somebody"),
        run.store.writing("lab", "iter-001", "dataset", "somebody"),
        lease(run.store.root / "scratch" / ("1" * 16 + ".lease"), "somebody"),
    ):
        found = collect(run.store, delete=True)
    assert [g.path for g in found.garbage] == [old.name]
    assert all(p.exists() for p in (young, orphan, table, weights))
    assert sum("younger than an hour" in sentence for sentence in found.left_alone) == 1
    assert sum("held by a live run" in sentence for sentence in found.left_alone) == 3
    assert len(collect(run.store, delete=True).garbage) == 3


def test_superseded_versions_stay_until_history_is_let_go_of(run, opened):
    first = files(run)
    changed = opened(
        rounds=1,
        recipe=lab.SETTINGS["recipe"] | {"cap": 1, "dedup": "text"},
        trainer=lab.SETTINGS["trainer"] | {"steps": 1},
    )
    run_rounds(changed, [1])
    assert collect(run.store).garbage == ()
    assert first.keys() <= files(run).keys()
    superseded = run.store.root / "samples"
    pools = len(list(superseded.glob("*/manifest.json")))
    found = collect(run.store, delete=True, history=True)
    assert {g.kind for g in found.garbage} == {"history", "table", "checkpoint", "pool"}
    # of the replaced checkpoint's evaluation
    assert len(list(superseded.glob("*/manifest.json"))) == pools - 1
    assert is_clean(changed)
    kept = files(changed)
    run_rounds(Run(changed.name, changed.config, changed.store), [1])
    assert files(changed) == kept


def test_evidence_stays_while_one_experiment_refers_to_its_policy(run, opened):
    other = opened("other", rounds=1)
    run_rounds(other, [1])
    shutil.rmtree(run.store.root / "experiments" / "lab")
    assert collect(run.store).garbage == ()
    shutil.rmtree(run.store.root / "experiments" / "other")
    assert {g.kind for g in collect(run.store).garbage} == {"pool", "checkpoint"}
    collect(run.store, delete=True)
    assert {str(path) for path in files(run)} == {"store.json"}


def test_quarantined_shards_go_only_when_asked_for(run):
    pool = run.store.samples(run.need("iter-001", "policy").digest).directory
    write(pool / "quarantine" / f"shard-{'f' * 32}.parquet")
    assert collect(run.store, delete=True, history=True).garbage == ()
    assert [g.kind for g in collect(run.store, delete=True, quarantine=True).garbage] == [
        "quarantined"
    ]


@pytest.mark.parametrize("what", ["experiments/lab/iter-001/dataset.json", "samples"])
def test_nothing_is_removed_while_a_manifest_cannot_be_read(run, what):
    path = run.store.root / what
    path = next(path.glob("*/manifest.json")) if path.is_dir() else path
    path.write_text("{")
    plant(run)
    before = files(run)
    with pytest.raises(IntegrityError, match="is not a"):
        collect(run.store, delete=True)
    assert files(run) == before
