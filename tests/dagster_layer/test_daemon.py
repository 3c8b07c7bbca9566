"""Backfills over rounds with a real daemon and webserver, launched as the UI launches them."""

from itertools import pairwise

import dagster as dg
import pytest

from selftrain_assets.dagster.partitions import data_version, latest_materialization
from selftrain_assets.pipeline.run import iteration_scope
from tests import lab
from tests.dagster_layer.dagster_dev import ROUND, dagster_dev

ROUNDS = [iteration_scope(i) for i in (1, 2, 3)]


@pytest.fixture
def daemon(tmp_path):
    lab.write_experiment(tmp_path, rounds=3)
    with dagster_dev(tmp_path) as running:
        yield running


def made(instance, asset, scope):
    return latest_materialization(instance, dg.AssetKey(["lab", asset]), scope)


@pytest.mark.kills
def test_a_backfill_runs_rounds_in_order_and_again_over_existing_ones(daemon):
    daemon.backfilled(daemon.backfill(["problems", "base", *ROUND, "report"], ROUNDS))
    with daemon.instance() as instance:
        times = [made(instance, asset, scope).timestamp for scope in ROUNDS for asset in ROUND]
        assert times == sorted(times)
        for before, after in pairwise(ROUNDS):
            assert data_version(made(instance, "policy", after)) == data_version(
                made(instance, "checkpoint", before)
            )
        first = {scope: data_version(made(instance, "checkpoint", scope)) for scope in ROUNDS}
        runs = len(instance.get_runs())
    daemon.backfilled(daemon.backfill(ROUND, ROUNDS[1:]))
    with daemon.instance() as instance:
        assert len(instance.get_runs()) == runs + 2
        assert {
            scope: data_version(made(instance, "checkpoint", scope)) for scope in ROUNDS
        } == first
