"""kill -9 at every named point and at random times: nothing is lost, nothing is there twice."""

import random
import shutil
from typing import get_args

import pytest

from selftrain_assets.runtime.faultpoints import FaultPoint
from tests.faults.harness import E_STEP, audit, committed, flip, place, pools

IN_EVERY_RUN = {  # point -> passages worth a kill, out of those an undisturbed run makes
    "before-shard-rename": (1, 9),
    "after-shard-rename": (1, 9),
    "before-pool-manifest": (5,),
    "after-pool-manifest": (1, 9),
    "before-table-rename": (4, 5),
    "after-table-rename": (1, 3, 5),
    "before-stage-manifest": (1, 4, 6),
    "after-stage-manifest": (5,),
}
IN_REPAIRS = {"before-repair": (1, 2), "after-repair": (1,), "after-quarantine-move": (1, 3)}
IN_TRAINING = {
    "before-checkpoint-publication",
    "after-checkpoint-publication",
    "after-optimizer-step",
    "after-trainer-state",
}


def passages(points):
    """Each point with its first passage; the later ones are of the long set."""
    return [
        pytest.param(f"{point}:{n}", marks=[pytest.mark.kills] * bool(place))
        for point, numbers in points.items()
        for place, n in enumerate(numbers)
    ]


def test_every_point_is_killed_at():
    assert {*IN_EVERY_RUN, *IN_REPAIRS, *IN_TRAINING} == {*get_args(FaultPoint)}


@pytest.mark.parametrize("point", passages(IN_EVERY_RUN))
def test_a_kill_at_a_named_point(driver, undisturbed, fresh, point):
    assert driver.run(fresh, crash_at=point)["killed"]
    before = committed(fresh)
    driver.finish(fresh)
    assert before <= committed(fresh)
    audit(fresh, undisturbed)


@pytest.mark.parametrize("point", passages(IN_REPAIRS))
def test_a_kill_while_a_damaged_pool_is_put_in_order(driver, undisturbed, finished, point):
    """Flipped, torn and missing shards, an orphan that is sound and one that is not."""
    for pool in pools(finished).values():
        shards = [pool.directory / s.file for s in pool.shards()]
        flip(shards[0])
        shards[1].write_bytes(shards[1].read_bytes()[:100])
        shards[2].unlink()
    # an orphan, and the damage noted
    assert driver.run(finished, crash_at="after-shard-rename")["killed"]
    for pool in pools(finished).values():
        flip(pool.directory / pool.shards()[-1].file)
        shutil.copy(pool.directory / pool.shards()[0].file, pool.directory / "shard-copy.parquet")
    assert driver.run(finished, crash_at=point)["killed"]
    driver.finish(finished)
    audit(finished, undisturbed)
    for pool in pools(finished).values():
        aside = {p.name for p in (pool.directory / "quarantine").iterdir()}
        noted = [q.file for q in pool.quarantined()]
        assert len(noted) == len(set(noted))
        assert aside == {q.file for q in pool.quarantined() if q.reason != "missing"}
        assert {p.name for p in pool.directory.glob("shard-*")} == {s.file for s in pool.shards()}
        assert not set(noted) & {s.file for s in pool.shards()}


def kill_at_random(driver, undisturbed, folder, config, kills, stages, before=()):
    """Kill `stages` at random times until enough kills were made, and audit every run that came
    to its end."""
    seed = config.getoption("kill_seed")
    seed = random.randrange(10**6) if seed is None else seed
    print(f"replay with --kill-seed {seed}")  # shown where the test fails
    chance, made, place_number = random.Random(seed), 0, 0
    seconds = begun(driver, folder / "timed", before, stages)["seconds"]
    while made < kills:
        place_number += 1
        current = folder / f"place-{place_number}"
        begun(driver, current, before)
        held = committed(current)
        while (
            made < kills
            and (done := driver.run(current, stages, kill_after=chance.uniform(0, seconds)))[
                "killed"
            ]
        ):
            made += 1
            assert held <= (held := committed(current))
        assert done["error"] is None
        driver.finish(current)
        audit(current, undisturbed)
        shutil.rmtree(current)


def begun(driver, folder, *stages):
    """An experiment that has come so far."""
    place(folder)
    return [driver.finish(folder, list(some)) for some in stages][-1]


@pytest.mark.kills
def test_kills_at_random_times(driver, undisturbed, tmp_path, request):
    kill_at_random(driver, undisturbed, tmp_path, request.config, 4, E_STEP)


@pytest.mark.kills
@pytest.mark.parametrize(
    "stage", ["problems", "base evaluation", "samples", "verifications", "dataset"]
)
def test_many_kills_of_one_stage(driver, undisturbed, tmp_path, request, stage):
    kills = request.config.getoption("kills")
    kill_at_random(
        driver, undisturbed, tmp_path, request.config, kills, [stage], E_STEP[: E_STEP.index(stage)]
    )
