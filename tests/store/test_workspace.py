"""Relations are values: their names are nobody's business, and queries say what they take."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

import selftrain_assets
from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.domain.types import SampleMembership
from selftrain_assets.operations.catalog import View
from selftrain_assets.store import Store
from selftrain_assets.store.database import QUERIES
from selftrain_assets.store.workspace import queries
from tests import lab


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def ws(store):
    with store.workspace() as workspace:
        yield workspace


@dataclass(frozen=True)
class Keyed:
    key: str
    n: int | None = None


@dataclass(frozen=True)
class Positioned:
    position: int
    key: str
    problem_id: str
    translates: str | None


def keyed(*keys):
    return [Keyed(key) for key in keys]


def test_relations_of_one_type_stand_side_by_side(ws):
    wanted, held = ws.load_records(keyed(*"abcd"), Keyed), ws.load_records(keyed(*"bde"), Keyed)
    missing, others = ws.missing(wanted, held), ws.missing(held, wanted)
    assert len({wanted.name, held.name, missing.name, others.name}) == 4
    assert sorted(r.key for r in ws.records(missing)) == ["a", "c"]
    assert list(ws.records(others)) == keyed("e")
    assert ws.count_missing(wanted, held) == ws.count(missing) == 2
    both = ws.union(Keyed, [missing, others])
    assert sorted(r.key for r in ws.records(both)) == ["a", "c", "e"]
    assert ws.count(ws.union(Keyed, [])) == 0


def test_a_relation_grows_and_goes(ws):
    relation = ws.load(Keyed, [["a", "b"], [1, None]])
    ws.append(relation, [Keyed("c", 3)])
    assert list(ws.records(relation)) == [Keyed("a", 1), Keyed("b"), Keyed("c", 3)]
    ws.drop(relation)
    assert ws.count(ws.load_records(keyed("z"), Keyed)) == 1


def test_records_are_read_at_their_place_in_a_file_and_lack_what_older_files_lack(ws, tmp_path):
    lab.write_table(
        tmp_path / "t.parquet", SampleMembership, [SampleMembership(k, "p") for k in "ba"]
    )
    read = ws.read(Positioned, [tmp_path / "t.parquet"])
    assert list(ws.records(read)) == [Positioned(0, "b", "p", None), Positioned(1, "a", "p", None)]
    lab.write_table(tmp_path / "old.parquet", Keyed, keyed("a"))
    older = ws.read(SampleMembership, [tmp_path / "old.parquet"])
    assert [r.method for r in ws.records(older)] == [None]
    assert ws.count(ws.read(SampleMembership, [])) == 0


def test_a_query_is_given_just_what_it_takes(ws):
    relation = ws.load_records(keyed("a"), Keyed)
    for arguments in ({}, {"wanted": relation}, {"wanted": relation, "held": relation, "more": 1}):
        with pytest.raises(TypeError, match=r"workspace.missing takes \['held', 'wanted'\]"):
            ws.rows("workspace.missing", **arguments)


def test_a_relation_has_the_columns_of_its_record(ws):
    relation = ws.load_records(keyed("a"), Keyed)
    for make in (ws.table, ws.view):
        with pytest.raises(TypeError, match=r"gives \['key', 'n'\], and SampleMembership has"):
            make(SampleMembership, "workspace.missing", wanted=relation, held=relation)


def test_a_damaged_pool_is_no_relation(store, ws):
    pool = store.samples("policy")
    pool.directory.mkdir(parents=True)
    (pool.directory / "manifest.json").write_text('{"shards": [["gone.parquet", 1, "00"]]}')
    with pytest.raises(IntegrityError):
        ws.pool(pool)


def test_every_query_is_asked():
    sources = "".join(
        path.read_text() for path in Path(selftrain_assets.__file__).parent.rglob("*.py")
    )
    named = {f"{path.stem}.{name}" for path in QUERIES.glob("*.sql") for name in queries(path.stem)}
    asked = set(re.findall(r'"(\w+\.\w+)"', sources)) | {
        f"{file}.{name}" for file, name in re.findall(r'queries\("(\w+)"\)\["(\w+)"\]', sources)
    }
    asked |= {f"catalog.{view}" for view in get_args(View)}
    assert named - asked == set()
