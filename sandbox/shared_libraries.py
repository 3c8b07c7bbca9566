"""Which shared libraries of this machine a binary loads, and where they go in an image."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from sandbox.errors import SandboxError

SYSTEM = ("/lib", "/usr/lib", "/lib64", "/usr/lib64")


def shared_libraries(binaries: Iterable[Path]) -> dict[str, str]:
    """Path here -> path in the image, of all that these binaries load.

    SandboxError where this machine has no `ldd`.

    What lies in none of the system's folders goes to /usr/local/lib, which a local base has its
    loader look through.
    """
    tool = shutil.which("ldd")
    if tool is None:
        raise SandboxError(
            "`ldd` is missing, so that the libraries of this machine's programs cannot be found;"
            " build from a published image instead: --base NAME"
        )
    listed = subprocess.run(
        [tool, *map(str, binaries)], capture_output=True, text=True, check=False
    ).stdout
    places = {}
    for path in set(re.findall(r"(/\S+) \(0x", listed)):
        folder, name = os.path.split(path)
        inside = path if folder.startswith(SYSTEM) else f"/usr/local/lib/{name}"
        places[path] = inside.lstrip("/")
    return places
