"""A wall clock that jumps by an hour: nothing that waits, holds, commits or lets go of something
goes by it."""

import ast
import os
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

import sandbox
import selftrain_assets
from selftrain_assets.domain.errors import BusyError
from selftrain_assets.domain.types import Row, Sample
from selftrain_assets.operations.garbage import MINIMUM_AGE, collect
from selftrain_assets.store import Store
from selftrain_assets.store.lease import is_held, lease
from selftrain_assets.store.pool import Pool
from selftrain_assets.store.tables import prepared_table
from tests.faults.clock import jumping
from tests.faults.harness import audit, committed, pools
from tests.store.test_store import Record, records

HOUR = 3600.0
READS_THE_WALL_CLOCK = {
    "old_images.py": "the age of an image, by the engine's date",
    "models/lengths.py": "the date in a chat template, whose tokens are counted",
    "operations/retract.py": "a retraction's date",
    "trainers/tracking.py": "the time of a point in a tracker",
    "pipeline/run.py": "a manifest's date, and the time that chat templates are told from then on",
    "store/tables.py": "whether a file is so young that its hash may be that of a former one",
    "operations/garbage.py": "the age of a temporary file, before its lease is asked for",
}


@pytest.fixture(params=[HOUR, -HOUR], ids=["forward", "back"])
def jump(request):
    return request.param


def calls(path: Path) -> set[str]:
    """Dotted names that a source calls."""
    return {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }


def test_durations_are_measured_by_the_clock_that_nobody_sets():
    wall = {
        "time.time",
        "time.time_ns",
        "datetime.now",
        "datetime.utcnow",
        "datetime.datetime.now",
        "time.localtime",
        "time.gmtime",
    }
    roots = [Path(package.__file__).parent for package in (selftrain_assets, sandbox)]
    found = {
        str(path.relative_to(root))
        for root in roots
        for path in root.rglob("*.py")
        if calls(path) & wall
    }
    assert found == set(READS_THE_WALL_CLOCK)


def test_a_run_is_killed_and_goes_on_while_the_clock_jumps(driver, undisturbed, fresh, jump):
    assert driver.run(fresh, crash_at="before-pool-manifest:5", clock_jump=jump)["killed"]
    before = committed(fresh)
    for path in (fresh / "runs").rglob("*"):
        os.utime(path, (time.time() + jump,) * 2)
    driver.finish(fresh, clock_jump=jump)
    assert before <= committed(fresh)
    audit(fresh, undisturbed)


def test_a_lease_is_held_until_its_holder_lets_go(tmp_path, monkeypatch, jump):
    with lease(tmp_path, "the first"):
        monkeypatch.setattr(time, "time", jumping(jump))
        os.utime(tmp_path / ".lease", (time.time() + jump,) * 2)
        assert is_held(tmp_path)
        with pytest.raises(BusyError, match="the first"), lease(tmp_path, "the second"):
            pytest.fail("two hold one lease")
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
    with lease(tmp_path, "the second"):
        assert is_held(tmp_path)


def test_a_shard_is_as_old_as_the_time_that_passed(tmp_path, monkeypatch, jump):
    monkeypatch.setattr(time, "time", jumping(jump))
    pool = Pool(tmp_path / "young", Record)
    list(pool.commit_stream(iter(records(*range(20))), shard_size=100, shard_seconds=HOUR / 2))
    assert [s.records for s in pool.shards()] == [20]
    pool = Pool(tmp_path / "old", Record)
    list(
        pool.commit_stream(
            (time.sleep(0.02) or r for r in records(*range(4))), shard_size=100, shard_seconds=0.01
        )
    )
    assert [s.records for s in pool.shards()] == [1, 1, 1, 1]


def test_what_a_live_run_writes_is_not_collected_however_old_it_looks(
    driver, undisturbed, finished, monkeypatch, jump
):
    """Its temporary files are seconds old, or an hour, or from the future."""
    store, pool = Store(finished / "runs"), pools(finished)["samples"]
    key = "d" * 16
    output = store.scratch(key) / f"output-{'d' * 32}"
    output.mkdir(parents=True)
    (output / "model.safetensors").write_bytes(b"half")
    scope = store.scope("lab", "iter-001")
    with ExitStack() as open_work:
        open_work.enter_context(pool.writing("a live run"))
        open_work.enter_context(store.writing("lab", "iter-001", "dataset", "a live run"))
        open_work.enter_context(lease(store.scratch(key).with_suffix(".lease"), "a live run"))
        written = [
            open_work.enter_context(prepared_table(pool.directory, "shard", Sample, []))[0],
            open_work.enter_context(prepared_table(scope, "rows-0.parquet", Row, []))[0],
            output,
        ]
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        found = collect(store, delete=True)
        assert found.garbage == ()
        assert len(found.left_alone) == len(written)
        assert all(path.exists() for path in written)
    monkeypatch.undo()
    assert collect(store, delete=True).garbage == ()
    driver.finish(finished)
    audit(finished, undisturbed)


def test_a_clock_that_is_wrong_makes_garbage_wait_and_takes_nothing_else(
    driver, undisturbed, finished, monkeypatch, jump
):
    store = Store(finished / "runs")
    kept = {
        path: path.read_bytes()
        for path in store.root.rglob("*")
        if path.is_file() and path.name != ".lease"
    }
    left = pools(finished)["samples"].directory / f".shard.{'a' * 32}.tmp"
    left.write_bytes(b"half")
    os.utime(left, (time.time() - MINIMUM_AGE - 60,) * 2)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    assert [g.kind for g in collect(store, delete=True).garbage] == (
        ["temporary"] if jump > 0 else []
    )
    monkeypatch.undo()
    assert [g.kind for g in collect(store, delete=True).garbage] == (
        [] if jump > 0 else ["temporary"]
    )
    assert {
        path: path.read_bytes()
        for path in store.root.rglob("*")
        if path.is_file() and path.name != ".lease"
    } == kept
    driver.finish(finished)
    audit(finished, undisturbed)
