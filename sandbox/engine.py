"""One engine: reaching it, locked-down containers on it, and what an earlier run left there."""

from __future__ import annotations

import json
import os
import random
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from sandbox.errors import EngineError, SandboxError
from sandbox.image import seccomp
from sandbox.languages import LANGUAGES
from sandbox.limits import REQUEST_BYTES, ContainerLimits, Limits

LABEL = "selftrain.sandbox"
OWNER = "selftrain.sandbox.owner"
SLOT = "selftrain.sandbox.slot"
# from 10,000 on they stay below 65,536, which is all that a user namespace may map
UIDS_PER_CONTAINER, SLOTS = 100, 550
TMPFS = "rw,noexec,nosuid,nodev,mode=1777"
SEMAPHORE_BYTES, SEMAPHORES = 1 << 20, 64  # size and inodes of /dev/shm


@dataclass(frozen=True)
class EngineSettings:
    """Which engine, what is in the image, and how containers are made of it."""

    host: str | None = None
    """As in DOCKER_HOST; None: what DOCKER_HOST says, else the default socket."""
    base: str = "auto"
    """Base image: a name; `local`, one made from this Python; `auto`: python:3.12-slim if it can
    be had and no other language is asked for, else `local`."""
    packages: tuple[str, ...] = ()
    """Requirements as pip knows them, which programs can import: `numpy`, `sympy==1.13`."""
    wheels: str | None = None
    """Folder of wheels that packages are taken from, and from nowhere else; None: from where
    this machine's pip looks."""
    languages: tuple[str, ...] = ()
    """Of programs, besides Python: names in `languages.LANGUAGES`. A local base gets this
    machine's compilers; another has to have them."""
    runtime: str | None = None
    """OCI runtime, for instance `runsc`; None: the engine's default."""
    userns: str | None = None
    """`host` turns user namespaces off on an engine that remaps; None: as the engine is set up."""
    container: ContainerLimits = field(default_factory=ContainerLimits)

    def __post_init__(self) -> None:
        if unknown := set(self.languages) - set(LANGUAGES):
            raise SandboxError(
                f'there is no language "{min(unknown)}"; there are {", ".join(LANGUAGES)}, and'
                " Python always"
            )


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Whatever the SDK or the line to the engine raises, as EngineError."""
    import docker.errors
    import requests

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise EngineError(f"{doing}: {error}") from error


def connect(host: str | None = None) -> Any:
    """A client of the engine, which has answered. EngineError says what to do if there is none."""
    import docker
    import docker.errors
    import requests

    place = host or os.environ.get("DOCKER_HOST") or "the default socket"
    try:
        client = (
            docker.DockerClient(base_url=host, timeout=60) if host else docker.from_env(timeout=60)
        )
        client.ping()
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise EngineError(
            f"no Docker engine answers at {place}; set DOCKER_HOST to one, or install and start one"
            " (`apt-get install docker.io`, then `dockerd`, as root); programs are never run"
            " without one"
        ) from error
    return client


def process_start(pid: int) -> str:
    """When a process of this machine started, in the kernel's ticks; empty if there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def owner() -> str:
    """This process, told apart from a later one with the same number."""
    return f"{socket.gethostname()}:{os.getpid()}:{process_start(os.getpid())}"


def sweep(client: Any) -> int:
    """Remove containers whose owner was a process of this machine that is gone.

    Others' are left alone. How many it were.
    """
    removed = 0
    with engine_errors("containers cannot be listed"):
        for container in client.containers.list(
            all=True, filters={"label": LABEL}, ignore_removed=True
        ):
            machine, _, rest = container.labels.get(OWNER, "").partition(":")
            pid, _, started = rest.partition(":")
            if (
                machine == socket.gethostname()
                and pid.isdigit()
                and process_start(int(pid)) != started
            ):
                with suppress(Exception):
                    container.remove(force=True)
                    removed += 1
    return removed


def free_slots(client: Any, count: int) -> list[int]:
    """Ranges of uids that no container of this engine has.

    The kernel counts a uid's processes over all containers. The first range is drawn at random, so
    that pools that open at the same moment are unlikely to meet.

    Raises:
        EngineError: There are not enough.
    """
    with engine_errors("containers cannot be listed"):
        running = client.containers.list(filters={"label": LABEL}, ignore_removed=True)
    taken = {container.labels.get(SLOT) for container in running}
    first = random.randrange(SLOTS)
    free = [slot for n in range(SLOTS) if str(slot := (first + n) % SLOTS) not in taken]
    if len(free) < count:
        raise EngineError(
            f"{count} more containers are too many for an engine that has {len(taken)} of {SLOTS};"
            " set fewer workers"
        )
    return free[:count]


def host_config(client: Any, settings: EngineSettings) -> Any:
    """Every control that the engine applies. The self-test proves each from inside."""
    import docker.types

    limits = settings.container
    return client.api.create_host_config(
        network_mode="none",
        ipc_mode="none",
        read_only=True,
        auto_remove=True,
        cap_drop=["ALL"],
        cap_add=["SETUID", "SETGID"],
        security_opt=["no-new-privileges", f"seccomp={seccomp()}"],
        mem_limit=limits.memory_bytes,
        memswap_limit=limits.memory_bytes,
        pids_limit=limits.processes,
        nano_cpus=int(limits.cpus * 1e9),
        tmpfs={
            "/tmp": f"{TMPFS},size={limits.scratch_bytes},nr_inodes={limits.scratch_files}",
            # without it `multiprocessing` has no locks
            "/dev/shm": f"{TMPFS},size={SEMAPHORE_BYTES},nr_inodes={SEMAPHORES}",
        },
        ulimits=[
            docker.types.Ulimit(name="nofile", soft=limits.open_files, hard=limits.open_files),
            docker.types.Ulimit(name="core", soft=0, hard=0),
        ],
        log_config=docker.types.LogConfig(type="none"),
        runtime=settings.runtime,
        userns_mode=settings.userns,
    )


class Line:
    """JSON lines to and from one container, over the engine's attach."""

    def __init__(self, client: Any, image: str, settings: EngineSettings, slot: int) -> None:
        self.client = client
        self.frames = bytearray()
        self.buffer = bytearray()
        self.error_text = bytearray()
        self.id = ""
        config = {
            "slot": slot,
            "uids": UIDS_PER_CONTAINER,
            "cpus": settings.container.cpus,
            "unowned": settings.container.unowned_bytes,
            "limits": Limits().wire(),
            "longest": REQUEST_BYTES,
        }
        with engine_errors("a container cannot be started"):
            created = client.api.create_container(
                image,
                command=[json.dumps(config)],
                stdin_open=True,
                # sets StdinOnce: when this process dies, the runner sees the end of its input and
                # leaves
                detach=False,
                labels={LABEL: "worker", OWNER: owner(), SLOT: str(slot)},
                host_config=host_config(client, settings),
                working_dir="/",
            )
            self.id = created["Id"]
            try:
                attached = client.api.attach_socket(
                    self.id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
                )
                self.attached = attached
                self.socket = getattr(attached, "_sock", attached)
                client.api.start(self.id)
            except BaseException:
                self.remove()
                raise

    def write(self, data: bytes, seconds: float) -> None:
        """Send it all. EOFError or OSError if the container is gone or does not read."""
        self.socket.settimeout(seconds)
        if type(self.socket) is not socket.socket:  # TLS or ssh
            self.socket.sendall(data)
            return
        poll, rest, deadline = select.poll(), memoryview(data), time.monotonic() + seconds
        poll.register(self.socket, select.POLLOUT | select.POLLRDHUP)
        while rest:
            events = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not events:
                raise TimeoutError
            # the engine hangs up on one side only when a container ends, and reads no more
            if events[0][1] != select.POLLOUT:
                raise EOFError
            rest = rest[self.socket.send(rest) :]

    def read(self, seconds: float) -> dict[str, Any]:
        """The next record.

        EOFError if the container is gone, TimeoutError after `seconds` of silence, ValueError if it
        is no record.
        """
        self.socket.settimeout(seconds)
        scanned = 0
        while (end := self.buffer.find(b"\n", scanned)) < 0:
            scanned = len(self.buffer)
            self._receive()
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 1]
        record = json.loads(line)
        if type(record) is not dict:
            raise ValueError("the runner sent something else than a record")
        return record

    def _receive(self) -> None:
        """Read once, and parse the engine's frames: stream (2 is standard error), length, bytes."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise EOFError
        self.frames += part
        while len(self.frames) >= 8 and len(self.frames) >= 8 + (
            size := int.from_bytes(self.frames[4:8], "big")
        ):
            (self.error_text if self.frames[0] == 2 else self.buffer).extend(
                self.frames[8 : 8 + size]
            )
            del self.frames[: 8 + size]
            del self.error_text[:-4000]

    def hang_up(self) -> None:
        """From another thread: end a read or write that is going on.

        The runner sees the end of its input and leaves.
        """
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except Exception:  # a transport without it, or closed by now
            self.remove()

    def remove(self) -> None:
        """End the container; the engine deletes it."""
        for name in ("socket", "attached"):
            with suppress(Exception):
                getattr(self, name).close()
        with suppress(Exception):
            self.client.api.remove_container(self.id, force=True)
