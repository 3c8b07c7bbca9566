"""kill -9 in the middle of trajectories: what was drawn stays, and the tables are those of an
undisturbed run."""

import shutil

import pytest

from selftrain_assets.store import Store
from tests.corrections import TASK, texts
from tests.faults.harness import committed, place, pools

BEFORE, AFTER = (
    ["problems", "base", "policy", "samples", "verifications"],
    ["trajectories", "dataset"],
)
RECIPE = {
    "type": "tripost",
    "sampling": {"samples_per_problem": 4, "temperature": 1.0},
    "self_feedback_from_round": 1,
}


@pytest.fixture(scope="module")
def begun(driver, tmp_path_factory):
    """Attempts and verdicts on them; the policy gives feedback of its own."""
    folder = place(
        tmp_path_factory.mktemp("begun"),
        task=TASK,
        recipe=RECIPE,
        texts=texts("in 1 is = 77", "in 2 is = 77", "all"),
    )
    driver.finish(folder, BEFORE)
    return folder


@pytest.fixture(scope="module")
def undisturbed(driver, begun, tmp_path_factory):
    folder = shutil.copytree(begun, tmp_path_factory.mktemp("undisturbed") / "copy")
    driver.finish(folder, AFTER)
    return folder


def made(folder):
    """Digests of both stages with the checksums of their tables, and the pool's records."""
    manifests = [Store(folder / "runs").manifest("lab", "iter-001", stage) for stage in AFTER]
    tables = [
        (m.digest, sorted((name, sha256) for name, (_, _, sha256) in m.files.items()))
        for m in manifests
    ]
    return tables, sorted(
        (record.key, record.completion) for record in pools(folder)["samples"].records()
    )


def test_an_undisturbed_run_has_feedback_of_every_kind(undisturbed):
    found = Store(undisturbed / "runs").manifest("lab", "iter-001", "trajectories")
    assert set(found.metrics["by"]["own feedback"]) == {"right", "wrong", "unreadable"}
    assert found.counts["improved"] > 0


@pytest.mark.parametrize(
    "point",
    [
        *(
            "after-shard-rename:2",
            "before-pool-manifest:3",
            "before-table-rename:1",
            "after-table-rename:1",
            "before-stage-manifest:1",
        ),
        *(
            pytest.param(point, marks=pytest.mark.kills)
            for point in (
                "before-shard-rename:1",
                "after-pool-manifest:1",
                "before-table-rename:2",
                "after-stage-manifest:1",
            )
        ),
    ],
)
def test_a_kill_loses_nothing_that_was_drawn(driver, begun, undisturbed, tmp_path, point):
    folder = shutil.copytree(begun, tmp_path / "copy")
    before = committed(folder)
    assert driver.run(folder, AFTER, crash_at=point)["killed"]
    held = committed(folder)
    assert before <= held
    driver.finish(folder, AFTER)
    assert held <= committed(folder)
    assert made(folder) == made(undisturbed)
