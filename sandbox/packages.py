"""Packages for programs, installed by pip on this machine to be copied into an image.

They are installed for the Python of a base image. pip runs here and not in the image, because a
build has no network. It takes wheels alone, so that nothing is compiled and no `setup.py` runs.
Packages are as trusted as the base image is: the runner imports them before it takes a job.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from sandbox.errors import SandboxError

ASK = (
    "import json, os, platform, sys; print(json.dumps([sys.version_info[:2], os.uname().machine,"
    " platform.libc_ver()[1]]))"
)
PIP = (
    "-m pip install --only-binary :all: --no-compile --no-user --no-input --quiet"
    " --disable-pip-version-check --retries 1"
)
OLDEST_GLIBC = 5  # of manylinux_2_5, which was called manylinux1
LEGACY = ("manylinux2014", "manylinux2010", "manylinux1")
MUSL = tuple(f"musllinux_1_{minor}" for minor in range(3))


@dataclass(frozen=True)
class Target:
    """The Python that packages are for."""

    version: tuple[int, int]
    machine: str
    glibc: str
    """Version of the C library; empty: musl."""

    @classmethod
    def parse(cls, output: str) -> Target:
        """From what `ASK` prints there."""
        (major, minor), machine, glibc = json.loads(output)
        return cls((major, minor), machine, glibc)

    def options(self) -> list[str]:
        """Options that tell pip which wheels fit.

        pip does not know that a newer C library takes wheels for every older one.
        """
        major, minor = self.version
        options = ["--implementation", "cp", "--python-version", f"{major}.{minor}"]
        for abi in (f"cp{major}{minor}", "abi3", "none"):
            options += ["--abi", abi]
        names = MUSL
        if self.glibc:
            newest = int(self.glibc.split(".")[1])
            names = (
                *(f"manylinux_2_{n}" for n in range(newest, OLDEST_GLIBC - 1, -1)),
                *LEGACY,
                "linux",
            )
        for name in names:
            options += ["--platform", f"{name}_{self.machine}"]
        return options

    def __str__(self) -> str:
        return f"Python {'.'.join(map(str, self.version))} on {self.machine}"


@dataclass(frozen=True)
class Installed:
    """Packages in a folder: their versions, and the modules of those that were asked for."""

    folder: Path
    versions: Mapping[str, str]
    modules: Mapping[str, list[str]]
    """By package: the top-level modules, which the runner imports before it takes a job."""
    digest: str
    """Of every file of every package."""

    def listing(self) -> bytes:
        """The same for the runner."""
        return json.dumps(
            {"versions": dict(self.versions), "modules": dict(self.modules)},
            indent=1,
            sort_keys=True,
        ).encode()


def wanted_digest(packages: Iterable[str], wheels: str | None) -> str:
    """Changes when other packages are asked for, or other files lie in the folder of wheels."""
    seen = [sorted(packages), sorted(_files(wheels)) if wheels else None]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


def _files(wheels: str) -> Iterator[tuple[str, int, int]]:
    folder = Path(wheels).expanduser()
    if not folder.is_dir():
        raise SandboxError(
            f"there is no folder of wheels at {folder}; it is where packages are taken from"
            " (setting `wheels`)"
        )
    for path in folder.iterdir():
        status = path.stat()
        yield path.name, status.st_size, status.st_mtime_ns


def install(packages: Iterable[str], wheels: str | None, target: Target, folder: Path) -> Installed:
    """Have pip install packages and their dependencies into `folder`.

    A requirement's markers are those of this machine's Python, not of the target's.

    Args:
        packages: Requirements.
        wheels: A folder of wheels to take them from; None: where this machine's pip looks.
        target: The Python and platform that they are for.
        folder: Where to put them.

    Raises:
        SandboxError: With pip's own reason.
    """
    packages = list(packages)
    if bad := [name for name in packages if name.startswith("-")]:
        raise SandboxError(
            f'"{bad[0]}" is an option of pip and no package; pip is set up by its own configuration'
        )
    if bad := [name for name in packages if "/" in name and not name.endswith(".whl")]:
        raise SandboxError(
            f'"{bad[0]}" is a place of sources, which would have to be built; name a package or a'
            " wheel"
        )
    command = [sys.executable, *PIP.split(), "--target", str(folder), *target.options()]
    if wheels:
        command += ["--no-index", "--find-links", str(Path(wheels).expanduser())]
    done = subprocess.run([*command, "--", *packages], capture_output=True, text=True, check=False)
    if done.returncode:
        source = f"the folder {wheels}" if wheels else "where pip looks on this machine"
        raise SandboxError(
            f"packages {', '.join(packages)} for {target} cannot be had from {source}:"
            f" {_reason(done.stderr)}"
        )
    return _read_installed(folder)


def _reason(output: str) -> str:
    """First error of pip, without what stands around it."""
    if "No module named pip" in output:
        return "this Python has no pip (`python -m ensurepip` installs it)"
    errors = [
        line.removeprefix("ERROR: ").strip()
        for line in output.splitlines()
        if line.startswith("ERROR: ")
    ]
    reason = errors[0] if errors else (output.strip().rpartition("\n")[2] or "pip said nothing")
    head, between, versions = reason.partition(" (from versions: ")
    if between and len(listed := versions.rstrip(")").split(", ")) > 5:
        reason = f"{head} (from versions: ..., {', '.join(listed[-5:])})"
    if between and "onnection" in output and "broken" in output:
        reason += "; its index did not answer"
    return reason[:500]


def _read_installed(folder: Path) -> Installed:
    packages = sorted(distributions(path=[str(folder)]), key=lambda package: package.name.lower())
    digest = hashlib.sha256()
    for package in packages:
        digest.update(f"{package.name} {package.version}\n{package.read_text('RECORD')}\n".encode())
    requested = [package for package in packages if package.read_text("REQUESTED") is not None]
    return Installed(
        folder,
        {package.name: package.version for package in packages},
        {package.name: _modules(package) for package in requested},
        digest.hexdigest(),
    )


def _modules(package: Distribution) -> list[str]:
    """What it lets one import, without what is private or hidden."""
    names = set()
    for file in package.files or ():
        if file.suffix in (".py", ".so") and not file.parts[0].endswith(
            (".libs", ".data", ".dist-info")
        ):
            names.add(file.parts[0].partition(".")[0] if len(file.parts) == 1 else file.parts[0])
    return sorted(name for name in names if name.isidentifier() and not name.startswith("_"))
