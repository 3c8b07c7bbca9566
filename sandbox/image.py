"""The sandbox's image: the runner on top of a base, tagged by a hash of everything that makes it what it is."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from sandbox.base_image import build_local_base, local_base_is_here
from sandbox.errors import SandboxError

HERE = Path(__file__).parent
REPOSITORY = "selftrain-sandbox"
PUBLISHED = "python:3.12-slim"
LOCAL, AUTO = "local", "auto"


def seccomp() -> str:
    """The system calls that are allowed, as one line of JSON that goes to the engine with each container."""
    return json.dumps(json.loads((HERE / "seccomp.json").read_text()), separators=(",", ":"))


def context_files() -> dict[str, bytes]:
    """What the image is built from, by name in the build context."""
    files = {"Dockerfile": (HERE / "image/Dockerfile").read_bytes(), "opt/start.py": (HERE / "image/start.py").read_bytes()}
    files["opt/sandbox/__init__.py"] = b""
    for path in sorted((HERE / "runner").glob("*.py")):
        files[f"opt/sandbox/runner/{path.name}"] = path.read_bytes()
    return files


def image_tag(base_id: str) -> str:
    """Name and tag of the image that this code makes on that base."""
    digest = hashlib.sha256(f"{base_id}\n{seccomp()}\n".encode())
    for name, data in context_files().items():
        digest.update(f"{name} {len(data)}\n".encode() + data)
    return f"{REPOSITORY}:{digest.hexdigest()[:16]}"


def build(client: Any, base: str = AUTO) -> str:
    """The image's tag; built unless it is there.

    `base` is an image name; `local`, to make one from this interpreter; or `auto`: the published one if it can be had,
    else a local one. SandboxError if the base cannot be had.
    """
    import docker.errors

    name, base_id = _base(client, base)
    tag = image_tag(base_id)
    try:
        client.images.get(tag)
    except docker.errors.ImageNotFound:
        try:
            client.images.build(
                fileobj=_context(), custom_context=True, tag=tag, buildargs={"BASE_IMAGE": name}, network_mode="none", pull=False, rm=True
            )
        except docker.errors.DockerException as error:
            raise SandboxError(f"the sandbox image cannot be built on {name}: {error}") from error
    return tag


def _base(client: Any, base: str) -> tuple[str, str]:
    """Name and id of the base image. `auto` asks the registry once: where that fails, the local base is there from then on."""
    if base == AUTO:
        here = _found(client, PUBLISHED)
        if here is None and not local_base_is_here(client):
            with suppress(SandboxError):
                here = _pulled(client, PUBLISHED)
        return (PUBLISHED, here) if here else _base(client, LOCAL)
    name = build_local_base(client) if base == LOCAL else base
    return name, _found(client, name) or _pulled(client, name)


def _found(client: Any, name: str) -> str | None:
    import docker.errors

    try:
        return client.images.get(name).id
    except docker.errors.ImageNotFound:
        return None


def _pulled(client: Any, name: str) -> str:
    import docker.errors

    try:
        return client.images.pull(name).id
    except docker.errors.DockerException as error:
        raise SandboxError(
            f"base image {name} is not here and cannot be pulled ({error}); without a registry, make one from this Python: "
            "python -m sandbox build --base local"
        ) from error


def _context() -> io.BytesIO:
    """The build context as a tar; times are left at zero so that the engine's cache works."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in context_files().items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    buffer.seek(0)
    return buffer
