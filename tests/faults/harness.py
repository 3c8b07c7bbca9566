"""Places to kill runs in, and the audit that every fault ends with."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import astuple
from functools import cache
from hashlib import sha256
from pathlib import Path

from selftrain_assets.domain.types import (
    Row,
    Sample,
    SampleMembership,
    Score,
    VerdictMembership,
    Verification,
)
from selftrain_assets.store import Store
from selftrain_assets.store.pool import Pool
from tests import lab

E_STEP = ["problems", "base", "base evaluation", "policy", "samples", "verifications", "dataset"]
TABLES = {
    "base/evaluation": Score,
    "iter-001/samples": SampleMembership,
    "iter-001/verifications": VerdictMembership,
    "iter-001/dataset": Row,
}


class Driver:
    """A process of tests/faults/driver.py."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.faults.driver", *arguments]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, folder: Path, stages: list[str] = E_STEP, **job) -> dict:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(
            json.dumps({"folder": str(folder), "stages": stages, **job}) + "\n"
        )
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def finish(self, folder: Path, stages: list[str] = E_STEP, **job) -> dict:
        """Run to the end, undisturbed."""
        done = self.run(folder, stages, **job)
        assert (done["killed"], done["error"]) == (False, None)
        return done

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=60)


def place(folder: Path, **changes) -> Path:
    """A folder with an experiment whose stages nothing has touched."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(lab.write_experiment(folder, **changes)))
    return folder


def pools(folder: Path) -> dict[str, Pool]:
    """The two pools of round 1."""
    runs, found = folder / "runs", {}
    for path in runs.glob("samples/*"):
        found["samples"] = Pool(path, Sample)
    for path in runs.glob("verifications/*/*"):
        found["verifications"] = Pool(path, Verification)
    return found


def committed(folder: Path) -> set[str]:
    """Keys of everything committed, as a reader without a lease finds them."""
    return set().union(*(pool.keys() for pool in pools(folder).values()))


def checksums(folder: Path) -> dict[str, str]:
    """Every final table, sorted, as one checksum."""
    store = Store(folder / "runs")
    tables = {name: pool.records() for name, pool in pools(folder).items()}
    for name, record in TABLES.items():
        manifest = store.manifest("lab", *name.split("/"))
        assert manifest, name
        [table] = manifest.files
        tables[name] = store.read_table(manifest, table, record)
    return {
        name: sha256("\n".join(sorted(repr(astuple(r)) for r in rows)).encode()).hexdigest()
        for name, rows in tables.items()
    }


@cache
def expected(undisturbed: Path) -> tuple[dict[str, set[str]], dict[str, str]]:
    """Keys and tables of the run that nothing disturbed."""
    return {name: pool.keys() for name, pool in pools(undisturbed).items()}, checksums(undisturbed)


def audit(folder: Path, undisturbed: Path) -> None:
    """owed = done, lost = 0, duplicated = 0, and the tables of an undisturbed run."""
    wanted, tables = expected(undisturbed)
    for name, pool in pools(folder).items():
        held = [r.key for r in pool.records()]
        found = {
            "lost": wanted[name] - set(held),
            "foreign": set(held) - wanted[name],
            "duplicated": len(held) - len(set(held)),
        }
        assert not any(found.values()), (name, found)
    assert checksums(folder) == tables
    assert not [p for pool in pools(folder).values() for p in pool.directory.glob(".*.tmp")]


def flip(path: Path) -> None:
    """One bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
