"""The sandbox's image: the runner and the requested packages on top of a base.

It is tagged by a hash of all that it is made of, and built once, by one process of a machine at a
time. Where packages are asked for, their versions are those of that build: the image keeps them
until it is removed.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.base_image import build_local_base, local_base_is_here, local_libraries
from sandbox.errors import SandboxError
from sandbox.languages import LANGUAGES, PREPARED
from sandbox.old_images import BASES, KIND, REPOSITORY, remove_superseded
from sandbox.packages import ASK, Installed, Target, install, wanted_digest
from sandbox.shared_libraries import shared_libraries

if TYPE_CHECKING:
    from sandbox.engine import EngineSettings

HERE = Path(__file__).parent
PUBLISHED = "python:3.12-slim"
LOCAL, AUTO = "local", "auto"
TAG = "selftrain.sandbox.tag"
"""Label: the tag that says what is in the image. With packages it is another than the one that
the image is found by."""
BUILD_SECONDS = 1800
"""That the engine may be silent while an image is built."""
RUNNER = "COPY opt /opt\n"
PREPARE = "COPY prepared /\n"
COMPILE = (
    "import compileall as c, py_compile as p, re;"
    " c.compile_dir('/opt/packages', quiet=2, rx=re.compile('/tests?/'),"
    " invalidation_mode=p.PycInvalidationMode.UNCHECKED_HASH)"
)
PACKAGES = f"COPY packages /\nRUN {json.dumps(['python3', '-c', COMPILE])}\n"
"""Their code is compiled, none of it is run."""


def seccomp() -> str:
    """The allowed system calls, as one line of JSON that goes to the engine with each container."""
    return json.dumps(json.loads((HERE / "seccomp.json").read_text()), separators=(",", ":"))


def context_files() -> dict[str, bytes]:
    """What every image is built from, by name in the build context."""
    files = {
        "Dockerfile": (HERE / "image/Dockerfile").read_bytes(),
        "opt/start.py": (HERE / "image/start.py").read_bytes(),
    }
    files["opt/sandbox/__init__.py"] = b""
    for path in sorted((HERE / "runner").glob("*.py")):
        files[f"opt/sandbox/runner/{path.name}"] = path.read_bytes()
    return files


def build(client: Any, settings: EngineSettings) -> str:
    """The image's tag; built unless it is there.

    SandboxError if the base, a package or a language cannot be had.
    """
    from sandbox.engine import engine_errors

    with engine_errors("the sandbox image cannot be looked up"):
        base = _base(client, settings, make=False)
        if base and (tag := _existing_tag(client, base, settings)):
            return tag
    with engine_errors("the sandbox image cannot be built"), _build_lock(), _long_timeout(client):
        base = _base(client, settings)
        assert base is not None
        # another process may have built it in the meantime
        return _existing_tag(client, base, settings) or _build(client, base, settings)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _source_tag(base_id: str, settings: EngineSettings) -> str:
    """Stands for all that decides the image, but for the versions that pip would choose today."""
    files = [f"{name} {hashlib.sha256(data).hexdigest()}" for name, data in context_files().items()]
    packages = [wanted_digest(settings.packages, settings.wheels)] if settings.packages else []
    return _digest(base_id, seccomp(), *files, _layers(settings), *packages)


def _layers(settings: EngineSettings) -> str:
    """Lines of the Dockerfile that come before the runner's.

    So the engine's cache has their layers when only the runner has changed.
    """
    prepared = [
        LANGUAGES[name].prepare for name in sorted(settings.languages) if LANGUAGES[name].prepare
    ]
    runs = "".join(f"RUN {json.dumps(command)}\n" for command in prepared)
    return (PREPARE + runs if runs else "") + (PACKAGES if settings.packages else "")


def _existing_tag(client: Any, base: tuple[str, str], settings: EngineSettings) -> str | None:
    """The tag of the image on this base, if it is there."""
    image = _image_named(client, f"{REPOSITORY}:{_source_tag(base[1], settings)}")
    return str(image.labels[TAG]) if image else None


def _build(client: Any, base: tuple[str, str], settings: EngineSettings) -> str:
    import docker.errors

    wanted_tag = _source_tag(base[1], settings)
    kind = _digest(
        settings.base,
        *sorted(settings.languages),
        *sorted(settings.packages),
        settings.wheels or "",
    )
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as context:
        installed = None
        if settings.packages:
            installed = install(
                settings.packages, settings.wheels, _target(client, base[0]), Path(folder)
            )
        tag = f"{REPOSITORY}:{_digest(wanted_tag, installed.digest) if installed else wanted_tag}"
        _write_context(context, _layers(settings), installed, local=base[0].startswith(BASES))
        context.seek(0)
        try:
            image, _ = client.images.build(
                fileobj=context,
                custom_context=True,
                tag=tag,
                buildargs={"BASE_IMAGE": base[0]},
                labels={TAG: tag, KIND: kind},
                network_mode="none",
                pull=False,
                rm=True,
            )
        except docker.errors.DockerException as error:
            for language in (LANGUAGES[name] for name in settings.languages):
                if f'"{language.version[0]}": executable file not found' in str(error):
                    raise SandboxError(
                        language.missing(base[0], f"it has no {language.version[0]}")
                    ) from error
            raise SandboxError(
                f"the sandbox image cannot be built on {base[0]}: {error}"
            ) from error
    image.tag(REPOSITORY, wanted_tag)
    remove_superseded(client, kind, image.id)
    return tag


def _write_context(file: Any, layers: str, installed: Installed | None, local: bool) -> None:
    """The build context as a tar; times are left at zero so that the engine's cache works.

    `local`: the base is one made here, which has the shared libraries of its Python alone.
    """
    files = context_files()
    files["Dockerfile"] = files["Dockerfile"].decode().replace(RUNNER, layers + RUNNER).encode()
    if PREPARE in layers:
        files[f"prepared{PREPARED}/bits/README"] = (
            b"What languages have compiled in advance, for all programs.\n"
        )
    with tarfile.open(fileobj=file, mode="w", dereference=True) as tar:
        if installed is not None:
            files["opt/packages.json"] = installed.listing()
            _folder(tar, installed.folder, "packages/opt/packages")
            for source, target in (
                sorted(_missing_libraries(installed.folder).items()) if local else ()
            ):
                tar.add(source, f"packages/{target}", filter=_plain)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))


def _folder(tar: tarfile.TarFile, folder: Path, name: str) -> None:
    for path in sorted(folder.rglob("*")):
        tar.add(path, f"{name}/{path.relative_to(folder)}", recursive=False, filter=_plain)


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owned by root, of no time, readable by all."""
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
    return info


def _missing_libraries(folder: Path) -> Mapping[str, str]:
    """Shared libraries that packages load and that neither they nor a local base has.

    libstdc++ is one.
    """
    needed = shared_libraries(path for path in folder.rglob("*.so*") if path.is_file())
    here = local_libraries().values()
    return {
        source: target
        for source, target in needed.items()
        if target not in here and not source.startswith(str(folder))
    }


def _target(client: Any, base: str) -> Target:
    """The Python of a base image, as it says itself."""
    import docker.errors

    try:
        output = client.containers.run(
            base,
            ["-I", "-c", ASK],
            entrypoint="python3",
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            remove=True,
            mem_limit="256m",
        )
        return Target.parse(output.decode())
    except (docker.errors.DockerException, ValueError) as error:
        raise SandboxError(f"the base image {base} has no `python3` that runs: {error}") from error


def _base(client: Any, settings: EngineSettings, make: bool = True) -> tuple[str, str] | None:
    """Name and id of the base image; None if it is not there, and is not to be made or pulled.

    `auto` asks the registry once: where that fails, the local base is there from then on. The
    published image has no compilers.
    """
    base, languages = settings.base, settings.languages
    if base == AUTO and not languages:
        published = _image_named(client, PUBLISHED)
        if published is None and make and not local_base_is_here(client):
            with suppress(SandboxError):
                published = _pull(client, PUBLISHED)
        if published is not None:
            return PUBLISHED, published.id
    if base in (AUTO, LOCAL):
        if not make and not local_base_is_here(client, languages):
            return None
        base = build_local_base(client, languages)
    image = _image_named(client, base) or (_pull(client, base) if make else None)
    return image and (base, image.id)


def _image_named(client: Any, name: str) -> Any:
    import docker.errors

    try:
        return client.images.get(name)
    except docker.errors.ImageNotFound:
        return None


def _pull(client: Any, name: str) -> Any:
    import docker.errors

    try:
        return client.images.pull(name)
    except docker.errors.DockerException as error:
        raise SandboxError(
            f"base image {name} is not here and cannot be pulled ({error}); without a registry,"
            " make one from this Python: python -m sandbox build --base local"
        ) from error


@contextmanager
def _long_timeout(client: Any) -> Iterator[None]:
    """Allow the engine to be silent for longer than usual, as while it compiles large packages."""
    usual, client.api.timeout = client.api.timeout, BUILD_SECONDS
    try:
        yield
    finally:
        client.api.timeout = usual


@contextmanager
def _build_lock() -> Iterator[None]:
    """One build at a time on this machine, by this user."""
    with open(Path(tempfile.gettempdir(), f"selftrain-sandbox-{os.getuid()}.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
