"""A store lies in a folder that renames and locks; everything else is refused before anything is
written."""

import fcntl
import json
from pathlib import Path

import pytest

from selftrain_assets.dagster.resources import StoreResource
from selftrain_assets.domain.errors import IntegrityError, UserError
from selftrain_assets.store import Store, location
from tests.store.test_store import manifest


@pytest.mark.parametrize(
    "address",
    ["s3://bucket/runs", "gs://bucket", "abfss://c@account/x", Path("s3://bucket/runs")],
    ids=str,
)
def test_a_bucket_is_refused_with_the_reason(monkeypatch, address):
    monkeypatch.setenv("SELFTRAIN_STORE", str(address))
    for opened in (Store.default, StoreResource(root=str(address)).open):
        with pytest.raises(
            UserError,
            match=r"must be a folder: a bucket can neither rename .* lock .* SELFTRAIN_STORE",
        ) as caught:
            opened()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["runs", "it's runs", "./runs", "a:b/runs", "/tmp/s3:/runs"])
def test_a_folder_is_a_folder_whatever_its_name(place):
    assert location.folder(place) == Path(place).absolute()


def test_looking_leaves_nothing(tmp_path):
    location.check(tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_file_system_that_does_not_lock_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    with pytest.raises(UserError, match="does not lock files"):
        location.check(tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        location.check(tmp_path / "file" / "runs")


def test_a_store_is_marked_with_its_format_when_it_is_written(store):
    assert not store.root.exists()
    store.commit(manifest())
    assert json.loads((store.root / "store.json").read_text()) == {"format": location.FORMAT}
    assert Store(store.root).manifests() == [manifest()]


def test_a_store_without_a_format_is_read_as_it_is_and_marked_by_the_next_write(store):
    store.commit(manifest())
    (store.root / "store.json").unlink()
    older = Store(store.root)
    assert older.manifests() == [manifest()]
    assert not (store.root / "store.json").exists()
    older.commit(manifest(key="b" * 32))
    assert json.loads((store.root / "store.json").read_text()) == {"format": location.FORMAT}


def test_a_store_of_an_older_format_is_marked_by_the_next_write(store):
    store.commit(manifest())
    (store.root / "store.json").write_text('{"format": 2}')
    older = Store(store.root)
    assert older.manifests() == [manifest()]
    assert (store.root / "store.json").read_text() == '{"format": 2}'
    older.commit(manifest(key="b" * 32))
    assert json.loads((store.root / "store.json").read_text()) == {"format": location.FORMAT}


def test_a_store_of_a_newer_format_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "store.json").write_text(json.dumps({"format": location.FORMAT + 1}))
    with pytest.raises(
        UserError, match=rf"has format {location.FORMAT + 1}, .* install a newer selftrain"
    ) as caught:
        Store(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "[]",
        "{}",
        '{"format": "new"}',
        '{"format": "2"}',
        '{"format": 2.5}',
        '{"format": true}',
        '{"format": 0}',
        '{"format": -1}',
        '{"format": Infinity}',
    ],
)
def test_a_format_that_cannot_be_read_is_told(tmp_path, text):
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(IntegrityError, match=r"store\.json does not say the format") as caught:
        Store(tmp_path)
    assert "\n" not in str(caught.value)
