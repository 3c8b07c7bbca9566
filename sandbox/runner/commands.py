"""Programs in other languages than Python: compiled once, then run for each case.

Both under the program's uid and in its limits.

The scratch folder lets nothing be run that lies there. What a compiler makes is handed on as a
sealed memory file instead, and a case runs that: no program gets a place that it could run
something else from.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any, NoReturn

from sandbox.runner.child import RESULTS, read_payload

BINARY = 5


def main_compile(limits: dict[str, Any]) -> NoReturn:
    """Compile the program.

    Messages of the compiler go to standard output, and what it makes to descriptor `BINARY`.
    """
    job = read_payload()
    _write(job["file"], job["source"])
    as_started()
    try:
        status = subprocess.run(
            job["compile"], stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=False
        ).returncode
        if status == 0 and job["binary"]:
            with open(job["binary"], "rb") as made:
                while data := made.read(1 << 20):
                    os.write(BINARY, data)
    except OSError as error:
        os.write(1, f"{job['compile'][0]}: {error.strerror}".encode())
        status = 127
    os._exit(status if status >= 0 else 1)


def main_execute(limits: dict[str, Any]) -> NoReturn:
    """Become the program."""
    job = read_payload()
    os.close(RESULTS)
    as_started()
    if job["binary"]:
        os.execve(BINARY, job["run"], dict(os.environ))
    _write(job["file"], job["source"])
    os.execvp(job["run"][0], job["run"])


def as_started() -> None:
    """Signals as a program finds them that no Python started."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def _write(name: str, source: str) -> None:
    with open(name, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        file.write(source)
