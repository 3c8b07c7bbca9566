"""A store lies in a folder that renames and locks; everything else is refused before anything is
written."""

import fcntl
from pathlib import Path

import pytest

from selftrain_assets.dagster.resources import StoreResource
from selftrain_assets.domain.errors import UserError
from selftrain_assets.store import Store, location


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
