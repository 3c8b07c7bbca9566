"""Nothing exists but what a manifest lists, nothing listed is lost or read damaged, and one
writer writes at a time."""

import fcntl
import json
import math
import shutil
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass, make_dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selftrain_assets.domain.errors import BusyError, IntegrityError, SelftrainError, UserError
from selftrain_assets.domain.types import (
    Problem,
    Sample,
    SampleMembership,
    VerdictMembership,
    Verification,
)
from selftrain_assets.operations.catalog import query
from selftrain_assets.operations.lineage import Lineage
from selftrain_assets.runtime.files import write_atomically
from selftrain_assets.store import Manifest, Store
from selftrain_assets.store import pool as pool_module
from selftrain_assets.store.lease import is_held, lease
from selftrain_assets.store.pool import Pool
from selftrain_assets.store.tables import read_table
from tests import lab


@dataclass(frozen=True, slots=True)
class Record:
    """Every kind of column that records have."""

    key: str
    number: int = 0
    value: float = 0.0
    note: str | None = None


@pytest.fixture
def pool(tmp_path) -> Pool:
    return Pool(tmp_path / "pool", Record)


def records(*numbers):
    return [Record(str(n), n) for n in numbers]


def stream(numbers, then=None):
    """Records that end in an error."""
    yield from records(*numbers)
    if then is not None:
        raise then


def resume(pool, wanted):
    """Stream what is owed, as the next run would."""
    list(
        pool.commit_stream(
            stream(sorted(set(wanted) - {r.number for r in pool.records()})), shard_size=2
        )
    )


def interrupted(*_):
    raise KeyboardInterrupt


def files(folder):
    """Everything in a folder but the lease."""
    return sorted(p.name for p in folder.iterdir() if p.name != ".lease")


# -- pools -----------------------------------------------------------------------------------------


RECORD = st.builds(
    Record,
    st.text(max_size=5),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.none() | st.text(max_size=9),
)


@settings(max_examples=20)
@given(st.lists(st.lists(RECORD, min_size=1, max_size=4), max_size=3))
def test_what_is_committed_is_read_back(tmp_path_factory, shards):
    pool = Pool(tmp_path_factory.mktemp("pool"), Record)
    for shard in shards:
        pool.commit(shard)
    everything = [r for shard in shards for r in shard]
    assert pool.records() == everything
    assert pool.keys() == {r.key for r in everything}


def test_an_empty_pool_holds_nothing_and_an_empty_commit_makes_none(pool):
    pool.commit([])
    assert (pool.records(), pool.keys(), pool.shards()) == ([], set(), [])
    assert not pool.directory.exists()


def test_a_file_that_the_manifest_does_not_list_is_not_read(pool):
    pool.commit(records(1))
    shutil.copy(pool.directory / pool.shards()[0].file, pool.directory / "shard-stray.parquet")
    assert pool.records() == records(1)


def test_a_kill_between_shard_and_manifest_leaves_the_shard_owed(pool, monkeypatch):
    pool.commit(records(1))
    with monkeypatch.context() as patch:
        patch.setattr(pool_module, "write_atomically", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pool.commit(records(2))
    assert pool.keys() == {"1"}
    pool.commit(records(2))
    assert pool.records() == records(1, 2)


def test_a_flipped_byte_is_told_with_its_file(pool):
    pool.commit(records(1))
    pool.commit(records(2))
    path = pool.directory / pool.shards()[1].file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for read in (pool.records, pool.keys):
        with pytest.raises(IntegrityError, match=path.name):
            read()


def test_a_missing_file_is_told(pool):
    pool.commit(records(1))
    path = pool.directory / pool.shards()[0].file
    path.unlink()
    with pytest.raises(IntegrityError, match=path.name):
        pool.records()


# -- streams ---------------------------------------------------------------------------------------


def test_a_stream_is_committed_shard_by_shard(pool):
    for record in pool.commit_stream(stream(range(5)), shard_size=2):
        assert len(pool.keys()) == (record.number + 1) // 2 * 2
    assert [s.records for s in pool.shards()] == [2, 2, 1]
    assert pool.records() == records(*range(5))


def test_a_shard_is_committed_when_it_is_old_however_small(pool, monkeypatch):
    now = iter(range(0, 1000, 10))  # every look at the clock is ten seconds later
    monkeypatch.setattr("selftrain_assets.store.pool.time.monotonic", lambda: next(now))
    list(pool.commit_stream(stream(range(5)), shard_size=100, shard_seconds=15))
    assert [s.records for s in pool.shards()] == [2, 2, 1]


def test_a_consumer_that_stops_early_keeps_what_it_was_given(pool):
    with closing(pool.commit_stream(stream(range(10)), shard_size=4)) as committing:
        assert [next(committing) for _ in range(6)] == records(*range(6))
    assert pool.records() == records(*range(6))


def test_a_consumer_that_fails_keeps_what_it_was_given(pool):
    with (
        pytest.raises(ZeroDivisionError),
        closing(pool.commit_stream(stream(range(10)), shard_size=4)) as committing,
    ):
        [1 / (3 - record.number) for record in committing]
    assert pool.records() == records(*range(4))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("drawn", [0, 3, 4, 5])
def test_an_interrupted_stream_loses_nothing_that_was_drawn(pool, error, drawn):
    with (
        pytest.raises(error),
        closing(pool.commit_stream(stream(range(drawn), error), shard_size=2)) as committing,
    ):
        list(committing)
    assert pool.records() == records(*range(drawn))
    resume(pool, range(9))
    assert pool.records() == records(*range(9))


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_an_interrupt_inside_a_commit_commits_nothing_twice(pool, monkeypatch, moment, nth):
    calls = []

    def write(path, content):
        calls.append(path)
        if len(calls) != nth:
            return write_atomically(path, content)
        if moment == "after":
            write_atomically(path, content)
        raise KeyboardInterrupt

    monkeypatch.setattr(pool_module, "write_atomically", write)
    with pytest.raises(KeyboardInterrupt):
        list(pool.commit_stream(stream(range(5)), shard_size=2))
    resume(pool, range(5))
    assert sorted(r.number for r in pool.records()) == list(range(5))


# -- leases ----------------------------------------------------------------------------------------

HOLD = """
import sys, time
from pathlib import Path
from selftrain_assets.store.lease import lease
with lease(Path(sys.argv[1]), "the other run"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lease of `tmp_path`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_holder_is_told_who_holds_it(tmp_path, holder):
    with (
        pytest.raises(BusyError, match=rf'"the other run", "process": {holder.pid}'),
        lease(tmp_path, "me"),
    ):
        pytest.fail("two hold one lease")
    assert is_held(tmp_path)


def test_a_killed_owner_frees_the_lease(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert not is_held(tmp_path)
    with lease(tmp_path, "me"):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)


def test_a_failed_owner_frees_the_lease_and_looking_at_none_makes_none(tmp_path):
    assert not is_held(tmp_path / "never")
    assert not (tmp_path / "never").exists()
    with pytest.raises(ZeroDivisionError), lease(tmp_path, "me"):
        1 / 0  # noqa: B018
    assert not is_held(tmp_path)


def test_leases_of_other_stages_are_apart(store):
    with (
        store.writing("e", "iter-001", "samples", "me"),
        store.writing("e", "iter-002", "samples", "me"),
    ):
        assert store.is_being_written("e", "iter-001", "samples")
        assert not store.is_being_written("e", "iter-001", "dataset")


def test_looking_at_a_lease_does_not_make_its_taking_fail(tmp_path, monkeypatch):
    """A sensor looks every few seconds; a run that begins at that very moment must not be told
    of an owner who is gone."""
    with lease(tmp_path, "gone"):
        pass
    flock, looks = fcntl.flock, threading.Event()
    looking = threading.Thread(target=is_held, args=[tmp_path])

    def linger(file, how):
        flock(file, how)
        if threading.current_thread() is looking:
            looks.set()
            time.sleep(0.02)

    monkeypatch.setattr(fcntl, "flock", linger)
    looking.start()
    looks.wait(0.5)
    with lease(tmp_path, "me"):
        looking.join()


# -- files and manifests ---------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["short", "long " * 1000, b"\x00bytes", ""])
def test_a_file_is_replaced_whole(tmp_path, content):
    path = tmp_path / "new" / "file"
    write_atomically(path, "what was there before")
    write_atomically(path, content)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert files(path.parent) == ["file"]


@pytest.mark.parametrize("step", ["os.fsync", "os.replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, step):
    def full(*_):
        raise OSError("no space left on device")

    path = tmp_path / "file"
    write_atomically(path, "old")
    monkeypatch.setattr(step, full)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert files(tmp_path) == ["file"]


def manifest(**fields) -> Manifest:
    return Manifest(
        **{
            "stage": "samples",
            "experiment": "e",
            "scope": "iter-001",
            "key": "a" * 32,
            "digest": "d" * 32,
            "parents": {"policy": "p"},
            "settings": {"top_k": 40},
            "versions": {"selftrain": "0.1.0"},
            "finished": "2026-01-01T00:00:00+00:00",
            **fields,
        }
    )


def test_a_manifest_survives_json(tmp_path):
    full = manifest(
        counts={"samples": 3},
        metrics={"accuracy": 0.5, "ü": [1, None]},
        files={"samples": ("f.parquet", 3, "sha")},
        detail={"weights": {"kind": "pretrained", "model": "embedded", "digest": "d"}},
        seconds=1.5,
        work_seconds=1.25,
        tokens=7,
    )
    path = tmp_path / "samples.json"
    path.write_text(full.to_json())
    assert Manifest.read(path) == full


def test_a_committed_manifest_is_current_and_the_one_it_replaces_is_history(store):
    assert store.manifest("e", "iter-001", "samples") is None
    first, second = manifest(key="a" * 32), manifest(key="b" * 32, tokens=1)
    folder = store.scope("e", "iter-001")
    store.commit(first)
    store.commit(manifest(key="a" * 32, tokens=5))
    assert files(folder) == ["samples.json"]
    store.commit(second)
    assert store.manifest("e", "iter-001", "samples") == second
    [kept] = (folder / "history").iterdir()
    assert Manifest.read(kept).key == first.key
    store.commit(first)
    assert store.manifest("e", "iter-001", "samples") == first
    assert len(files(folder / "history")) == 2


@pytest.mark.parametrize(
    "ask",
    [
        Lineage,
        lambda store: query(store, "SELECT 1"),
        lambda store: store.manifest("e", "iter-001", "samples"),
    ],
)
def test_a_torn_manifest_is_told_by_whoever_reads_it(store, ask):
    store.commit(manifest(key="k" * 32))
    (store.scope("e", "iter-001") / "samples.json").write_text("{")
    with pytest.raises(
        IntegrityError, match=r"samples\.json is not readable as a manifest; move it away"
    ):
        ask(store)


def test_the_same_result_from_other_parents_leaves_the_older_in_history(store):
    store.commit(manifest(key="k" * 32, parents={"problems": "old"}))
    store.commit(manifest(key="k" * 32, parents={"problems": "new"}))
    [kept] = (store.scope("e", "iter-001") / "history").iterdir()
    assert Manifest.read(kept).parents == {"problems": "old"}


def test_each_result_of_the_same_work_is_kept(store):
    """Evidence that was lost and drawn again can have come out differently."""
    for digest in "abcb":
        store.commit(manifest(key="k" * 32, digest=digest * 32))
    kept = [
        Manifest.read(path).digest[0]
        for path in (store.scope("e", "iter-001") / "history").iterdir()
    ]
    assert sorted(kept) == ["a", "b", "c"]


def test_a_later_table_leaves_the_one_that_history_lists(store):
    tables = [
        store.write_table("e", "iter-001", "rows", digest * 32, Record, records(n))
        for n, digest in enumerate("ab")
    ]
    old, new = (
        manifest(key=digest * 32, files={"rows": table})
        for digest, table in zip("ab", tables, strict=True)
    )
    store.commit(old)
    store.commit(new)
    assert [store.read_table(m, "rows", Record) for m in (old, new)] == [records(0), records(1)]


def test_a_table_of_an_older_version_with_fewer_columns_stays_where_nothing_else_was_added(
    store, caplog
):
    """Its history lists it: put aside, it would be missing there."""

    def write(**columns):
        record = make_dataclass(
            "Written", [("key", str), ("n", int), *((name, list[int] | None) for name in columns)]
        )
        with store.workspace() as ws:
            relation = ws.load(record, [["a", "b"], [1, 2], *columns.values()])
            return store.write_relation("e", "iter-001", "rows", ws, relation, ["key"])

    old = write()
    assert write(tokens=[None, None]) == old
    assert not caplog.records
    ((_, _, later), _) = write(tokens=[[1], [2]])
    assert later != old[0][2]
    assert "damaged; quarantined" in caplog.text


def test_a_store_that_cannot_be_written_is_told_before_work_begins(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        Store(tmp_path / "file" / "runs").check_writable()
    Store(tmp_path / "runs").check_writable()
    assert files(tmp_path / "runs") == []


# -- catalog ---------------------------------------------------------------------------------------

VIEWS = [
    "problems",
    "rows",
    "scores",
    "samples",
    "verifications",
    "verdicts",
    "sample_pool",
    "verification_pool",
    "manifests",
]


@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_store_has_empty_views(store, view):
    columns, rows = query(store, f"SELECT * FROM {view}")
    assert rows == []
    assert len(columns) > 4


def fill(store, experiment):
    """One problem, one sample of it and its verdict."""
    sample = Sample("s1", "p1", "Q: 1 + 1? A:", "It's 2", 7, 0, "stop", 5, 3, "policy", "engine 1")
    verdict = Verification("v1", "s1", "p1", "pass", 1.0, "2", "equal", "numeric 1")
    store.samples("policy").commit(
        [sample, Sample("s2", *["x"] * 3, 7, 0, "stop", 5, 3, "policy", "engine 1")]
    )
    store.verifications("verifier", "policy").commit([verdict])
    for stage, record, entries in (
        ("problems", Problem, [Problem("p1", "1 + 1?", "2")]),
        ("samples", SampleMembership, [SampleMembership("s1", "p1")]),
        ("verifications", VerdictMembership, [VerdictMembership("v1", "s1", "p1", "pass", 1.0)]),
    ):
        table = store.write_table(experiment, "iter-001", stage, "d" * 32, record, entries)
        store.commit(
            manifest(
                stage=stage,
                experiment=experiment,
                files={stage: table},
                metrics={"undefined": math.nan},
            )
        )


def test_views_join_what_manifests_list(store):
    fill(store, "mine")
    columns, [row] = query(
        store, "SELECT experiment, scope, problem_id, completion, outcome, stage FROM verdicts"
    )
    assert dict(zip(columns, row, strict=True)) == {
        "experiment": "mine",
        "scope": "iter-001",
        "problem_id": "p1",
        "completion": "It's 2",
        "outcome": "pass",
        "stage": "samples",
    }
    assert query(store, "SELECT count(*) FROM sample_pool")[1] == [(2,)]
    assert query(store, "SELECT DISTINCT settings->>'top_k' FROM manifests")[1] == [("40",)]


@pytest.mark.parametrize(
    ("folder", "experiment"), [("it's", "mine"), ('a "b" [1] *', "mine"), ("runs", "it's")]
)
def test_quotes_and_patterns_in_names_break_nothing(tmp_path, folder, experiment):
    store = Store(tmp_path / folder)
    fill(store, experiment)
    assert query(store, "SELECT experiment, problem_id FROM verdicts")[1] == [(experiment, "p1")]


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT * FROM nothing", "SELECT", ""])
def test_a_wrong_query_is_told_in_one_line(store, sql):
    with pytest.raises(UserError, match=r"^sql: ") as caught:
        query(store, sql)
    assert "\n" not in str(caught.value)


def test_a_listed_table_that_is_gone_is_told(store):
    fill(store, "mine")
    [table] = store.scope("mine", "iter-001").glob("problems-*.parquet")
    table.unlink()
    with pytest.raises(SelftrainError, match=table.name):
        query(store, "SELECT * FROM problems")


def test_asking_does_not_wait_for_a_writer(store):
    fill(store, "mine")
    with store.writing("mine", "iter-001", "samples", "me"), store.samples("policy").writing("me"):
        assert len(query(store, "SELECT * FROM samples")[1]) == 1
    assert json.loads((store.samples("policy").directory / "manifest.json").read_text())["shards"]


def test_a_table_of_another_version_is_named(tmp_path):
    path = tmp_path / "table.parquet"
    digest = lab.write_table(path, SampleMembership, [SampleMembership("k", "p")])
    with pytest.raises(
        IntegrityError, match=r"table\.parquet was written by another version of selftrain"
    ):
        read_table(path, VerdictMembership, digest)
