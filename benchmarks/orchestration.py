"""What orchestration costs: python benchmarks/orchestration.py

Runs the quickstart by the command line in a fresh store and DAGSTER_HOME, and compares its wall time with the time
inside engine, trainer and verifier (work_seconds in the manifests); then once more with nothing owed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "dagster"
        home.mkdir()
        (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
        environment = {**os.environ, "SELFTRAIN_STORE": f"{folder}/runs", "DAGSTER_HOME": str(home)}
        walls = [timed(environment) for _ in range(2)]
        work = sum(json.loads(p.read_text())["work_seconds"] for p in Path(folder, "runs", "experiments").glob("*/*/*.json"))
    print(
        json.dumps(
            {
                "wall_seconds": round(walls[0], 1),
                "work_seconds": round(work, 1),
                "ratio": round(walls[0] / work, 3),
                "wall_seconds_with_nothing_owed": round(walls[1], 1),
            }
        )
    )


def timed(environment: dict[str, str]) -> float:
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "selftrain_assets.cli", "run", "quickstart", "--json"],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - started


if __name__ == "__main__":
    main()
