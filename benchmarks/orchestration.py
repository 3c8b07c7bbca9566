"""Measure what orchestration costs.

    python benchmarks/orchestration.py [--json FILE] [--repeat 5] [--quickstart]

A small experiment with a scripted engine and a real trainer, in a new store and DAGSTER_HOME:

ui_first_round_seconds
    From starting what `make ui` starts to the end of a first round, launched as soon as the UI
    answers.
ui_seconds
    From launching the finished round again, by GraphQL as the UI does, to the end of its run.
cli_seconds
    `selftrain run lab --rounds 1` with nothing to do, including Python's start.

Each is a median; all values are printed too. `--quickstart` compares the wall time of the whole
quickstart with the time inside engine, trainer and verifier, which takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the tests' `dagster dev` and experiment serve here too
if TYPE_CHECKING:
    from tests.dagster_layer.dagster_dev import DagsterDev

ROUND, LONGEST = "iter-001", 600


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--repeat", type=int, default=5, help="measurements with nothing owed, by CLI and by UI"
    )
    parser.add_argument(
        "--quickstart", action="store_true", help="the quickstart's wall time over its work, too"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = small(Path(folder), asked.repeat) | (
            quickstart(Path(folder)) if asked.quickstart else {}
        )
    text = json.dumps(found, indent=2)
    print(text)
    if asked.json:
        asked.json.write_text(text + "\n")


def small(folder: Path, repeat: int) -> dict[str, Any]:
    """First round and rounds with nothing owed, by UI and by CLI."""
    from tests import lab
    from tests.dagster_layer.dagster_dev import DagsterDev

    lab.write_experiment(folder, "lab", rounds=1)
    dev = DagsterDev(folder)
    started = time.monotonic()
    try:
        dev.start()
        answers = time.monotonic() - started
        do_round(dev)
        first = time.monotonic() - started
        by_ui = [do_round(dev) for _ in range(repeat)]
    finally:
        dev.kill()
    selftrain(dev.environment, "lab")  # tells the event log nothing new, and draws the report
    by_cli = [selftrain(dev.environment, "lab", "--rounds", "1") for _ in range(repeat)]
    return {
        "cli_seconds": round(statistics.median(by_cli), 2),
        "ui_seconds": round(statistics.median(by_ui), 2),
        "ui_answers_seconds": round(answers, 2),
        "ui_first_round_seconds": round(first, 2),
        "cli_all": [round(seconds, 2) for seconds in by_cli],
        "ui_all": [round(seconds, 2) for seconds in by_ui],
        "load": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count(),
    }


def do_round(dev: DagsterDev) -> float:
    """Seconds from the launch to the end of the run."""
    from dagster import DagsterRunStatus

    launched = time.monotonic()
    run = dev.round(ROUND)
    with dev.instance() as instance:
        dev.wait(lambda: instance.get_run_by_id(run).is_finished, LONGEST, "the round")
        assert instance.get_run_by_id(run).status == DagsterRunStatus.SUCCESS
    return time.monotonic() - launched


def quickstart(folder: Path) -> dict[str, Any]:
    """The whole quickstart by the command line."""
    home = folder / "quickstart"
    home.mkdir()
    (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    store = folder / "quickstart-runs"
    wall = selftrain(
        {**os.environ, "SELFTRAIN_STORE": str(store), "DAGSTER_HOME": str(home)}, "quickstart"
    )
    work = sum(
        json.loads(path.read_text())["work_seconds"]
        for path in (store / "experiments").glob("*/*/*.json")
    )
    return {
        "wall_seconds": round(wall, 1),
        "work_seconds": round(work, 1),
        "ratio": round(wall / work, 3),
    }


def selftrain(environment: dict[str, str], *arguments: str) -> float:
    """Wall seconds of `selftrain run`."""
    command = [sys.executable, "-m", "selftrain_assets.cli", "run", *arguments, "--json"]
    started = time.monotonic()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


if __name__ == "__main__":
    main()
