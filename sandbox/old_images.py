"""Images that were made here and that nothing uses any more."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from typing import Any

REPOSITORY, BASES = "selftrain-sandbox", "selftrain-sandbox-base"
KIND = "selftrain.sandbox.kind"
"""Label: equal for images that differ in their code alone, of which a newer one takes the place
of an older one."""
KEPT_SECONDS = 24 * 3600.0
"""Age at which a superseded image is removed: until then another checkout of this code may be at
work with it."""


def unused_images(client: Any) -> list[Any]:
    """Images made here that no container has, those on top of others first."""
    used = {
        container.image.id for container in client.containers.list(all=True, ignore_removed=True)
    }
    return [
        image
        for image in client.images.list(REPOSITORY) + client.images.list(BASES)
        if image.id not in used
    ]


def remove_superseded(client: Any, kind: str, newest: str) -> int:
    """Remove the unused images of this kind that are old enough, except for the id `newest`.

    Returns:
        The number of removed images.
    """
    return _remove(
        client,
        [
            image
            for image in unused_images(client)
            if image.labels.get(KIND) == kind
            and image.id != newest
            and time.time() - _created_at(image) > KEPT_SECONDS
        ],
    )


def remove_unused(client: Any) -> int:
    """Remove every image made here that no container has; whoever needs one again makes it again.

    How many it were.
    """
    return _remove(client, unused_images(client))


def _created_at(image: Any) -> float:
    return datetime.fromisoformat(image.attrs["Created"][:19] + "+00:00").timestamp()


def _remove(client: Any, images: list[Any]) -> int:
    """A base stays as long as an image on top of it does: the engine refuses to remove it."""
    import docker.errors

    removed = 0
    for image in images:
        with suppress(docker.errors.DockerException):
            client.images.remove(image.id, force=True)  # it has several tags
            removed += 1
    return removed
