"""What goes into a case's processes and what comes out of them.

Inputs are sealed memory files, as a file that standard input is redirected from. Outputs are pipes,
as a terminal's or a judge's usually are: nothing that was written can be taken back, and what is
too much is read and dropped.
"""

from __future__ import annotations

import fcntl
import os
from typing import Any

MFD = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
SEALS = 0x1 | 0x2 | 0x4 | 0x8  # against sealing, shrinking, growing and writing
F_ADD_SEALS = 1033
CHUNK = 1 << 16
TAIL = 2000
"""Bytes that are kept of standard error: the last ones."""
EXCERPT = 2000
"""Bytes that are kept of an output that nobody compares: the first ones."""


def filled(data: bytes) -> int:
    """A file with this content that nobody can change, at its start."""
    if not data:
        return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    fd = os.memfd_create("in", MFD)
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
    fcntl.fcntl(fd, F_ADD_SEALS, SEALS)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


class Output:
    """One output of a process.

    `most` bytes of it are kept, the first or the last ones; `strict` says that more is too much.
    """

    def __init__(self, most: int, strict: bool = False, last: bool = False) -> None:
        self.reader, self.writer = os.pipe()
        # so that the program can open /dev/stdout, which is then this pipe
        os.fchmod(self.writer, 0o666)
        self.most, self.strict, self.last = most, strict, last
        self.kept = bytearray()
        self.size = 0

    @property
    def over(self) -> bool:
        """Whether it was too much."""
        return self.strict and self.size > self.most

    def take(self) -> bool:
        """Read what is there, once; waits if nothing is. False at the end."""
        data = os.read(self.reader, CHUNK)
        self.size += len(data)
        if self.last:
            self.kept += data
            del self.kept[: -self.most]
        elif len(self.kept) < self.most:
            self.kept += data[: self.most - len(self.kept)]
        return bool(data)

    def rest(self) -> bytes:
        """All that is kept, once no process is left that could write."""
        while not self.over and self.take():
            pass
        os.close(self.reader)
        return bytes(self.kept)


class Case:
    """The processes of one case, and their descriptors."""

    def __init__(self) -> None:
        self.fds: list[int] = []
        self.processes: list[dict[str, Any]] = []
        self.outputs: list[dict[str, Output]] = []

    def add(
        self,
        role: str,
        uid: int,
        stdin: bytes,
        payload: bytes,
        limit: int,
        extra: tuple[int, ...] = (),
    ) -> None:
        """A process with its own streams; `extra` descriptors come after them."""
        outputs = {
            "out": Output(limit, strict=True)
            if role in ("stdin", "run", "execute")
            else Output(EXCERPT),
            "err": Output(TAIL, last=True),
            "results": Output(limit, strict=True),
        }
        mine = [
            filled(stdin),
            outputs["out"].writer,
            outputs["err"].writer,
            filled(payload),
            outputs["results"].writer,
            *extra,
        ]
        self.processes.append(
            {"role": role, "uid": uid, "fds": list(range(len(self.fds), len(self.fds) + len(mine)))}
        )
        self.outputs.append(outputs)
        self.fds += mine

    def readers(self) -> dict[int, Output]:
        """All outputs, by the descriptor that they are read from."""
        return {output.reader: output for outputs in self.outputs for output in outputs.values()}

    def close_ours(self) -> None:
        """Close what the processes have now.

        What is still open here would keep one of them from seeing that another one ended.
        """
        for fd in self.fds:
            os.close(fd)
        self.fds.clear()
