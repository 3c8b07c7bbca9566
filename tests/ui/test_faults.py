"""What may happen to Dagster in mid-round, with a person who looks at the UI afterwards: nothing
is done twice, nothing is lost."""

import json
import re
import time

import dagster as dg
import pytest

from selftrain_assets.dagster.partitions import data_version
from tests import lab
from tests.dagster_layer.dagster_dev import ROUND, dagster_dev
from tests.ui.person import RUN_SECONDS, Person

pytestmark = pytest.mark.kills

EXPERIMENTS = ("chain", "killed", "left", "right", "twice")
ROUNDS = ["iter-001", "iter-002", "iter-003"]
FOUND_DEAD = 30
"""Seconds after a restart within which a run whose process is gone is marked as failed;
dagster.yaml has monitoring look every 15."""


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    for seed, name in enumerate(EXPERIMENTS):
        lab.write_experiment(folder, name, rounds=3, seed=seed)
    with dagster_dev(folder) as running:
        yield running


@pytest.fixture
def person(dev, browser, screenshots):
    return Person(browser, dev.url, screenshots)


def slow_down(dev, name, seconds_per_completion):
    """The engine, from the next run on. It is no part of what a sample is, so nothing is owed
    again."""
    engine = {
        "type": "scripted",
        "path": str(dev.folder / f"{name}-answers.json"),
        "seconds_per_completion": seconds_per_completion,
    }
    lab.write_experiment(dev.folder, name, rounds=3, seed=EXPERIMENTS.index(name), engine=engine)


def committed(dev):
    """Every shard of samples and of verdicts, and when it was written."""
    pools = (dev.folder / "runs" / pool for pool in ("samples", "verifications"))
    return {
        shard: shard.stat().st_mtime_ns for pool in pools for shard in pool.rglob("shard-*.parquet")
    }


def assert_clean(dev, name):
    """The store and Dagster's event log agree, and nothing is owed, lost or there twice."""
    audited = dev.selftrain("audit", name, "--json")
    found = json.loads(audited.stdout)
    assert (audited.returncode, found["findings"]) == (0, [])
    for stage in found["stages"]:
        assert (stage["duplicated"], stage["lost"], stage["quarantined"]) == (0, 0, 0)


def times(dev, name):
    """When each asset of each round was made, in the order of the loop."""
    return [dev.made(asset, scope, name).timestamp for scope in ROUNDS for asset in ROUND]


def test_two_experiments_go_on_side_by_side_each_in_order(dev, person):
    backfills = []
    for name in ("left", "right"):
        assert dev.selftrain("run", name, "--rounds", "1").returncode == 0
        person.ticks(name, ROUND)
        backfills.append(person.launches(*ROUNDS[1:], button="Materialize selected"))
    for backfill in backfills:
        person.page.goto(f"{dev.url}/runs/b/{backfill}")
        person.waits_for_backfill(len(ROUND))
    left, right = times(dev, "left"), times(dev, "right")
    assert left == sorted(left)
    assert right == sorted(right)
    assert max(left[len(ROUND)], right[len(ROUND)]) < min(left[-1], right[-1]), (
        "one waited for the other"
    )
    for name in ("left", "right"):
        assert_clean(dev, name)


def test_the_sensor_starts_round_after_round(dev, person):
    person.switches_sensor_on("chain_next_round")
    person.opens_job("chain_round")
    person.launches(ROUNDS[0])
    person.waits_for_run()
    dev.wait(lambda: dev.made("evaluation", ROUNDS[-1], "chain"), RUN_SECONDS, "the chain")
    assert times(dev, "chain") == sorted(times(dev, "chain"))
    with dev.instance() as instance:
        started = instance.get_runs(dg.RunsFilter(tags={"dagster/sensor_name": "chain_next_round"}))
    assert sorted(run.tags["dagster/partition"] for run in started) == ROUNDS[1:]
    person.goes_to("Automation")
    person.sees("Standard sensor")
    person.photographs("sensor")
    assert_clean(dev, "chain")


def test_one_round_launched_twice_at_once_has_its_rows_once(dev, person):
    """By the UI twice, and by the command line while the first one holds the lease."""
    assert dev.selftrain("run", "twice", "--rounds", "1").returncode == 0
    slow_down(dev, "twice", 0.2)
    before = len(committed(dev))
    runs = []
    for _ in range(2):
        person.opens_job("twice_round")
        runs.append(person.launches(ROUNDS[1]))
    dev.wait(lambda: len(committed(dev)) > before, RUN_SECONDS, "the first shard")
    refused = dev.selftrain("run", "twice", "--rounds", "2")
    assert refused.returncode == 1
    (owner,) = re.findall("is being written by .*Dagster run ([0-9a-f-]{36})", refused.stderr)
    assert owner in runs
    for run in runs:
        person.page.goto(f"{dev.url}/runs/{run}")
        person.waits_for_run()
        assert dev.made_by(run) == ["problems", "base", *ROUND]
    person.photographs("twice")
    samples = dev.made("samples", ROUNDS[1], "twice").asset_materialization.metadata
    assert samples["samples"].value == 48
    assert_clean(dev, "twice")


def test_everything_killed_in_mid_round_is_found_dead_and_goes_on_where_it_was(dev, person):
    assert dev.selftrain("run", "killed", "--rounds", "1").returncode == 0
    slow_down(dev, "killed", 0.3)
    before = committed(dev)
    person.opens_job("killed_round")
    run = person.launches(ROUNDS[1])
    dev.wait(lambda: len(committed(dev)) >= len(before) + 2, RUN_SECONDS, "two shards of samples")
    dev.kill()
    kept = committed(dev)

    dev.start()
    restarted = time.monotonic()
    person.page.goto(f"{dev.url}/runs/{run}")
    person.waits_for_run("Failure")
    assert time.monotonic() - restarted < FOUND_DEAD
    person.sees(
        re.compile(
            "process [0-9]+ of this run is gone. What it finished is kept: re-execute the run from"
            " failure"
        )
    )
    person.photographs("found-dead")
    assert dev.made_by(run) == ["problems", "base", "policy"]

    again = person.re_executes_from_failure()
    person.waits_for_run()
    assert dev.made_by(again) == ROUND[1:]
    assert {shard: written for shard, written in committed(dev).items() if shard in kept} == kept
    samples = dev.made("samples", ROUNDS[1], "killed").asset_materialization.metadata
    assert samples["samples"].value == 48
    assert samples["reused"].value >= 16
    assert_clean(dev, "killed")
    assert data_version(dev.made("policy", ROUNDS[1], "killed")) == data_version(
        dev.made("checkpoint", ROUNDS[0], "killed")
    )
