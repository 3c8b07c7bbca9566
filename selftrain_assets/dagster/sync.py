"""Report finished stages to Dagster's event log, and note in the store what was reported.

Because of the note, a run with nothing owed need not load Dagster, which takes longer than the run
itself.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from selftrain_assets.domain.errors import UserError
from selftrain_assets.pipeline.run import Run
from selftrain_assets.project import find_project
from selftrain_assets.runtime.files import write_atomically
from selftrain_assets.store import Manifest

if TYPE_CHECKING:
    from selftrain_assets.dagster.event_log import EventLog


def dagster_home() -> Path | None:
    """Return the folder of the Dagster instance, if there is one.

    It is DAGSTER_HOME, or else the project if that has a dagster.yaml.

    Raises:
        UserError: DAGSTER_HOME names no folder.
    """
    if not os.environ.get("DAGSTER_HOME"):
        project = find_project()
        if project is not None and (project.root / "dagster.yaml").is_file():
            os.environ["DAGSTER_HOME"] = str(project.root)
    home = os.environ.get("DAGSTER_HOME")
    if home and not Path(home).is_dir():
        raise UserError(
            f"DAGSTER_HOME: there is no folder {home}; create it, or unset DAGSTER_HOME to report"
            " nothing to Dagster"
        )
    return Path(home) if home else None


class Reporter:
    """Reports one run of the command line to the instance in DAGSTER_HOME, if there is one."""

    def __init__(self, run: Run, sync: bool = False) -> None:
        """Prepare reporting.

        Args:
            run: The experiment.
            sync: Ask Dagster itself what it has, instead of trusting the note.
        """
        self._run, self._home = run, dagster_home()
        self._note = run.store.root / "experiments" / run.name / "reported.json"
        self._reported: dict[str, list[str]] = {} if sync else self._read_note()
        self._log: EventLog | None = None

    def report(self, manifest: Manifest) -> None:
        """Report a finished stage that this instance does not have yet."""
        name, version = f"{manifest.scope}/{manifest.stage}", [manifest.digest, manifest.finished]
        if self._home is None or (self._log is None and self._reported.get(name) == version):
            return
        if self._log is None:
            from selftrain_assets.dagster.event_log import EventLog

            self._log = EventLog(self._run)
        self._log.report(manifest)
        self._reported[name] = version

    def close(self) -> None:
        """Report the report, if any stage was reported; then write the note.

        The report is about all rounds together, so it comes last.
        """
        if self._log is None:
            return
        self._log.report_report()
        note = {"instance": self._instance(), "stages": self._reported}
        write_atomically(self._note, json.dumps(note, indent=2) + "\n")

    def _read_note(self) -> dict[str, list[str]]:
        try:
            note = json.loads(self._note.read_text())
        except (OSError, ValueError):
            return {}
        return note["stages"] if note["instance"] == self._instance() else {}

    def _instance(self) -> str | None:
        """Return what identifies an instance: its folder and a hash of its settings.

        The settings count because they may name another storage.
        """
        if self._home is None:
            return None
        settings = self._home / "dagster.yaml"
        return (
            f"{self._home.resolve()}"
            f" {sha256(settings.read_bytes()).hexdigest() if settings.is_file() else 'default'}"
        )
