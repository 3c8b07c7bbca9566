"""A trainer killed between steps, in the middle of its states, and around its publication goes
on in the same order, bit for bit."""

import json
import os
import random
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from selftrain_assets.models.digests import weights_digest
from selftrain_assets.store import Store
from tests.faults.harness import Driver, audit
from tests.lab import SFT

TRAINER = SFT | {"steps": 6, "execution": {"device": "cpu", "save_steps": 2}}
ADAPTER = {"lora": {"r": 4, "dropout": 0.1}}
# bytes: half of model.safetensors or best-N.pt, two thirds of optimizer.pt
MODEL, OPTIMIZER = 1_000_000, 2_500_000
ADAPTER_MODEL, ADAPTER_OPTIMIZER = 60_000, 180_000


@dataclass(frozen=True)
class Variant:
    """A way to train, the score of each step on the validation split, and the steps that are
    made and kept."""

    settings: dict = field(default_factory=dict)
    rule: str = "none"
    scores: tuple[float, ...] = ()
    made: int = 6
    kept: int = 6

    def into(self, folder: Path) -> Path:
        settings = json.loads((folder / "settings.json").read_text())
        recipe = settings["recipe"] | {"early_stopping": {"rule": self.rule, "every": 1}}
        (folder / "settings.json").write_text(
            json.dumps(settings | {"trainer": TRAINER | self.settings, "recipe": recipe})
        )
        return folder


VARIANTS = {
    "full": Variant(),
    "adapter": Variant(ADAPTER),
    "best": Variant({}, "best", (0.1, 0.3, 0.5, 0.2, 0.4, 0.5), kept=3),
    "first drop": Variant({}, "first_drop", (0.1, 0.2, 0.2, 0.4, 0.3), made=5, kept=4),
    # the drop is in a saved state
    "adapter, first drop": Variant(ADAPTER, "first_drop", (0.1, 0.2, 0.4, 0.3), made=4, kept=3),
}


def dies_writing(limit: int, step: int) -> dict:
    """The kernel ends the process in the write that takes a file above the limit."""
    return {"file_limit": limit, "from_step": step, "deadly": True}


def dies_at(point: str) -> dict:
    return {"crash_at": point}


@pytest.fixture(scope="module")
def trainer():
    process = Driver("train")
    yield process
    process.close()


@pytest.fixture
def untrained(undisturbed, tmp_path):
    """Returns a function that copies an experiment which has its dataset."""
    return lambda name, variant="full": VARIANTS[variant].into(
        shutil.copytree(undisturbed, tmp_path / name)
    )


def trained(folder: Path) -> tuple:
    """What a training comes to: weights, losses and counts."""
    store = Store(folder / "runs")
    manifest = store.manifest("lab", "iter-001", "checkpoint")
    assert manifest
    [weights] = (folder / "runs" / "checkpoints").iterdir()
    assert not list((folder / "runs" / "scratch").glob("*/*/*"))
    logged = [step for step, _ in manifest.metrics["losses"]]
    assert logged == sorted(set(logged))
    return weights_digest(weights), manifest.metrics, manifest.counts, manifest.tokens, manifest.key


@pytest.fixture(scope="module")
def trained_whole(trainer, undisturbed, tmp_path_factory):
    """Returns a function that trains a variant undisturbed, once."""

    @cache
    def train(name: str):
        variant = VARIANTS[name]
        folder = variant.into(
            shutil.copytree(undisturbed, tmp_path_factory.mktemp("whole") / "trained")
        )
        done = trainer.finish(folder, ["checkpoint"], scores=variant.scores)
        assert done["steps"] == list(range(variant.made + 1))
        found = trained(folder)
        assert (found[2]["optimizer_steps"], found[2]["steps"]) == (variant.made, variant.kept)
        assert found[1].get("validation", []) == [
            [step, score] for step, score in enumerate(variant.scores, 1)
        ]
        return found, done["seconds"]

    return train


@pytest.fixture(scope="module")
def whole(trained_whole):
    return trained_whole("full")


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


@pytest.mark.parametrize(
    ("variant", "death", "steps"),
    [
        ("full", dies_writing(MODEL, 4), [2, 3, 4, 5, 6]),
        pytest.param(
            "adapter", dies_at("after-optimizer-step:3"), [2, 3, 4, 5, 6], marks=pytest.mark.kills
        ),
        pytest.param(
            "adapter",
            dies_writing(ADAPTER_MODEL, 2),
            [0, 1, 2, 3, 4, 5, 6],
            marks=pytest.mark.kills,
        ),
        ("adapter", dies_writing(ADAPTER_OPTIMIZER, 4), [2, 3, 4, 5, 6]),
        ("best", dies_at("after-optimizer-step:5"), [4, 5, 6]),
        ("best", dies_writing(MODEL, 3), [2, 3, 4, 5, 6]),  # in best-3.pt
        pytest.param("best", dies_writing(OPTIMIZER, 4), [2, 3, 4, 5, 6], marks=pytest.mark.kills),
        pytest.param(
            "first drop", dies_at("after-optimizer-step:5"), [4, 5], marks=pytest.mark.kills
        ),
        pytest.param(
            "first drop", dies_at("before-checkpoint-publication"), [4, 5], marks=pytest.mark.kills
        ),
        ("adapter, first drop", dies_writing(ADAPTER_MODEL, 4), [2, 3, 4]),
        ("adapter, first drop", dies_at("after-trainer-state:2"), [4]),
    ],
)
def test_whatever_is_trained_and_however_it_stops_it_goes_on_as_if_never_killed(
    trainer, untrained, trained_whole, variant, death, steps
):
    folder = untrained("killed", variant)
    assert trainer.run(folder, ["checkpoint"], scores=VARIANTS[variant].scores, **death)["killed"]
    assert not list((folder / "runs").glob("checkpoints/*"))
    assert trainer.finish(folder, ["checkpoint"], scores=VARIANTS[variant].scores)["steps"] == steps
    assert trained(folder) == trained_whole(variant)[0]


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


@pytest.fixture
def disk(tmp_path):
    """A disk of 32 MB; returns its folder, and a function that leaves so much room on it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert mounted.returncode == 0, f"a small disk takes root, and mount: {mounted.stderr}"

    def leave(room: int) -> None:
        with (folder / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, shutil.disk_usage(folder).free - room)

    yield folder, leave
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize(
    ("variant", "room", "why", "states", "steps"),
    [
        # in model.safetensors of the second state
        ("full", 6_500_000, "no space left on device", ["checkpoint-2"], [2, 3, 4, 5, 6]),
        # in its optimizer.pt
        (
            "full",
            8_500_000,
            "not all of it was taken, as by a full disk",
            ["checkpoint-2"],
            [2, 3, 4, 5, 6],
        ),
        pytest.param(
            "best",
            1_000_000,
            "not all of it was taken, as by a full disk",
            [],
            [0, 1, 2, 3, 4, 5, 6],
            marks=pytest.mark.kills,
        ),
    ],
)
def test_a_disk_that_fills_up_in_training_is_told_and_costs_no_state(
    trainer, undisturbed, disk, trained_whole, variant, room, why, states, steps
):
    folder = VARIANTS[variant].into(shutil.copytree(undisturbed, disk[0] / "trained"))
    disk[1](room)
    done = trainer.run(folder, ["checkpoint"], scores=VARIANTS[variant].scores)
    [resume] = (folder / "runs" / "scratch").glob("*/resume")
    advice = "what is committed is kept: free some space, about 5 MB, and run again to continue"
    assert done["error"] == f"InfraError: {resume} cannot be written: {why}; {advice}"
    assert [path.parent.name for path in resume.glob("checkpoint-*/trainer_state.json")] == states
    audit(folder, undisturbed)
    (disk[0] / "filler").unlink()
    assert trainer.finish(folder, ["checkpoint"], scores=VARIANTS[variant].scores)["steps"] == steps
    assert trained(folder) == trained_whole(variant)[0]
    audit(folder, undisturbed)


def test_weights_that_cannot_be_written_to_their_end_are_not_published(trainer, untrained, whole):
    """Refused by the kernel in safetensors' writer, after the last state."""
    folder = untrained("refused")
    error = trainer.run(folder, ["checkpoint"], file_limit=MODEL, from_step=5)["error"]
    assert re.fullmatch(
        r"InfraError: \S+/resume cannot be written: file too large; what is committed .* about 5"
        r" MB, .*",
        error,
    )
    assert trainer.run(folder, ["checkpoint"], crash_at="before-checkpoint-publication")["killed"]
    error = trainer.run(folder, ["checkpoint"], file_limit=MODEL)["error"]
    assert re.fullmatch(
        r"InfraError: \S+/output-\w+ cannot be written: file too large; what is committed .* about"
        r" 2 MB, .*",
        error,
    )
    assert not list((folder / "runs").glob("checkpoints/*"))
    assert trainer.finish(folder, ["checkpoint"])["steps"] == [6]
    assert trained(folder) == whole[0]


@pytest.mark.kills
@pytest.mark.parametrize("variant", VARIANTS)
def test_many_kills_of_training(trainer, untrained, trained_whole, request, variant):
    seed = request.config.getoption("kill_seed")
    seed = random.randrange(10**6) if seed is None else seed
    print(f"replay with --kill-seed {seed}")
    chance, made, number = random.Random(seed), 0, 0
    while made < request.config.getoption("kills"):
        number += 1
        folder, scores, (whole, seconds) = (
            untrained(f"random-{number}", variant),
            VARIANTS[variant].scores,
            trained_whole(variant),
        )
        while trainer.run(
            folder, ["checkpoint"], scores=scores, kill_after=chance.uniform(0, seconds)
        )["killed"]:
            made += 1
        trainer.finish(folder, ["checkpoint"], scores=scores)
        assert trained(folder) == whole
        shutil.rmtree(folder)
