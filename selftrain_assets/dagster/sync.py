"""Tells Dagster's event log what was made, and remembers what it has been told: loading Dagster
takes longer than finding nothing owed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from selftrain_assets.domain.errors import UserError
from selftrain_assets.pipeline.run import Run
from selftrain_assets.runtime.files import write_atomically
from selftrain_assets.store import Manifest

# What Dagster's default storage keeps of assets. With any other storage they are missing, and
# nothing is taken for told.
EVENTS = ("history/runs/index.db", "history/runs/index.db-wal")
SETTINGS = "dagster.yaml"


def dagster_home() -> bool:
    """Is there an event log: the one in DAGSTER_HOME, or this checkout's? UserError where
    DAGSTER_HOME names no folder."""
    checkout = Path(__file__).parents[2]
    if not os.environ.get("DAGSTER_HOME") and (checkout / "dagster.yaml").is_file():
        os.environ["DAGSTER_HOME"] = str(checkout)
    home = os.environ.get("DAGSTER_HOME")
    if home and not Path(home).is_dir():
        raise UserError(
            f"DAGSTER_HOME: there is no folder {home}; make it, or unset DAGSTER_HOME to tell no"
            " event log"
        )
    return bool(home)


def teller(run: Run) -> Teller | None:
    """Tells Dagster's event log, where there is one."""
    return Teller(run, Path(os.environ["DAGSTER_HOME"])) if dagster_home() else None


class Teller:
    """The event log in `home`, for one run of the command line. What it was told before counts
    as long as nothing has been written to it since, by whomever: a wiped materialization is told
    again."""

    def __init__(self, run: Run, home: Path) -> None:
        self._run, self._home = run, home
        self._path = run.store.root / "experiments" / run.name / "told.json"
        self._log: Any = None
        kept = _read(self._path)
        self._told: dict[str, list[str]] = (
            kept["told"] if self._stamp() and kept.get("stamp") == self._stamp() else {}
        )

    def tell(self, manifest: Manifest) -> None:
        """Of a finished stage, unless the log knows it and nothing new has come before: the
        report is of all rounds together."""
        name, known = f"{manifest.scope}/{manifest.stage}", [manifest.digest, manifest.finished]
        if self._log is None and self._told.get(name) == known:
            return
        if self._log is None:
            from selftrain_assets.dagster.event_log import EventLog

            self._log = EventLog(self._run)
        self._log.tell(manifest)
        self._told[name] = known

    def tell_of_report(self) -> None:
        """Where there was anything to tell; and remember all of it for the next time."""
        if self._log is None:
            return
        self._log.tell_of_report()
        if stamp := self._stamp():
            write_atomically(
                self._path, json.dumps({"stamp": stamp, "told": self._told}, indent=2) + "\n"
            )

    def _stamp(self) -> dict[str, list[int]] | None:
        """Changes with every write to the log, and with its settings."""
        files = {name: self._home / name for name in (*EVENTS, SETTINGS)}
        found = {name: path.stat() for name, path in files.items() if path.is_file()}
        return (
            {str(files[n]): [s.st_size, s.st_mtime_ns] for n, s in found.items()}
            if EVENTS[0] in found
            else None
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
