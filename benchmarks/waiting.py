"""Compare ways in which threads can wait: python benchmarks/waiting.py

Samples from the embedded model, alone and beside one busy process, with OpenMP threads that spin
while they wait, that sleep, and with a single thread. Prints the seconds for 1,024 completions, the
median of three.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys

BUSY = "while True: pass"
WAYS = {
    "spin": {"OMP_WAIT_POLICY": "ACTIVE"},
    "sleep": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
SAMPLE = """
import random, time
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Request
from selftrain_assets.engines import TransformersSettings
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.models.pretrain import example

rng = random.Random(0)
requests = [Request(str(i), str(i), example(rng)[0], i, 0) for i in range(1024)]
with TransformersSettings().open(resolve_model("embedded")) as engine:
    started = time.monotonic()
    assert len(list(engine.generate(requests, DrawSettings(temperature=1.0, max_tokens=24)))) == 1024
    print(time.monotonic() - started)
"""  # noqa: E501


def main() -> None:
    alone = {way: seconds(settings) for way, settings in WAYS.items()}
    busy = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        beside = {way: seconds(settings) for way, settings in WAYS.items()}
    finally:
        busy.kill()
        busy.wait()
    print(json.dumps({"alone": alone, "beside a busy process": beside}, indent=1))


def seconds(settings: dict[str, str]) -> float:
    command = [sys.executable, "-c", SAMPLE]
    runs = [
        subprocess.run(
            command, env={**os.environ, **settings}, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(3)
    ]
    return round(statistics.median(map(float, runs)), 1)


if __name__ == "__main__":
    main()
