"""The store: every result that is kept, with one object that knows all paths.

The layout of its folder:

runs/
  store.json                   the version of the store's format
  samples/<policy>/            pool: every completion ever drawn from these weights
  verifications/<verifier>/<policy>/   pool: every verdict of this verifier on them
  checkpoints/<key>/           weights, under the key of the training that made them
  experiments/<name>/<scope>/  <stage>.json (manifest) and the tables it lists;
                               scope: inputs, base, iter-001, ...
  experiments/<name>/<scope>/history/   manifests that were replaced
  experiments/<name>/report.*  figures, Markdown and HTML
  experiments/<name>/experiment.yaml    settings, if it was made in Python
  experiments/<name>/retractions.json   evidence that was retracted
  comparisons/<names>/         what `selftrain compare` wrote
  exports/<name>-<scope>/      what `selftrain export` wrote
  scratch/<key>/               what an unfinished training resumes from
  .duckdb-*.tmp/               what a running query has spilt to disk
  **/quarantine/               damaged files that have been made again
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selftrain_assets.domain.retraction import Retractions
from selftrain_assets.domain.types import Sample, Verification
from selftrain_assets.domain.weights import NOTES_FILE
from selftrain_assets.project import store_directory
from selftrain_assets.runtime.faultpoints import fault_point
from selftrain_assets.runtime.files import needs_room, publish, write_atomically
from selftrain_assets.store import location
from selftrain_assets.store.database import Database
from selftrain_assets.store.lease import is_held, lease
from selftrain_assets.store.manifest import Manifest
from selftrain_assets.store.pool import Pool
from selftrain_assets.store.shards import QUARANTINE
from selftrain_assets.store.tables import (
    content_digest,
    count_rows,
    damage,
    file_digest,
    prepared_file,
    prepared_table,
    read_table,
    require_intact,
    same_content,
    same_table,
)
from selftrain_assets.store.workspace import Relation, Workspace

Table = tuple[str, int, str]
"""What a manifest notes of a table: file, records, SHA-256."""

RETRACTIONS = "retractions.json"
SHORT = 16  # hex digits of a digest in a folder name
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Store:
    """The store: all results below one local folder, `root`.

    Raises:
        UserError: The store has a newer format than this version reads.
    """

    root: Path

    def __post_init__(self) -> None:
        location.check_format(self.root)

    @classmethod
    def default(cls) -> Store:
        """The store in SELFTRAIN_STORE or, without it, in runs/ of the project."""
        return cls(location.folder(store_directory()))

    def check_writable(self) -> None:
        """Check, before any work begins, that results can be stored.

        Raises:
            UserError: They cannot.
        """
        location.check(self.root)

    def database(self) -> Database:
        """An empty database that spills into the store when its memory is used up."""
        return Database(self.root)

    def workspace(self) -> Workspace:
        """An empty workspace, to be used in a `with` statement."""
        return Workspace(self.database())

    # -- pools -------------------------------------------------------------------------------------

    def samples(self, policy: str) -> Pool[Sample]:
        """The pool of all samples drawn from these weights."""
        return Pool(self.root / "samples" / policy[:SHORT], Sample)

    def verifications(self, verifier: str, policy: str) -> Pool[Verification]:
        """The pool of all verdicts of a verifier on the samples of a policy."""
        return Pool(self.root / "verifications" / verifier[:SHORT] / policy[:SHORT], Verification)

    def all_samples(self) -> list[Pool[Sample]]:
        """The pools of samples of all policies."""
        return [Pool(folder, Sample) for folder in sorted((self.root / "samples").glob("*/"))]

    def all_verifications(self, verifier: str = "*") -> list[Pool[Verification]]:
        """The pools of verdicts of a verifier, or of any, on all policies."""
        return [
            Pool(folder, Verification)
            for folder in sorted((self.root / "verifications").glob(f"{verifier[:SHORT]}/*/"))
        ]

    # -- stages ------------------------------------------------------------------------------------

    def scope(self, experiment: str, scope: str) -> Path:
        return self.root / "experiments" / experiment / scope

    def manifest(self, experiment: str, scope: str, stage: str) -> Manifest | None:
        """The current manifest of a stage, or None if the stage was never finished."""
        path = self.scope(experiment, scope) / f"{stage}.json"
        return Manifest.read(path) if path.exists() else None

    def manifests(self, experiment: str = "*", superseded: bool = False) -> list[Manifest]:
        """The current manifests of one or all experiments, or those that were superseded."""
        pattern = "*/history/*.json" if superseded else "*/*.json"
        return [
            Manifest.read(path)
            for path in sorted((self.root / "experiments").glob(f"{experiment}/{pattern}"))
        ]

    def commit(self, manifest: Manifest) -> Manifest:
        """Make a manifest current.

        The one that it replaces is kept in history/, with the tables that it lists.
        """
        location.mark_format(self.root)
        folder = self.scope(manifest.experiment, manifest.scope)
        current = self.manifest(manifest.experiment, manifest.scope, manifest.stage)
        if current is not None and not current.is_same_as(manifest):
            write_atomically(folder / "history" / current.name_in_history(), current.to_json())
        fault_point("before-stage-manifest")
        write_atomically(folder / f"{manifest.stage}.json", manifest.to_json())
        fault_point("after-stage-manifest")
        return manifest

    def write_table(
        self, experiment: str, scope: str, name: str, digest: str, record: type, records: list[Any]
    ) -> Table:
        """Write records as a table named by their digest, which no later version overwrites."""
        folder = self.scope(experiment, scope)
        with prepared_table(folder, name, record, records) as (temporary, sha256):
            return self._publish_table(
                folder,
                name,
                digest,
                temporary,
                len(records),
                sha256,
                lambda p: same_table(p, record, records),
            )

    def write_relation(
        self,
        experiment: str,
        scope: str,
        name: str,
        ws: Workspace,
        relation: Relation[Any],
        digest_of: list[str],
    ) -> tuple[Table, str]:
        """Write a relation as a table, as `write_table` does.

        Returns:
            The table, and its digest: that of the columns `digest_of`.
        """
        folder = self.scope(experiment, scope)
        with prepared_file(folder, name, lambda path: ws.write(relation, path)) as (
            temporary,
            sha256,
        ):
            digest, rows = content_digest(temporary, digest_of), count_rows(temporary)

            def same(path: Path) -> str | None:
                try:
                    return file_digest(path) if same_content(path, temporary) else None
                except Exception:  # whatever the Parquet reader makes of damaged bytes
                    return None

            return self._publish_table(folder, name, digest, temporary, rows, sha256, same), digest

    def _publish_table(
        self,
        folder: Path,
        name: str,
        digest: str,
        temporary: Path,
        rows: int,
        sha256: str,
        same: Callable[[Path], str | None],
    ) -> Table:
        file = f"{name}-{digest[:SHORT]}.parquet"
        path = folder / file
        if path.exists() and (existing := same(path)):
            return file, rows, existing  # other manifests may list it with its own bytes
        if path.exists():
            # Until the new one is in place the stage has no table, and stays owed.
            _quarantine(path, "made again")
        fault_point("before-table-rename")
        with needs_room(path):
            publish(temporary, path)
        fault_point("after-table-rename")
        return file, rows, sha256

    def is_intact(self, manifest: Manifest) -> bool:
        """Whether the tables that a manifest lists exist as they were committed."""
        folder = self.scope(manifest.experiment, manifest.scope)
        return not any(damage(folder / file, sha256) for file, _, sha256 in manifest.files.values())

    def table(self, manifest: Manifest, name: str) -> Path:
        """The path of a table of a manifest.

        Raises:
            IntegrityError: The table is not as it was committed.
        """
        file, _, sha256 = manifest.files[name]
        path = self.scope(manifest.experiment, manifest.scope) / file
        require_intact(path, sha256)
        return path

    def read_table(self, manifest: Manifest, name: str, record: type) -> list[Any]:
        file, _, sha256 = manifest.files[name]
        return read_table(self.scope(manifest.experiment, manifest.scope) / file, record, sha256)

    @contextmanager
    def writing(self, experiment: str, scope: str, stage: str, owner: str) -> Iterator[None]:
        """Hold the lease of one stage."""
        with lease(self.scope(experiment, scope) / ".leases" / stage, owner):
            yield

    def is_being_written(self, experiment: str, scope: str, stage: str) -> bool:
        return is_held(self.scope(experiment, scope) / ".leases" / stage)

    # -- retractions -------------------------------------------------------------------------------

    def retractions(self, experiment: str) -> Retractions:
        """What was retracted of an experiment."""
        path = self.root / "experiments" / experiment / RETRACTIONS
        return (
            Retractions.from_records(json.loads(path.read_text()))
            if path.exists()
            else Retractions()
        )

    def write_retractions(self, experiment: str, retractions: Retractions) -> None:
        write_atomically(
            self.root / "experiments" / experiment / RETRACTIONS,
            json.dumps(retractions.to_records(), indent=1),
        )

    # -- exports -----------------------------------------------------------------------------------

    def export(self, experiment: str, scope: str) -> Path:
        """The folder to which a model is exported with its rows."""
        return self.root / "exports" / f"{experiment}-{scope}"

    # -- checkpoints -------------------------------------------------------------------------------

    def checkpoint(self, key: str) -> Path:
        return self.root / "checkpoints" / key[:SHORT]

    def scratch(self, key: str) -> Path:
        """The folder from which an interrupted training run resumes."""
        return self.root / "scratch" / key[:SHORT]

    def publish_checkpoint(self, key: str, temporary: Path, facts: dict[str, Any]) -> None:
        """Make finished weights visible under their key, all at once."""
        for path in temporary.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        write_atomically(temporary / NOTES_FILE, json.dumps(facts, indent=1, sort_keys=True))
        target = self.checkpoint(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Its notes are lost, or it would not have been trained again.
        if target.exists():
            _quarantine(target, "trained again")
        fault_point("before-checkpoint-publication")
        publish(temporary, target)
        fault_point("after-checkpoint-publication")

    def checkpoint_facts(self, key: str) -> dict[str, Any] | None:
        """The facts that were recorded with published weights; None if there are no weights."""
        path = self.checkpoint(key) / NOTES_FILE
        return json.loads(path.read_text()) if path.exists() else None


def _quarantine(path: Path, remedy: str) -> None:
    """Move a damaged table or checkpoint away from where a new one is published."""
    moved = path.parent / QUARANTINE / f"{uuid.uuid4().hex[:12]}-{path.name}"
    moved.parent.mkdir(exist_ok=True)
    publish(path, moved)
    log.warning("%s: damaged; quarantined as %s and %s", path, moved, remedy)


__all__ = ["Manifest", "Pool", "Store", "Table"]
