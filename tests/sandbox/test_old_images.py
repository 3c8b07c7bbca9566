"""What nothing uses any more is found and removed; what is in use, young or another's stays."""

import io
import tarfile
import time
import uuid

import pytest

from sandbox import Pool, PoolSettings
from sandbox.base_image import build_local_base, local_base_name
from sandbox.engine import connect
from sandbox.old_images import KIND, REPOSITORY, remove_superseded, unused_images


@pytest.fixture
def client(docker_engine):
    return connect(docker_engine.host)


@pytest.fixture
def images(client):
    """Three small images of one kind; the function makes more."""
    kind, made = uuid.uuid4().hex, []

    def make(kind=kind):
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(uuid.uuid4().hex))
        tag = f"test-{uuid.uuid4().hex[:12]}"
        client.api.import_image_from_data(
            content.getvalue(), repository=REPOSITORY, tag=tag, changes=[f"LABEL {KIND}={kind}"]
        )
        made.append(client.images.get(f"{REPOSITORY}:{tag}").id)
        return made[-1]

    yield kind, make
    here = {image.id for image in client.images.list()}
    for image in made:
        if image in here:
            client.images.remove(image, force=True)


def here(client):
    return {image.id for image in client.images.list(REPOSITORY)}


def test_an_image_is_superseded_by_a_newer_one_of_its_kind_a_day_later(client, images, monkeypatch):
    kind, make = images
    old, other, newest = make(), make(f"not-{kind}"), make()
    assert remove_superseded(client, kind, newest) == 0
    assert {old, other, newest} <= here(client)
    tomorrow = time.time() + 25 * 3600
    monkeypatch.setattr("sandbox.old_images.time.time", lambda: tomorrow)
    assert remove_superseded(client, kind, newest) == 1
    assert old not in here(client)
    assert {other, newest} <= here(client)


def test_an_image_with_a_container_is_in_use(client, images, docker_engine):
    _, make = images
    idle = make()
    with Pool(PoolSettings(1, (docker_engine,))) as pool:
        unused = {image.id for image in unused_images(client)}
        assert idle in unused
        assert client.images.get(pool.workers[0].image).id not in unused


def test_a_base_is_one_for_all_environments_of_an_interpreter(client, monkeypatch):
    name = build_local_base(client)
    monkeypatch.setattr("sys.executable", "/another/environment/bin/python")
    assert local_base_name() == name
    monkeypatch.setattr("sys.version", "3.99.0 (another build)")
    assert local_base_name() != name
