"""A base image without a registry: the running interpreter and what it needs.

That is its standard library, the shared libraries it loads, and compilers. The image has no shell
and no package manager. About 65 MB, made in two seconds; 70 MB more with C++, 100 MB more with
JavaScript.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sandbox import toolchains
from sandbox.old_images import BASES, KIND, remove_superseded
from sandbox.shared_libraries import shared_libraries

SKIPPED = (
    "test tests tkinter idlelib turtledemo site-packages dist-packages"
    " ensurepip lib2to3 pydoc_data config"
)
FOLDERS = "dev proc sys etc usr usr/local usr/local/bin usr/local/lib opt"
PASSWD = "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n"
GROUP = "root:x:0:\nnogroup:x:65534:\n"


def local_base_name(languages: Sequence[str] = ()) -> str:
    """The tag of the base image for this build of Python, these compilers and this code.

    Where the interpreter or an environment of it lies makes no difference.
    """
    code = "".join(
        Path(str(module.__file__)).read_text() for module in (sys.modules[__name__], toolchains)
    )
    return f"{BASES}:{hashlib.sha256(f'{_kind(languages)}{code}'.encode()).hexdigest()[:12]}"


def _kind(languages: Sequence[str]) -> str:
    return hashlib.sha256(
        "\n".join([sys.version, *toolchains.found_versions(sorted(languages))]).encode()
    ).hexdigest()[:16]


def local_base_is_here(client: Any, languages: Sequence[str] = ()) -> bool:
    """Whether the engine has it."""
    name = local_base_name(languages)
    return any(name in (image.tags or []) for image in client.images.list(BASES))


def build_local_base(client: Any, languages: Sequence[str] = ()) -> str:
    """Import the base image into the engine; its tag. An image with this tag is used as it is."""
    name, kind = local_base_name(languages), _kind(languages)
    if local_base_is_here(client, languages):
        return name
    with tempfile.TemporaryFile() as file:
        write_base(file, languages)
        file.seek(0)
        changes = [
            "ENV PATH=/usr/local/bin:/usr/bin:/bin",
            "ENV LD_LIBRARY_PATH=/usr/local/lib",
            f"LABEL {KIND}={kind}",
        ]
        client.api.import_image_from_data(
            file.read(), repository=BASES, tag=name.partition(":")[2], changes=changes
        )
    remove_superseded(client, kind, client.images.get(name).id)
    return name


def write_base(file: Any, languages: Sequence[str] = ()) -> None:
    """The root file system, as a tar, with what compiles and runs these languages."""
    with tarfile.open(fileobj=file, mode="w", dereference=True) as tar:
        _folder(tar, "tmp", 0o1777)  # a tmpfs mounted here takes over this mode
        for folder in FOLDERS.split():
            _folder(tar, folder)
        for name, text in (("etc/passwd", PASSWD), ("etc/group", GROUP)):
            _bytes(tar, name, text.encode())
        interpreter = Path(sys.executable).resolve()
        short = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        tar.add(interpreter, f"usr/local/bin/{short}", filter=_plain)
        for name in ("python3", "python"):
            link = tarfile.TarInfo(f"usr/local/bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, short
            tar.addfile(link)
        library = Path(sysconfig.get_path("stdlib"))
        for path in _library_files(library):
            tar.add(
                path,
                f"usr/local/lib/{short}/{path.relative_to(library)}",
                recursive=False,
                filter=_plain,
            )
        for source, target in sorted((local_libraries() | toolchains.files(languages)).items()):
            tar.add(source, target, filter=_plain)


def local_libraries() -> dict[str, str]:
    """Shared libraries of the interpreter and its standard library: from path here to path there.

    The latter is the path in the image.
    """
    return shared_libraries(
        [
            Path(sys.executable).resolve(),
            *Path(sysconfig.get_path("stdlib")).glob("lib-dynload/*.so"),
        ]
    )


def _folder(tar: tarfile.TarFile, name: str, mode: int = 0o755) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    tar.addfile(info)


def _bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Owned by root and readable by all, whatever it is here."""
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
    return info


def _library_files(library: Path) -> Iterator[Path]:
    """The standard library without tests and graphics; of compiled files only this version's."""
    cache = f".{sys.implementation.cache_tag}.pyc"
    for folder, below, names in os.walk(library):
        below[:] = [
            name for name in below if name not in SKIPPED.split() and not name.startswith("config-")
        ]
        for name in names:
            if name.endswith((".py", ".so")) or name.endswith(cache):
                yield Path(folder, name)
