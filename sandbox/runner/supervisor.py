"""Process 1 of the container: reads jobs, has the zygote fork their cases, cleans up, reports.

It is root with the capabilities SETUID and SETGID alone. It judges nothing and knows no expected
value. Lines in: {"id", "mode", "limits", "source", ...} or {"stop": id}. With "language": the
commands of another one than Python. Lines out: a hello; {"id", "compiled": true} where that has
been done; per case {"id", "case", "end": bool, "clean": bool, ...}, `end` with the last one; {"id",
"end": true, "clean": bool} after a stop. Unclean means: throw me away.
"""

from __future__ import annotations

import fcntl
import json
import marshal
import os
import platform
import select
import signal
import socket
import sys
import time
from typing import Any, Literal, NoReturn

from sandbox.runner import housekeeping, preload, zygote
from sandbox.runner.accounts import SLACK, Accounts
from sandbox.runner.streams import F_ADD_SEALS, MFD, SEALS, Case, Output

QUICK = 5
"""Milliseconds in which most cases end, with less output than a pipe holds: it is read then, at
once."""
FASTEST = 4e9  # bytes of memory a second that a program may come to use


def die(why: str) -> NoReturn:
    """Leave: with process 1 the kernel ends every other process of the container."""
    os.write(2, (why + "\n").encode(errors="replace"))
    os._exit(70)


class Lines:
    """Job lines from descriptor 0."""

    def __init__(self, longest: int) -> None:
        self.buffer = bytearray()
        self.longest = longest

    def fill(self) -> None:
        """Read once; the end of the input is the end of this container."""
        data = os.read(0, 1 << 16)
        if not data or len(self.buffer) + len(data) > self.longest + (1 << 16):
            os._exit(0)
        self.buffer += data

    def next(self) -> Any:
        """The next line's record, None if it is no JSON. Waits."""
        scanned = 0
        while (end := self.buffer.find(b"\n", scanned)) < 0:
            scanned = len(self.buffer)
            self.fill()
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 1]
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            return None

    def stopped(self) -> bool:
        """Whether a line waits. While a job runs that can only be the wish to stop it."""
        while select.select([0], [], [], 0)[0] and b"\n" not in self.buffer:
            self.fill()
        return b"\n" in self.buffer


def emit(record: dict[str, Any]) -> None:
    """Write one line to descriptor 1."""
    data = memoryview((json.dumps(record) + "\n").encode())
    while data:
        data = data[os.write(1, data) :]


class Supervisor:
    """Runs jobs one after another."""

    def __init__(
        self,
        config: dict[str, Any],
        uids: range,
        control: socket.socket,
        zygote_pid: int,
        lines: Lines,
    ) -> None:
        self.cpus, self.unowned = float(config["cpus"]), int(config["unowned"])
        self.control = control
        self.zygote_pid = zygote_pid
        self.lines = lines
        self.accounts = Accounts(zygote_pid)
        self.first_uid, self.nobody = uids[0], uids[-1]
        self.uids = len(uids) - 1
        # should another container have the same range: not in step with it
        self.count = int.from_bytes(os.urandom(2), "big") % self.uids
        self.poll = self.listening()

    def listening(self, *readers: int) -> select.poll:
        """For what the zygote, the host, and outputs of a case have to say."""
        poll = select.poll()
        for fd in (self.control.fileno(), 0, *readers):
            poll.register(fd, select.POLLIN)
        return poll

    def uid(self) -> int:
        """A uid that no recent case had."""
        self.count = (self.count + 1) % self.uids
        return self.first_uid + self.count

    def job(self, job: dict[str, Any]) -> None:
        """Run all cases of one program, compiled first if it is not in Python."""
        housekeeping.touch()
        language = job.get("language")
        if language is None:
            self.cases(job)
        elif (binary := self.compile(job, language)) is not None:
            self.cases(job, binary)
            os.close(binary)

    def cases(self, job: dict[str, Any], binary: int | None = None) -> None:
        """All cases of one program, which is `binary` if it has been compiled."""
        mode = job["mode"]
        source = {"source": job["source"]}
        limit = int(job["limits"]["output_bytes"])
        inputs = job["inputs"] if mode in ("stdin", "run") else [""]
        for index, text in enumerate(inputs):
            case = Case()
            if binary is not None:
                payload = marshal.dumps(source | job["language"])
                case.add(
                    "execute",
                    self.uid(),
                    text.encode("utf-8", "surrogateescape"),
                    payload,
                    limit,
                    (os.dup(binary),),
                )
            elif mode == "rpc":
                left, right = (end.detach() for end in socket.socketpair())
                tests = {name: job[name] for name in ("tests", "context", "entry", "all_cases")}
                case.add("tester", self.uid(), b"", marshal.dumps(tests), limit, (left,))
                case.add(
                    "candidate",
                    self.uid(),
                    b"",
                    marshal.dumps(source | {"entry": job["entry"]}),
                    limit,
                    (right,),
                )
            else:
                more = {name: job[name] for name in ("entry", "calls")} if mode == "func" else {}
                case.add(
                    mode,
                    self.uid(),
                    text.encode("utf-8", "surrogateescape"),
                    marshal.dumps(source | more),
                    limit,
                )
            report, clean = self.case(case, job["limits"])
            if report is None:
                emit({"id": job["id"], "end": True, "clean": clean})
                return
            last = index + 1 == len(inputs) or not clean
            emit({"id": job["id"], "case": index, "end": last, "clean": clean} | report)
            if last:
                return
            if self.lines.stopped():
                break
        emit({"id": job["id"], "end": True, "clean": True})

    def compile(self, job: dict[str, Any], language: dict[str, Any]) -> int | None:
        """Compile a program.

        Returns:
            A descriptor of the program as its cases run it, which nobody can write to; None where
            there is none, and the job has ended.
        """
        written = os.memfd_create("program", MFD)
        case = Case()
        payload = marshal.dumps({"source": job["source"]} | language)
        case.add(
            "compile",
            self.uid(),
            b"",
            payload,
            int(language["limits"]["output_bytes"]),
            (os.dup(written),),
        )
        report, clean = self.case(case, language["limits"])
        good = (
            report is not None
            and report["program"]["exit"] == 0
            and not report["late"]
            and not report["over"]
        )
        if good and clean:
            fcntl.fcntl(written, F_ADD_SEALS, SEALS)
            # a file that is open for writing cannot be run
            binary = os.open(f"/proc/self/fd/{written}", os.O_RDONLY | os.O_CLOEXEC)
            os.close(written)
            emit({"id": job["id"], "compiled": True})
            return binary
        os.close(written)
        failure = {} if good or report is None else {"case": 0, "compiling": True} | report
        emit({"id": job["id"], "end": True, "clean": clean} | failure)
        return None

    def case(self, case: Case, limits: dict[str, Any]) -> tuple[dict[str, Any] | None, bool]:
        """Run one case to its end, and clean up after it.

        Outputs are read when nothing is left that could write.

        Returns:
            The report, None where the host said stop before; and whether the container is clean.
        """
        uids = [process["uid"] for process in case.processes]
        message = {"processes": case.processes, "limits": limits}
        before = self.accounts.cpu()
        socket.send_fds(self.control, [marshal.dumps(message)], case.fds)
        case.close_ours()
        state = self.wait(
            case, float(limits["wall_seconds"]), len(uids) * float(limits["cpu_seconds"]), before
        )
        ended = [self.receive()] if state == "ended" else []
        # told to stop at once, the zygote may yet have to fork them
        while len(ended) < len(case.processes):
            self.kill(uids)
            if select.select([self.control], [], [], 0.01)[0]:
                ended.append(self.receive())
        self.kill(uids)
        ended[-1]["cpu"] += self.accounts.unwaited(before, sum(end["cpu"] for end in ended))
        clean = housekeeping.clean(uids, self.nobody)
        report = self.report(case, ended) | {"late": state == "late"}
        return (None if state == "stopped" else report), clean

    def kill(self, uids: list[int]) -> None:
        """End all there is of these users."""
        if not housekeeping.kill_all(uids, self.nobody, self.zygote_pid):
            die("a process cannot be killed")

    def report(self, case: Case, ended: list[dict[str, Any]]) -> dict[str, Any]:
        """Facts alone.

        `program` is the untrusted process, `tester` the trusted one where there is one.
        """
        texts = [
            {name: output.rest().decode("utf-8", "replace") for name, output in outputs.items()}
            for outputs in case.outputs
        ]
        record = {
            "program": ended[-1],
            "over": any(output.over for output in case.outputs[-1].values()),
        } | texts[-1]
        if len(texts) > 1:
            record |= {
                "tester": ended[0],
                "verdict": texts[0]["results"],
                "out": texts[-1]["out"] + texts[0]["out"],
            }
        return record

    def wait(
        self, case: Case, seconds: float, cpu: float, before: float
    ) -> Literal["ended", "stopped", "late", "spent"]:
        """Wait for the end of a case, and read its outputs meanwhile.

        Returns:
            "ended" when the zygote reports it, "stopped" when the host says stop, "late" after
            `seconds`, "spent" when the accounts show more than `cpu` seconds since `before`, or too
            much memory that no process owns.
        """
        began = time.monotonic()
        # sooner it cannot have used that much
        look = began + min(cpu / self.cpus, self.unowned / FASTEST)
        readers: dict[int, Output] = {}
        poll = self.poll
        while (now := time.monotonic()) < began + seconds:
            if now >= look:
                spare = before + cpu + SLACK - self.accounts.cpu()
                room = self.unowned - self.accounts.unowned()
                if spare < 0 or room < 0:
                    return "spent"
                look = now + max(min(spare / self.cpus, room / FASTEST), 0.01)
            left = 1 + int((min(look, began + seconds) - now) * 1000)
            events = poll.poll(left if readers else min(left, QUICK))
            if not events and not readers:
                readers = case.readers()
                poll = self.listening(*readers)
            for fd, event in events:
                if fd in readers:
                    if not readers[fd].take():
                        poll.unregister(fd)
                    elif readers[fd].over:
                        return "spent"
                elif fd != 0:
                    return "ended"
                elif event & select.POLLIN and self.lines.stopped():
                    return "stopped"
                elif event & (select.POLLHUP | select.POLLERR):
                    os._exit(0)
        return "late"

    def receive(self) -> dict[str, Any]:
        """One message of the zygote's."""
        data = self.control.recv(65536)
        if not data:
            die("the zygote is gone")
        record: dict[str, Any] = marshal.loads(data)
        if "failed" in record:
            die(f"a case cannot be set up: {record['failed']}")
        return record


def own_uids(slot: int, count: int) -> range:
    """Uids that nobody on the host has.

    The kernel counts the processes of a user over the whole machine. 2,100,000,000 and on is above
    what directories and containers are usually given, and below 2^31. A user namespace maps fewer,
    and whatever it maps is its own.
    """
    with open("/proc/self/uid_map") as file:
        mapped = [(int(first), int(length)) for first, _, length in map(str.split, file)]
    for lowest in (2_100_000_000, 10_000):
        uids = range(lowest + slot * count, lowest + (slot + 1) * count)
        if any(first <= uids[0] and uids[-1] < first + length for first, length in mapped):
            return uids
    die(f"no uids to give to programs are mapped here: {mapped}")


def main() -> zygote.Role:
    """Fork the zygote before the first job is read, then serve.

    Returns in the process of a case alone: with what it has to do.
    """
    config = json.loads(sys.argv[1])
    uids = own_uids(config["slot"], config["uids"])
    refused = housekeeping.refused_rlimits(config["limits"])
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)  # the job channel must not be within reach of a program
        return zygote.serve(theirs.detach(), refused)
    theirs.close()
    # orphans end up here and are reaped by the kernel
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # process 1 ignores it otherwise, and an engine waits ten seconds to stop
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    lines = Lines(config["longest"])
    supervisor = Supervisor(config, uids, ours, pid, lines)
    ready = supervisor.receive() | {
        "python": platform.python_version(),
        "packages": preload.listing()["versions"],
        "refused": refused,
    }
    emit({"hello": 1} | ready)
    while True:
        job = lines.next()
        if type(job) is dict and "mode" in job:
            supervisor.job(job)
        elif type(job) is not dict or "stop" not in job:
            emit({"error": "not a job"})
