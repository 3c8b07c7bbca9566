"""A trainer killed between steps, before and after its states and its publication goes on in the same order, bit for bit."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest

from selftrain_assets.models.loading import weights_digest
from selftrain_assets.store import Store
from tests.faults.harness import Driver
from tests.lab import SETTINGS

TRAINER = SETTINGS["trainer"] | {"steps": 6, "execution": {"device": "cpu", "save_steps": 2}}


@pytest.fixture(scope="module")
def trainer():
    process = Driver("train")
    yield process
    process.close()


@pytest.fixture
def untrained(undisturbed, tmp_path):
    """Returns a function that copies an experiment which has its dataset."""
    return lambda name: with_dataset(undisturbed, tmp_path / name)


def with_dataset(undisturbed: Path, folder: Path) -> Path:
    shutil.copytree(undisturbed, folder)
    settings = json.loads((folder / "settings.json").read_text())
    (folder / "settings.json").write_text(json.dumps(settings | {"trainer": TRAINER}))
    return folder


def trained(folder: Path) -> tuple:
    """What a training comes to: weights, losses and counts."""
    store = Store(folder / "runs")
    manifest = store.manifest("lab", "iter-001", "checkpoint")
    assert manifest
    [weights] = (folder / "runs" / "checkpoints").iterdir()
    assert not list((folder / "runs" / "scratch").glob("*/*/*"))
    return weights_digest(weights), manifest.metrics["losses"], manifest.counts, manifest.tokens, manifest.key


@pytest.fixture(scope="module")
def whole(trainer, undisturbed, tmp_path_factory):
    folder = with_dataset(undisturbed, tmp_path_factory.mktemp("whole") / "trained")
    done = trainer.finish(folder, ["checkpoint"])
    assert done["steps"] == list(range(7))
    return trained(folder), done["seconds"]


@pytest.mark.parametrize(
    ("point", "steps"),
    [
        ("after-optimizer-step:1", [0, 1, 2, 3, 4, 5, 6]),
        ("after-optimizer-step:3", [2, 3, 4, 5, 6]),
        ("after-optimizer-step:5", [4, 5, 6]),
        ("after-trainer-state:2", [4, 5, 6]),
        ("before-checkpoint-publication", [6]),
        ("after-checkpoint-publication", []),
    ],
)
def test_a_killed_training_goes_on_from_its_last_state(trainer, untrained, whole, point, steps):
    folder = untrained("killed")
    assert trainer.run(folder, ["checkpoint"], crash_at=point)["killed"]
    assert trainer.finish(folder, ["checkpoint"])["steps"] == steps
    assert trained(folder) == whole[0]


def test_a_clock_that_is_set_back_costs_no_state(trainer, untrained, whole):
    """The state saved last is the oldest by its time."""
    folder = untrained("clock")
    assert trainer.run(folder, ["checkpoint"], crash_at="after-trainer-state")["killed"]
    for path in (folder / "runs" / "scratch").glob("*/resume/checkpoint-2"):
        os.utime(path, (4e9, 4e9))
    assert trainer.run(folder, ["checkpoint"], crash_at="after-optimizer-step:3")["killed"]
    assert trainer.finish(folder, ["checkpoint"])["steps"] == [4, 5, 6]
    assert trained(folder) == whole[0]


def test_a_torn_state_is_not_resumed_from(trainer, untrained, whole):
    folder = untrained("torn")
    assert trainer.run(folder, ["checkpoint"], crash_at="after-trainer-state:2")["killed"]
    [state] = (folder / "runs" / "scratch").glob("*/resume/checkpoint-4/trainer_state.json")
    state.write_text(state.read_text()[:50])
    assert trainer.finish(folder, ["checkpoint"])["steps"] == [2, 3, 4, 5, 6]
    assert trained(folder) == whole[0]


@pytest.mark.kills
def test_many_kills_of_training(trainer, untrained, whole, request):
    seed = request.config.getoption("kill_seed")
    seed = random.randrange(10**6) if seed is None else seed
    print(f"replay with --kill-seed {seed}")
    chance, made, number = random.Random(seed), 0, 0
    while made < request.config.getoption("kills"):
        number += 1
        folder = untrained(f"random-{number}")
        while trainer.run(folder, ["checkpoint"], kill_after=chance.uniform(0, whole[1]))["killed"]:
            made += 1
        trainer.finish(folder, ["checkpoint"])
        assert trained(folder) == whole[0]
        shutil.rmtree(folder)
