"""A real `dagster dev`: webserver, daemon and code server over experiments in a folder of their
own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from selftrain_assets.dagster.partitions import latest_materialization

ROOT = Path(__file__).parents[2]
LAUNCH = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""  # noqa: E501
ROUND_RUN = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
STATUS = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }"""  # noqa: E501
ENDED = ("COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED")
ROUND = ["policy", "samples", "verifications", "dataset", "checkpoint", "evaluation"]
"""The assets of one round, in order."""


class DagsterDev:
    """`dagster dev` with this repository's dagster.yaml, over the store in folder/runs and the
    experiments in folder/defs, or over those that are `shipped`."""

    def __init__(self, folder: Path, shipped: bool = False) -> None:
        self.folder, self.home, self.log = folder, folder / "dagster", folder / "dagster.log"
        self.home.mkdir(exist_ok=True)
        (self.home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "DAGSTER_HOME": str(self.home),
            "SELFTRAIN_DEFS": "" if shipped else str(folder / "defs"),
            "SELFTRAIN_STORE": str(folder / "runs"),
        }

    def start(self, seconds: float = 240) -> None:
        """Start, or start again, and wait until it answers."""
        command = [
            sys.executable,
            "-m",
            "dagster",
            "dev",
            "-w",
            str(ROOT / "workspace.yaml"),
            "-p",
            str(self.port),
        ]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait(self._ready, seconds, "the start")

    def _ready(self) -> bool:
        try:
            return (
                "nodes"
                in self.ask(
                    "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
                )["repositoriesOrError"]
            )
        except OSError:
            return False

    def wait(self, what: Callable[[], Any], seconds: float, said: str) -> Any:
        """The first true answer of `what`."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            assert time.monotonic() < deadline, (
                f"{said} took too long:\n{self.log.read_text()[-3000:]}"
            )
            time.sleep(0.25)
        return found

    def ask(self, query: str, **variables: Any) -> Any:
        """GraphQL, as the UI asks."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=180) as answer:
            return json.load(answer)["data"]

    def round(self, partition: str, experiment: str = "lab") -> str:
        """Launch one round; returns the id of its run."""
        job = {
            "repositoryLocationName": "selftrain",
            "repositoryName": "__repository__",
            "jobName": f"{experiment}_round",
        }
        tags = [{"key": "dagster/partition", "value": partition}]
        params = {"selector": job, "runConfigData": {}, "executionMetadata": {"tags": tags}}
        launched = self.ask(ROUND_RUN, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def backfill(self, assets: list[str], partitions: list[str], experiment: str = "lab") -> str:
        """Launch it; returns its id."""
        selection = [{"path": [experiment, name]} for name in assets]
        asked = self.ask(
            LAUNCH, params={"assetSelection": selection, "partitionNames": partitions, "tags": []}
        )
        launched = asked["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return launched["backfillId"]

    def backfilled(self, backfill: str, seconds: float = 500) -> None:
        """Wait until a backfill is complete."""

        def status() -> str | None:
            found = self.ask(STATUS, id=backfill)["partitionBackfillOrError"]["status"]
            return found if found in ENDED else None

        assert self.wait(status, seconds, "the backfill") == "COMPLETED_SUCCESS"

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """The event log."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            yield instance

    def made(self, asset: str, scope: str, experiment: str = "lab") -> Any:
        """The latest materialization of an asset of a round."""
        with self.instance() as instance:
            return latest_materialization(instance, dg.AssetKey([experiment, asset]), scope)

    def made_by(self, run: str) -> list[str]:
        """Names of the assets that a run materialized, in order."""
        with self.instance() as instance:
            logged = instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
            return [entry.get_dagster_event().asset_key.path[-1] for entry in logged]

    def selftrain(self, *arguments: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """The command line on the same store and event log."""
        command = [sys.executable, "-m", "selftrain_assets.cli", *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=seconds
        )

    def processes(self) -> list[int]:
        """Every process of this home: webserver, daemon, code server and run workers are in
        groups of their own."""
        mark = f"DAGSTER_HOME={self.home}\0".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in entry.read_bytes():
                    found.append(int(entry.parent.name))
            except OSError:  # it ended by itself, or is another user's
                continue
        return found

    def kill(self) -> None:
        """kill -9 to all of them at once."""
        for process in self.processes():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(timeout=60)


@contextmanager
def dagster_dev(folder: Path, shipped: bool = False) -> Iterator[DagsterDev]:
    """Started, and ended with all its processes."""
    running = DagsterDev(folder, shipped)
    try:
        running.start()
        yield running
    finally:
        running.kill()
