"""An engine for the tests: the one that is there, else one of our own in a temporary folder."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import DockerException

FLAGS = ["--iptables=false", "--ip6tables=false", "--bridge=none", "--userland-proxy=false"]
MISSING = (
    "these tests need a Docker engine, and fail without one: set DOCKER_HOST, or start one, or be"
    " root with `dockerd` installed (apt-get install -y --no-install-recommends docker.io)"
)


def answers(host=None):
    """Whether an engine is there."""
    try:
        client = docker.DockerClient(base_url=host) if host else docker.from_env()
        client.ping()
    except DockerException:
        return False
    return True


def engine_folder():
    """A folder for an engine with a path as short as a socket's must be: those of pytest are too
    long."""
    return tempfile.TemporaryDirectory(prefix="selftrain-engine-", ignore_cleanup_errors=True)


@contextmanager
def own_engine(folder):
    """A dockerd that shares nothing with any other; ended by SIGTERM and its pid."""
    folder = Path(folder)
    host = f"unix://{folder}/docker.sock"
    places = [
        f"--data-root={folder}/data",
        f"--exec-root={folder}/exec",
        f"--pidfile={folder}/pid",
        f"--host={host}",
    ]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            ["dockerd", *FLAGS, *places], stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 30
        while not answers(host):
            waiting = process.poll() is None and time.monotonic() < deadline
            assert waiting, f"dockerd did not start: {(folder / 'log').read_text()[-2000:]}"
            time.sleep(0.1)
        yield host, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        for mount in [
            line.split()[1]
            for line in Path("/proc/mounts").read_text().splitlines()
            if f" {folder}/" in line
        ]:
            subprocess.run(["umount", mount], check=False)


@contextmanager
def some_engine(folder):
    """The host of the engine to test with; None stands for the default socket."""
    if os.environ.get("DOCKER_HOST"):
        assert answers(), f"DOCKER_HOST is {os.environ['DOCKER_HOST']}, but no engine answers there"
        yield os.environ["DOCKER_HOST"]
    elif answers():
        yield None
    else:
        possible = shutil.which("dockerd") is not None and os.geteuid() == 0
        assert possible, MISSING
        with own_engine(folder) as (host, _):
            yield host
