"""Languages other than Python: how each is compiled, run, and put into a local image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.limits import COMPILER, MIB, Limits

PYTHON = "python"
PREPARED = "/opt/prepared"
"""Where the image keeps what a language prepares."""
CPP = ("-std=gnu++20", "-O2", "-w")
"""For programs and for the header that nearly all of them include, which is compiled in advance:
that takes four times as long as a program does without it, and has to be done with the same
options."""


@dataclass(frozen=True)
class Language:
    """One row of the table.

    Commands run in the scratch folder, where the program lies as `file`.
    """

    title: str
    tags: tuple[str, ...]
    """What models write behind the fence of a block in it, in lower case."""
    file: str
    compile: tuple[str, ...]
    """Run once for all cases; where its status is not 0, the program is malformed, and what it
    printed says why."""
    run: tuple[str, ...]
    """Run for each case. `{heap_mib}` and `{stack_kib}` are put in."""
    trivial: str
    """A program that does nothing. It is run before anything is judged, to see that the language
    is there and works."""
    version: tuple[str, ...]
    prepare: tuple[str, ...] = ()
    """Run once, when the image is built."""
    whole: str = ""
    """Pattern of what every whole program has: a block without it is a part of one, shown by the
    way."""
    binary: str | None = None
    """What compiling makes and cases run, with the name as which `run` calls it; None: cases run
    the file itself."""
    address_space: bool = True
    """Whether it lives with a limit on its address space; else its heap is limited by `run`, and
    all of it by its container."""

    def missing(self, image: str, why: str) -> str:
        """What to do about an image in which it does not work, as a sentence."""
        program = self.version[0]
        return (
            f"{self.title} cannot be run in the image {image} ({why}): set `base` to an image that"
            f" has python3 and {program}, or to `local`, which takes {program} from this machine"
        )

    def command(self, limits: Limits) -> dict[str, Any]:
        """What the runner is told."""
        room = {
            "heap_mib": limits.memory_bytes // MIB,
            "stack_kib": max(984, limits.stack_bytes // 1024 - 4096),
        }
        run = [part.format(**room) for part in self.run]
        compiler = COMPILER.wire() | ({} if self.address_space else {"address_bytes": None})
        return {
            "file": self.file,
            "compile": list(self.compile),
            "binary": self.binary,
            "run": run,
            "limits": compiler,
        }


LANGUAGES = {
    "cpp": Language(
        title="C++",
        tags=("cpp", "c++", "cc", "cxx", "cplusplus"),
        file="program.cpp",
        compile=(
            "g++",
            *CPP,
            "-pipe",
            "-fmax-errors=3",
            f"-I{PREPARED}",
            "-o",
            "program",
            "program.cpp",
        ),
        whole=r"\bmain\s*\(",
        binary="program",
        run=("./program",),
        prepare=(
            "g++",
            *CPP,
            "-x",
            "c++-header",
            "-include",
            "bits/stdc++.h",
            "-o",
            f"{PREPARED}/bits/stdc++.h.gch",
            "/dev/null",
        ),
        trivial="int main() {}",
        version=("g++", "-dumpfullversion"),
    ),
    "javascript": Language(
        title="JavaScript",
        tags=("javascript", "js", "node", "nodejs", "mjs"),
        file="program.js",
        compile=("node", "--check", "program.js"),
        run=("node", "--max-old-space-size={heap_mib}", "--stack-size={stack_kib}", "program.js"),
        trivial="",
        version=("node", "--version"),
        address_space=False,  # V8 reserves far more than it uses
    ),
}
"""To add one: a row here, and what of a machine's compiler has to be copied in toolchains.py."""
