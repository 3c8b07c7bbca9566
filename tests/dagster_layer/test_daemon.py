"""Backfills over rounds with a real daemon and webserver, launched as the UI launches them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest

from selftrain_assets.iterations import data_version, latest_materialization
from selftrain_assets.stages.run import iteration_scope
from tests import lab

ROOT = Path(__file__).parents[2]
LAUNCH = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
STATUS = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"""
ASSETS = ["problems", "base", "policy", "samples", "verifications", "dataset", "checkpoint", "evaluation", "report"]
ROUNDS = [iteration_scope(i) for i in (1, 2, 3)]


class Daemon:
    """`dagster dev` on a folder of its own, with this repository's dagster.yaml."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "dagster"
        self.home.mkdir()
        (self.home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        variables = {"DAGSTER_HOME": str(self.home), "SELFTRAIN_DEFS": str(folder / "defs"), "SELFTRAIN_STORE": str(folder / "runs")}
        command = [sys.executable, "-m", "dagster", "dev", "-w", str(ROOT / "workspace.yaml"), "-p", str(self.port)]
        self.log = folder / "dagster.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **variables, "OMP_NUM_THREADS": "1"}, stdout=log, stderr=log, start_new_session=True
            )

    def wait(self, what, seconds: float, said: str):
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() < deadline, f"{said} took too long:\n{self.log.read_text()[-3000:]}"
            time.sleep(0.5)
        return found

    def ask(self, query: str, **variables):
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=180) as answer:
            return json.load(answer)["data"]

    def ready(self) -> bool:
        try:
            return "repositoriesOrError" in self.ask("{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }")
        except OSError:
            return False

    def backfill(self, assets: list[str], partitions: list[str]) -> None:
        """Launch, and wait until it is complete."""
        selection = [{"path": ["lab", name]} for name in assets]
        launched = self.ask(LAUNCH, params={"assetSelection": selection, "partitionNames": partitions, "tags": []})[
            "launchPartitionBackfill"
        ]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        ended = ("COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED")

        def status():
            found = self.ask(STATUS, id=launched["backfillId"])["partitionBackfillOrError"]["status"]
            return found if found in ended else None

        assert self.wait(status, 500, "the backfill") == "COMPLETED_SUCCESS"

    def stop(self) -> None:
        """End every process of this home: webserver, daemon and code server outlive `dagster dev` in groups of their own."""
        mark = f"DAGSTER_HOME={self.home}\0".encode()
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in entry.read_bytes():
                    os.kill(int(entry.parent.name), signal.SIGKILL)
            except OSError:  # it ended by itself, or is another user's
                continue
        self.process.wait(timeout=60)


@pytest.fixture
def daemon(tmp_path):
    lab.write_experiment(tmp_path, rounds=3)
    running = Daemon(tmp_path)
    try:
        running.wait(running.ready, 240, "the start")
        yield running
    finally:
        running.stop()


def made(instance, asset, scope):
    return latest_materialization(instance, dg.AssetKey(["lab", asset]), scope)


@pytest.mark.kills
def test_a_backfill_runs_rounds_in_order_and_again_over_existing_ones(daemon):
    daemon.backfill(ASSETS, ROUNDS)
    with dg.DagsterInstance.from_config(str(daemon.home)) as instance:
        times = [made(instance, asset, scope).timestamp for scope in ROUNDS for asset in ASSETS[2:-1]]
        assert times == sorted(times)
        for before, after in pairwise(ROUNDS):
            assert data_version(made(instance, "policy", after)) == data_version(made(instance, "checkpoint", before))
        first = {scope: data_version(made(instance, "checkpoint", scope)) for scope in ROUNDS}
        runs = len(instance.get_runs())
    daemon.backfill(["policy", "samples", "verifications", "dataset", "checkpoint", "evaluation"], ROUNDS[1:])
    with dg.DagsterInstance.from_config(str(daemon.home)) as instance:
        assert len(instance.get_runs()) == runs + 2
        assert {scope: data_version(made(instance, "checkpoint", scope)) for scope in ROUNDS} == first
