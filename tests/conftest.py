"""Fixtures that several test files share; no test reaches the network."""

import gc
import json
import os
import shutil
from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import settings

from sandbox import EngineSettings
from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.models.loading import ModelRef, resolve_model
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import Run
from selftrain_assets.store import Store
from selftrain_assets.tasks import WordProblems
from selftrain_assets.verifiers import SandboxSettings
from tests import lab
from tests.sandbox.engine_process import engine_folder, some_engine

# Read by huggingface_hub and tokenizers when they are imported, which nothing above does.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# several test processes share the cores; threads that wait for each other lose them
os.environ.setdefault("OMP_NUM_THREADS", "1")

# What is written need not survive the machine: no test cuts its power. Tests of what happens where
# a flush fails put their own in this place.
os.fsync = lambda _: None

# a busy machine is no failure
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=400)
settings.load_profile("quick")  # or another one by --hypothesis-profile


def pytest_addoption(parser):
    parser.addoption(
        "--kills",
        type=int,
        default=0,
        help="random kills per stage (tests/faults); 0 leaves those tests out",
    )
    parser.addoption("--kill-seed", type=int, default=None, help="replay the kills of this seed")


# -- tiers -----------------------------------------------------------------------------------------

UNIT = (
    "tests/config/",
    "tests/domain/",
    "tests/recipes/",
    "tests/reports/",
    "tests/runtime/",
    "tests/store/",
    "tests/tasks/",
    "tests/test_architecture.py",
    "tests/verifiers/",
)
"""Where tests are of functions and settings. Elsewhere they are of stages, models and commands."""

SYSTEM = (
    "tests/cli/",
    "tests/dagster_layer/test_daemon.py",
    "tests/engines/test_vllm",
    "tests/faults/",
    "tests/installed/",
    "tests/sandbox/",
    "tests/ui/",
)
"""Where tests are of whole programs: containers, servers, daemons, a browser, killed processes."""

SYSTEM_FIXTURES = {"docker_host"}
INTEGRATION_FIXTURES = {"arm", "embedded", "opened", "small_heap"}


def tier(path: str, fixtures: Collection[str]) -> str:
    """The marker of a test: by its folder, or more if one of its fixtures is."""
    if path.startswith(SYSTEM) or SYSTEM_FIXTURES.intersection(fixtures):
        return "system"
    if path.startswith(UNIT) and INTEGRATION_FIXTURES.isdisjoint(fixtures):
        return "unit"
    return "integration"


def pytest_ignore_collect(collection_path, config):
    """With `-m unit`: other folders are not imported, nor their conftest.py, which takes longer
    than the tests."""
    if config.option.markexpr == "unit" and config.rootpath / "tests" in collection_path.parents:
        path = collection_path.relative_to(config.rootpath).as_posix()
        return not (path + "/" * collection_path.is_dir()).startswith(UNIT) or None
    return None


LONGEST = (
    "tests/ui/",
    "tests/engines/test_vllm",
    "tests/cli/",
    "tests/test_keys.py",
    "tests/test_settings_in_keys.py",
)
"""Begun first: with several processes, what begins last and lasts long keeps the others waiting."""

SHARES_NOTHING = ("tests/test_keys.py",)
"""Whose tests need not stay together."""


@pytest.hookimpl(tryfirst=True)  # before -m selects by the markers
def pytest_collection_modifyitems(config, items):
    long = [
        item for item in items if item.get_closest_marker("kills") and not config.getoption("kills")
    ]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]
    for item in items:
        item.add_marker(tier(item.nodeid, item.fixturenames))
        if "docker_host" in item.fixturenames:
            # a kernel counts a user's processes over all engines: one process has these tests
            item.add_marker(pytest.mark.xdist_group("engine"))
    items.sort(
        key=lambda item: (
            item.get_closest_marker("xdist_group") is None and not item.nodeid.startswith(LONGEST)
        )
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With `-n`: the tests of a group, else of a file, share fixtures and stay together, in their
    order."""
    from xdist.scheduler import LoadGroupScheduling

    class ByFile(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            scope = super()._split_scope(nodeid)
            return scope if scope.startswith(SHARES_NOTHING) else scope.partition("::")[0]

    return ByFile(config, log)


@pytest.fixture(scope="session")
def embedded() -> ModelRef:
    """The model that ships with the package; nothing is loaded yet."""
    return resolve_model("embedded")


@pytest.fixture(scope="session")
def word_problems():
    """A few problems of every split."""
    return WordProblems(train=6, human=3, validation=2, test=4, transfer=2).load()


@pytest.fixture(scope="session")
def docker_host():
    """A real Docker engine, as in DOCKER_HOST: the one that is there, else one that is started
    for the tests."""
    with engine_folder() as folder, some_engine(folder) as host:
        yield host


@pytest.fixture(scope="session")
def docker_engine(docker_host):
    """Settings of a pool for it, with the base made from this Python."""
    return EngineSettings(host=docker_host, base="local")


@pytest.fixture(scope="session")
def programs(docker_host):
    """Sandbox settings of an experiment, on that engine; one container is enough."""
    return SandboxSettings(hosts=(docker_host,) if docker_host else (), workers=1, base="local")


@pytest.fixture
def store(tmp_path) -> Store:
    """An empty store."""
    return Store(tmp_path / "runs")


@pytest.fixture
def opened(tmp_path, store):
    """Returns a function that opens a small experiment on that store; changes are top-level
    settings."""

    def open_run(name: str = "lab", **changes) -> Run:
        return Run(
            name, parse_experiment(lab.write_experiment(tmp_path, name, **changes), name), store
        )

    return open_run


@pytest.fixture(scope="session")
def finished_stores(tmp_path_factory):
    """Returns a function that gives a folder with the store of an experiment whose first rounds
    are done; what it gave before it gives again, so nobody writes to it."""
    made: dict[str, Path] = {}

    def finished_store(name: str, iterations: int, changes: dict) -> Path:
        key = json.dumps([name, iterations, changes], sort_keys=True)
        if key not in made:
            folder = tmp_path_factory.mktemp("finished")
            config = parse_experiment(lab.write_experiment(folder, name, **changes), name)
            run_rounds(Run(name, config, Store(folder / "runs")), range(1, iterations + 1))
            made[key] = folder / "runs"
        return made[key]

    return finished_store


@pytest.fixture
def finished(opened, store, finished_stores):
    """Returns a function that opens an experiment like `opened`, its first rounds done already.

    It is the first one in its store, which is the test's own copy of one made once.
    """

    def open_finished(name: str = "lab", iterations: int = 1, **changes) -> Run:
        shutil.copytree(finished_stores(name, iterations, changes), store.root)
        return opened(name, **changes)

    return open_finished


@pytest.fixture(scope="session")
def small_heap():
    """Every training collects garbage; what the imports have made need not be looked through
    each time."""
    from selftrain_assets.trainers import sft_loop  # noqa: F401

    gc.freeze()
    yield
    gc.unfreeze()
