"""Damaged files, full disks, second processes and clocks: exactly what is lost is owed again,
and the rest is untouched."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from hashlib import sha256

import pyarrow.parquet as pq
import pytest

from selftrain_assets.domain.errors import BusyError, InfraError, IntegrityError
from selftrain_assets.operations.catalog import query
from selftrain_assets.runtime.files import needs_room
from selftrain_assets.store import Store, tables
from selftrain_assets.store.inspection import pool_state
from selftrain_assets.store.pool import Pool
from tests.faults.harness import E_STEP, audit, checksums, committed, flip, pools
from tests.store.test_store import Record, files, records


def tear(path):
    path.write_bytes(path.read_bytes()[:-30])


def remove(path):
    path.unlink()


@pytest.mark.parametrize(
    "damage", [flip, *(pytest.param(way, marks=pytest.mark.kills) for way in (tear, remove))]
)
@pytest.mark.parametrize("pool_name", ["samples", "verifications"])
def test_exactly_the_keys_of_a_damaged_shard_are_owed_again(
    driver, undisturbed, finished, pool_name, damage
):
    pool = pools(finished)[pool_name]
    shard = pool.shards()[-1]
    damage(pool.directory / shard.file)
    others = {s.file: (pool.directory / s.file).stat().st_mtime_ns for s in pool.shards()[:-1]}
    with pytest.raises(
        IntegrityError, match=rf"{shard.file} is .*run the experiment again, which puts it aside"
    ):
        pool.records()
    with pytest.raises(IntegrityError, match=shard.file):
        query(Store(finished / "runs"), "SELECT 1")
    driver.finish(finished)
    audit(finished, undisturbed)
    assert [(q.file, q.records, q.sha256) for q in pool.quarantined()] == [
        (shard.file, shard.records, shard.sha256)
    ]
    assert {name: (pool.directory / name).stat().st_mtime_ns for name in others} == others
    assert sum(s.records for s in pool.shards()[len(others) :]) == shard.records
    assert (pool.directory / "quarantine" / shard.file).exists() == (damage is not remove)
    assert f"{shard.records} records are owed again" in (finished / "stderr").read_text()


@pytest.mark.parametrize("damage", [flip, pytest.param(remove, marks=pytest.mark.kills)])
@pytest.mark.parametrize(
    "stage",
    [
        "inputs/problems",
        "base/evaluation",
        "iter-001/samples",
        "iter-001/verifications",
        "iter-001/dataset",
    ],
)
def test_a_damaged_table_is_made_again_from_the_pools(driver, undisturbed, finished, stage, damage):
    manifest = Store(finished / "runs").manifest("lab", *stage.split("/"))
    assert manifest
    [(file, _, _)] = manifest.files.values()
    before = committed(finished)
    damage(finished / "runs" / "experiments" / "lab" / manifest.scope / file)
    driver.finish(finished)
    audit(finished, undisturbed)
    assert committed(finished) == before
    assert not pools(finished)["samples"].quarantined()


@pytest.mark.parametrize("damage", [tear, remove])
def test_a_pool_without_its_manifest_adopts_the_shards_that_are_whole(
    driver, undisturbed, finished, damage
):
    before = {name: pool.shards() for name, pool in pools(finished).items()}
    for name, pool in pools(finished).items():
        flip(pool.directory / before[name][0].file)
        damage(pool.directory / "manifest.json")
    driver.finish(finished)
    audit(finished, undisturbed)
    for name, pool in pools(finished).items():
        assert set(before[name]) - set(pool.shards()) == {before[name][0]}


def test_what_another_experiment_put_aside_is_owed_again(driver, undisturbed, finished):
    pool = pools(finished)["samples"]
    flip(pool.directory / pool.shards()[-1].file)
    with pool.writing("another experiment"):
        pass
    driver.finish(finished)
    audit(finished, undisturbed)


# -- one pool --------------------------------------------------------------------------------------


@pytest.fixture
def pool(tmp_path):
    pool = Pool(tmp_path / "pool", Record)
    pool.commit(records(1, 2))
    pool.commit(records(3))
    return pool


def repaired(pool):
    with pool.writing("me"):
        return sorted(r.number for r in pool.records())


def test_a_manifest_of_before_has_nothing_in_quarantine(pool):
    path = pool.directory / "manifest.json"
    assert set(json.loads(path.read_text())) == {"shards"}
    assert pool.quarantined() == []


def orphan(pool, *numbers):
    """A shard as a kill before the manifest leaves it."""
    listed = (pool.directory / "manifest.json").read_bytes()
    pool.commit(records(*numbers))
    file = pool.shards()[-1].file
    (pool.directory / "manifest.json").write_bytes(listed)
    return file


def test_an_orphan_is_adopted_where_none_of_its_keys_is_committed(pool):
    file = orphan(pool, 4, 5)
    assert repaired(pool) == [1, 2, 3, 4, 5]
    assert pool.quarantined() == []
    assert pool.shards()[-1].file == file


def test_orphans_that_share_keys_with_the_pool_or_each_other_count_once(pool):
    files = sorted([orphan(pool, 4, 5), orphan(pool, 5, 6), orphan(pool, 3, 7)])
    assert repaired(pool) in ([1, 2, 3, 4, 5], [1, 2, 3, 5, 6])
    assert len(pool.quarantined()) == 2
    assert sorted({q.file for q in pool.quarantined()} | {pool.shards()[-1].file}) == files
    assert {q.reason for q in pool.quarantined()} == {
        "listed in no manifest, and its keys are committed already"
    }


def test_an_orphan_takes_the_place_of_a_damaged_shard_with_its_keys(pool):
    orphan(pool, 1, 2)
    flip(pool.directory / pool.shards()[0].file)
    assert repaired(pool) == [1, 2, 3]
    assert len(pool.quarantined()) == 1


def test_a_flipped_orphan_one_of_other_columns_and_one_without_checksum_are_put_aside(
    pool, tmp_path
):
    flip(pool.directory / orphan(pool, 4))
    other = Pool(tmp_path / "other", Record)
    other.commit(records(5))
    [shard] = other.shards()
    shutil.copy(other.directory / shard.file, pool.directory / "shard-old.parquet")
    table = pq.read_table(other.directory / shard.file).drop_columns(["number"])
    pq.write_table(table, tmp_path / "table")
    shutil.copy(
        tmp_path / "table",
        pool.directory
        / f"shard-{'0' * 12}-{sha256((tmp_path / 'table').read_bytes()).hexdigest()}.parquet",
    )
    assert repaired(pool) == [1, 2, 3]
    reasons = sorted(
        q.reason.removeprefix("listed in no manifest, and ").split(" (")[0]
        for q in pool.quarantined()
    )
    assert reasons == [
        "its columns are those of another version",
        "its name holds no checksum",
        "not as it was committed",
    ]
    assert len(files(pool.directory / "quarantine")) == 3


def test_leftover_temporaries_of_a_killed_writer_are_removed(pool):
    (pool.directory / ".manifest.json.0123.tmp").write_text('{"shards": []}')
    (pool.directory / ".shard.0123.tmp").write_bytes(b"half")
    assert repaired(pool) == [1, 2, 3]
    assert not list(pool.directory.glob("*.tmp"))


def test_reading_puts_nothing_aside(pool):
    flip(pool.directory / pool.shards()[0].file)
    before = files(pool.directory)
    with pytest.raises(IntegrityError):
        pool.keys()
    assert not pool.is_sound()
    assert files(pool.directory) == before


@pytest.fixture
def hashed(monkeypatch):
    """Names of the files whose bytes are hashed."""
    names, digest = [], tables.file_digest
    monkeypatch.setattr(
        tables, "file_digest", lambda path: (names.append(path.name), digest(path))[1]
    )
    return names


def settled(pool):
    """The shards of a pool, as old as what an earlier run left."""
    shards = [pool.directory / shard.file for shard in pool.shards()]
    time.sleep(2 * tables.RACY)
    return shards


def test_a_shard_is_hashed_once_per_process_and_by_every_audit(pool, hashed):
    names = [path.name for path in settled(pool)]
    hashed.clear()
    for _ in range(3):
        pool.check()
        assert pool.is_sound()
        assert len(pool.keys()) == 3
    assert hashed == names
    assert pool_state(pool.directory).faults == ()
    assert hashed == names * 2


@pytest.mark.parametrize("change", [flip, tear, remove])
def test_a_shard_that_is_damaged_between_two_runs_is_noticed(pool, change):
    """By a process that has read it before, and by one that has not."""
    path = settled(pool)[0]
    pool.check()
    change(path)
    for known in ({}, tables._checksums.copy()):
        tables._checksums.clear()
        tables._checksums.update(known)
        with pytest.raises(IntegrityError, match=path.name):
            pool.check()
        assert not pool.is_sound()
    assert repaired(pool) == [3]


def test_a_shard_that_keeps_its_size_and_its_date_is_noticed(pool):
    path = settled(pool)[0]
    pool.check()
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    with pytest.raises(IntegrityError, match=path.name):
        pool.check()


def test_damage_that_shows_in_no_date_is_found_by_an_audit(pool, monkeypatch):
    """As of a disk that loses a bit."""
    path = settled(pool)[0]
    pool.check()
    state, intact = tables._checksums[path]
    flip(path)
    now = path.stat()
    changed = (now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)
    monkeypatch.setitem(tables._checksums, path, (changed, intact))
    assert state != changed
    pool.check()
    assert [fault.file for fault in pool_state(pool.directory).faults] == [path]


# -- disks, second processes, clocks ---------------------------------------------------------------


@pytest.mark.parametrize("nth", range(1, 8))
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_commits_nothing_by_half_and_is_told_in_one_sentence(
    pool, monkeypatch, call, nth
):
    whole, calls = getattr(os, call), []

    def full(*arguments):
        calls.append(arguments)
        if len(calls) >= nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(*arguments)

    monkeypatch.setattr(os, call, full)
    with pytest.raises(
        InfraError,
        match=(
            r"pool/\S+ cannot be written: no space left on device; what is committed is kept: free"
            r" some"
        ),
    ):
        list(pool.commit_stream(iter(records(*range(4, 9))), shard_size=1))
    monkeypatch.undo()
    held = repaired(pool)
    assert held == list(range(1, len(held) + 1))
    assert not list(pool.directory.glob(".*.tmp"))
    list(pool.commit_stream(iter(records(*range(len(held) + 1, 10))), shard_size=2))
    assert repaired(pool) == list(range(1, 10))
    assert pool.quarantined() == []


def test_a_file_that_may_not_grow_is_told_like_a_full_disk(driver, undisturbed, fresh):
    """The kernel's own refusal, in the writers of Parquet and of JSON alike."""
    done = driver.run(fresh, file_limit=2500)
    assert not done["killed"]
    assert done["error"].startswith("InfraError: ")
    assert "cannot be written: file too large; what is committed is kept" in done["error"]
    driver.finish(fresh)
    audit(fresh, undisturbed)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "Permission denied"),
        RuntimeError(
            "[enforce fail at inline_container.cc:145] . PytorchStreamReader failed reading zip"
            " archive: not a ZIP archive"
        ),
        Exception("Error while serializing: I/O error: Permission denied (os error 13)"),
    ],
)
def test_what_is_no_full_disk_is_not_told_as_one(tmp_path, error):
    with pytest.raises(type(error)) as raised, needs_room(tmp_path, 10):
        raise error
    assert raised.value is error


HOLD = """
import sys
from pathlib import Path
from selftrain_assets.operations.catalog import query
from selftrain_assets.store.pool import Pool
from tests.store.test_store import Record
with Pool(Path(sys.argv[1]), Record).writing("Dagster run 1234"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_is_told_of_the_first_and_takes_over_when_it_is_killed(pool):
    flip(pool.directory / pool.shards()[0].file)
    (pool.directory / "shard-stray.parquet").write_bytes(b"")
    command = [sys.executable, "-c", HOLD, str(pool.directory)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        left = orphan(pool, 9)
        with pytest.raises(BusyError, match=rf"Dagster run 1234.*{first.pid}"), pool.writing("me"):
            pytest.fail("two write one pool")
        assert (pool.directory / left).exists()  # the loser puts nothing in order
        assert left not in {s.file for s in pool.shards()}
        first.kill()
        first.wait()
    assert repaired(pool) == [3, 9]


def test_a_stage_that_another_process_holds_is_told(driver, undisturbed, fresh):
    driver.finish(fresh, E_STEP[:4])
    with Store(fresh / "runs").writing("lab", "iter-001", "samples", "Dagster run 1234"):
        assert "BusyError" in driver.run(fresh)["error"]
        assert "Dagster run 1234" in driver.run(fresh)["error"]
    driver.finish(fresh)
    audit(fresh, undisturbed)


def test_a_clock_that_runs_backwards_changes_nothing(driver, undisturbed, fresh):
    assert driver.run(fresh, crash_at="before-pool-manifest:5")["killed"]
    for path in (fresh / "runs").rglob("*"):
        os.utime(path, (time.time() + 1e6,) * 2)
    assert driver.run(fresh, clock_back=True)["error"] is None
    assert checksums(fresh) == checksums(undisturbed)
    audit(fresh, undisturbed)
