"""Compilers for a local base image.

What of this machine's own has to be copied so that programs compile and run there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.languages import LANGUAGES
from sandbox.shared_libraries import shared_libraries

# what g++ links a program with: found where it is, left out where a C library does without
LINKED = """
    crt1.o Scrt1.o crti.o crtn.o crtbegin.o crtbeginS.o crtend.o crtendS.o libc.so libm.so
    libgcc.a libgcc_eh.a libgcc_s.so libgcc_s.so.1 libstdc++.so libstdc++.so.6 libpthread.a
    libpthread.so liblto_plugin.so
"""
LINKER_SCRIPT = b"/* GNU ld script"
PROGRAMS = ("cc1plus", "collect2", "lto-wrapper", "as", "ld")
SYSTEM_HEADERS = """
#include <bits/stdc++.h>
#include <bits/extc++.h>
#if __has_include(<immintrin.h>)
#include <immintrin.h>
#endif
"""
POSIX = """
    arpa/inet.h dirent.h dlfcn.h endian.h execinfo.h fcntl.h getopt.h libgen.h malloc.h
    memory.h netdb.h netinet/in.h poll.h pthread.h pwd.h sched.h semaphore.h spawn.h strings.h
    sys/epoll.h sys/file.h sys/ioctl.h sys/mman.h sys/param.h sys/prctl.h sys/random.h
    sys/resource.h sys/select.h sys/socket.h sys/stat.h sys/syscall.h sys/time.h sys/timeb.h
    sys/times.h sys/types.h sys/uio.h sys/un.h sys/utsname.h sys/wait.h syscall.h termios.h
    ucontext.h unistd.h utime.h values.h
"""
STANDARDS = ("gnu++17", "gnu++20", "gnu++23")


def found_versions(languages: Iterable[str]) -> list[str]:
    """Language and version of each, as this machine has them.

    SandboxError says what to do about one that it has not.
    """
    versions = []
    for name in languages:
        language = LANGUAGES[name]
        program = language.version[0]
        if shutil.which(program) is None:
            raise SandboxError(
                f"this machine has no `{program}`, so that a local base image gets no"
                f" {language.title}: install it here, or set `base` to an image that has python3"
                f" and {program}"
            )
        versions.append(f"{name} {_output(language.version)}")
    return versions


def files(languages: Iterable[str]) -> dict[str, str]:
    """Path here -> path in the image, of all that these languages need there."""
    binaries: dict[str, str] = {}
    others: dict[str, str] = {}
    for name in languages:
        if name == "cpp":
            binaries |= {path: path for path in _programs()} | {_real("g++"): "/usr/bin/g++"}
            others |= {path: path for path in (*_headers(), *_link_inputs())}
        else:
            program = LANGUAGES[name].run[0]
            binaries[_real(program)] = f"/usr/bin/{program}"
    loaded = shared_libraries(
        Path(path) for path in (*binaries, *others) if path in binaries or ".so" in path
    )
    return {path: inside.lstrip("/") for path, inside in (binaries | others).items()} | loaded


@cache
def _output(command: tuple[str, ...], text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _real(program: str) -> str:
    """The file behind a command. A launcher that is a script would need whatever it calls."""
    path = os.path.realpath(shutil.which(program) or program)
    with open(path, "rb") as file:
        if file.read(4) != b"\x7fELF":
            raise SandboxError(
                f"`{program}` of this machine is a script ({path}) and no program; set `base` to an"
                f" image with {program}"
            )
    return path


def _programs() -> Iterator[str]:
    """The compiler's parts, by the path at which g++ looks for them."""
    for name in PROGRAMS:
        path = _output(("g++", f"-print-prog-name={name}"))
        yield os.path.normpath(path if os.path.isabs(path) else shutil.which(path) or path)


def _link_inputs() -> Iterator[str]:
    for name in LINKED.split():
        path = _output(("g++", f"-print-file-name={name}"))
        if os.path.isabs(path) and os.path.isfile(path):
            yield os.path.normpath(path)
            with open(path, "rb") as file:
                if file.read(len(LINKER_SCRIPT)) == LINKER_SCRIPT:
                    yield from (
                        match.decode()
                        for match in re.findall(rb"(/[\w./+-]+\.(?:so|a)[.\d]*)", file.read())
                    )


def _headers() -> set[str]:
    """All headers that C++ and POSIX programs reach, and what lies beside them.

    What other libraries have put into the top folder is left out.
    """
    includes = SYSTEM_HEADERS + "".join(
        f"#if __has_include(<{name}>)\n#include <{name}>\n#endif\n" for name in POSIX.split()
    )
    reached = set()
    for standard in STANDARDS:
        listed = _output(("g++", f"-std={standard}", "-O2", "-M", "-x", "c++", "-"), includes)
        reached |= set(re.findall(r"(/\S+)", listed))
    folders = {Path(path).parent for path in reached}
    folders -= {
        folder
        for folder in folders
        if folder.name == "include" and Path(folder, "unistd.h").exists()
    }
    whole = {
        os.path.normpath(path) for folder in folders for path in folder.iterdir() if path.is_file()
    }
    return {os.path.normpath(path) for path in reached} | whole
