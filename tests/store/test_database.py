"""DuckDB gives the same keys as Python, streams without holding everything, and says in one line
what it could not do."""

import hashlib
import os
import signal
from threading import Timer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.errors import InfraError
from selftrain_assets.domain.identity import (
    problem_digest,
    row_key,
    sample_key,
    text_digest,
    verification_key,
)
from selftrain_assets.domain.types import Problem, SampleMembership
from selftrain_assets.store.database import WINDOW, Database
from selftrain_assets.store.tables import content_digest
from tests import lab

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)  # what UTF-8 can say


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    with Database(tmp_path_factory.mktemp("spilt")) as found:
        yield found


def one(db, sql, *values):
    return db.execute(f"SELECT {sql}", values)[0][0]


@given(TEXT, st.integers(0, 10**6))
def test_sample_keys(db, prompt, index):
    assert one(db, "sample_key('draws', ?, ?::BIGINT)", prompt, index) == sample_key(
        "draws", prompt, index
    )


@given(TEXT, TEXT, st.none() | TEXT)
def test_problem_digests(db, question, answer, tests):
    assert one(db, "problem_digest(?, ?, ?::VARCHAR)", question, answer, tests) == problem_digest(
        Problem("p", question, answer, tests=tests)
    )


@given(TEXT)
def test_verification_keys(db, completion):
    found = one(db, "verification_key('sample', sha256(?), 'problem', 'verifier')", completion)
    assert found == verification_key("sample", text_digest(completion), "problem", "verifier")


@given(
    TEXT,
    TEXT,
    st.floats(0, 1e300),
    st.none() | st.just("sample"),
    st.none() | st.lists(st.integers(0, 2**31 - 1), max_size=3),
    st.none() | TEXT,
    st.none() | st.lists(st.integers(0, 99), min_size=2, max_size=2),
)
def test_row_keys(db, prompt, completion, weight, sample, tokens, ended_by, forced):
    values = prompt, completion, weight, sample, tokens, ended_by, forced
    found = one(
        db,
        "row_key(?, ?, ?::DOUBLE, 'self', ?::VARCHAR, ?::INTEGER[], ?::VARCHAR, ?::INTEGER[])",
        *values,
    )
    assert found == row_key(
        prompt, completion, weight, "self", sample, None, tokens, ended_by, forced
    )


def test_a_stream_goes_on_while_other_statements_run(db):
    seen = 0
    for (number,) in db.stream(f"SELECT * FROM range({3 * WINDOW})"):
        if number % WINDOW == 0:
            assert one(db, "1 + 1") == 2
        seen += 1
    assert seen == 3 * WINDOW


def test_what_does_not_fit_into_memory_is_spilt_and_leaves_nothing(tmp_path):
    with Database(tmp_path) as db:
        db.execute("SET memory_limit = '60MB'")
        db.execute(
            "CREATE TABLE big AS SELECT sha256(i::VARCHAR) AS key FROM range(2000000) AS t(i)"
        )
        assert [p for p in tmp_path.rglob("*") if p.is_file()]
        assert one(db, "count(DISTINCT key) FROM big") == 2000000
    assert list(tmp_path.iterdir()) == []


def test_a_digest_is_of_content_and_order_and_not_of_bytes(db, tmp_path):
    paths = [tmp_path / f"{n}.parquet" for n in range(4)]
    drawings = [SampleMembership(f"key {n}", f"problem {n % 7}") for n in range(200)]
    lab.write_table(paths[0], SampleMembership, drawings)
    db.view("drawings", SampleMembership, [paths[0]])
    db.write("SELECT * FROM drawings", paths[1])
    lab.write_table(paths[2], SampleMembership, drawings[::-1])
    lab.write_table(
        paths[3], SampleMembership, [*drawings[:-1], SampleMembership("key 199", "problem 99")]
    )
    assert paths[0].read_bytes() != paths[1].read_bytes()
    first, same, *others = (content_digest(path, ["key", "problem_id"]) for path in paths)
    assert first == same
    assert first not in others


def test_a_file_that_went_away_is_told_in_one_line(db, tmp_path):
    lab.write_table(tmp_path / "t.parquet", SampleMembership, [])
    db.view("gone", SampleMembership, [tmp_path / "t.parquet"])
    (tmp_path / "t.parquet").unlink()
    with pytest.raises(InfraError, match=r"t\.parquet") as caught:
        db.count("gone")
    assert "\n" not in str(caught.value)


def test_ctrl_c_in_a_statement_is_ctrl_c(tmp_path):
    # a shell's background jobs have it ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Database(tmp_path) as db:
            interrupt = Timer(0.1, signal.raise_signal, [signal.SIGINT])
            interrupt.start()
            with pytest.raises(KeyboardInterrupt):
                db.execute(
                    "SELECT count(*) FROM range(3000000) AS t(i) WHERE sha256(i::VARCHAR) = ''"
                )
            interrupt.join()
    finally:
        signal.signal(signal.SIGINT, before)


def test_reading_makes_no_folder(tmp_path):
    with Database(tmp_path / "nowhere") as db:
        assert one(db, "1") == 1
    assert list(tmp_path.iterdir()) == []


def names_of(db):
    return {name for (name,) in db.execute("SELECT table_name FROM information_schema.tables")}


def instance_of(folder):
    with Database(folder) as db:
        return db._instance


def test_the_next_database_of_a_folder_is_empty_and_takes_no_new_instance(tmp_path):
    with Database(tmp_path) as first:
        first.execute("CREATE TABLE numbers AS SELECT 1 AS a")
        first.execute("CREATE VIEW more AS SELECT a + 1 AS a FROM numbers")
        with Database(tmp_path) as beside:
            assert beside._instance is not first._instance
            assert names_of(beside) == set()
    with Database(tmp_path) as second:
        assert second._instance is first._instance
        assert names_of(second) == set()
        assert second.execute("SELECT hashed('a')") == [(hashlib.sha256(b"a").hexdigest()[:32],)]


def test_other_folders_and_what_has_failed_get_a_new_instance(tmp_path):
    known = instance_of(tmp_path)
    assert instance_of(tmp_path) is known
    assert instance_of(tmp_path / "other") is not known
    with pytest.raises(InfraError), Database(tmp_path) as failing:
        failing.execute("SELECT no_such_column")
    assert instance_of(tmp_path) is not failing._instance
    with Database(tmp_path) as asked:
        asked.ask("CREATE TABLE main.left_behind AS SELECT 1")
    with Database(tmp_path) as after:
        assert after._instance is not asked._instance
        assert names_of(after) == set()


def test_a_fork_inherits_no_instance(tmp_path):
    known = instance_of(tmp_path)
    if (child := os.fork()) == 0:
        with Database(tmp_path) as db:
            os._exit(0 if db.execute("SELECT 2") == [(2,)] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert instance_of(tmp_path) is not known
