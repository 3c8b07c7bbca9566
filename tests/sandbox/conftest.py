"""A pool of one container on a real engine, for the whole session. Nothing here is ever skipped."""

import pytest

from sandbox import Limits, Pool, PoolSettings, RunTask

# CPU time decides; a busy machine must not run into the wall limit
QUICK = Limits(cpu_seconds=1, wall_seconds=6)
LOOK = """
import os
found = [[os.path.join(place, name) for name in os.listdir(place)] for place in ("/tmp", "/dev/mqueue", "/dev/shm") if os.path.isdir(place)]
sum(found, []), [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid(), os.getppid())]
"""  # noqa: E501


@pytest.fixture(scope="session")
def pool(docker_engine):
    """One worker, so that a program and the one after it meet in the same container."""
    with Pool(PoolSettings(workers=1, engines=(docker_engine,))) as opened:
        yield opened


@pytest.fixture
def nothing_left(pool):
    """After the test: no process, file or queue is left, as the next program sees it."""
    yield
    verdict = pool.judge(RunTask(LOOK, limits=QUICK))
    assert verdict.outcome == "pass", verdict
    assert verdict.value == ([], []), verdict
