"""Find and remove the files that no manifest needs.

A file is needed if a current manifest, or one in history/, refers to it: tables, weights, and the
pools of every policy that is named. Each file is checked again under the lease of whoever could be
writing it, and only then removed.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from selftrain_assets.domain.errors import BusyError, IntegrityError
from selftrain_assets.domain.weights import StoredCheckpoint
from selftrain_assets.pipeline.stages import stage_writing
from selftrain_assets.store import SHORT, Manifest, Store
from selftrain_assets.store.inspection import (
    HISTORY,
    manifest_files,
    orphan_shards,
    pool_folders,
    pool_listing,
    read_manifest,
)
from selftrain_assets.store.lease import is_held, lease
from selftrain_assets.store.shards import MANIFEST, QUARANTINE

MINIMUM_AGE = 3600  # seconds; a younger temporary file may be somebody's open work
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.tmp|\.probe-[0-9a-f]{32}|\..+\.removed")
_SPILT = re.compile(r"\.duckdb-(\d+)\.")  # and the process whose database it is


@dataclass(frozen=True, slots=True)
class Garbage:
    """A file or folder below the store's root that no manifest needs."""

    kind: str
    path: str
    bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class Collected:
    """The files found, whether they were removed, and sentences on what was left alone for now."""

    garbage: tuple[Garbage, ...]
    left_alone: tuple[str, ...]
    deleted: bool

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.garbage)


@dataclass(frozen=True, slots=True)
class _Candidate:
    kind: str
    path: Path
    why: str
    leases: tuple[Path, ...] = ()
    still: Callable[[], bool] = lambda: True  # asked again under the leases


def collect(
    store: Store, *, delete: bool = False, history: bool = False, quarantine: bool = False
) -> Collected:
    """List what no manifest needs, and remove it if `delete`.

    Args:
        store: The store.
        delete: Remove what is found.
        history: Count manifests that were replaced, and what only they need, as garbage too.
        quarantine: Count quarantined files as garbage too.
    """
    search = _Search(store, history)
    garbage: list[Garbage] = []
    left: list[str] = []
    candidates = [
        *search.temporaries(left),
        *search.superseded(),
        *search.tables(),
        *search.weights(),
        *search.pools(),
    ]
    candidates += search.quarantined() if quarantine else ()
    folders = {candidate.path for candidate in candidates}
    for candidate in candidates:
        if folders & set(candidate.path.parents):
            continue  # goes with its folder
        item = Garbage(
            candidate.kind,
            str(candidate.path.relative_to(store.root)),
            _size(candidate.path),
            candidate.why,
        )
        if any(is_held(folder) for folder in candidate.leases):
            left.append(f"{item.path} is held by a live run; collect again when it has ended")
            continue
        if not delete:
            garbage.append(item)
            continue
        try:
            with ExitStack() as held:
                for folder in candidate.leases:
                    held.enter_context(lease(folder, "selftrain gc"))
                if candidate.still():
                    _remove(candidate.path)
                    garbage.append(item)
        except BusyError as error:
            left.append(str(error))
    return Collected(tuple(garbage), tuple(left), delete)


@dataclass(frozen=True, slots=True)
class _Needs:
    """What manifests refer to.

    These are tables as (experiment, scope, file), short keys of weights, and short digests of
    policies.
    """

    tables: frozenset[tuple[str, str, str]]
    weights: frozenset[str]
    policies: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Search:
    store: Store
    history: bool  # is it let go of?

    def _experiments(self) -> list[Path]:
        return [p for p in sorted((self.store.root / "experiments").glob("*/")) if p.is_dir()]

    def _manifests(self) -> Iterator[Manifest]:
        for experiment in self._experiments():
            for path in [
                *manifest_files(experiment, False),
                *([] if self.history else manifest_files(experiment, True)),
            ]:
                manifest = read_manifest(path)
                if manifest is None:
                    raise IntegrityError(
                        f"{path} is not a manifest, so nobody knows what it needs; restore it from"
                        " a copy, or remove it"
                    )
                yield manifest

    def needs(self) -> _Needs:
        """Read the manifests anew each time, because a run may have committed since."""
        tables, weights, policies = set(), set(), set()
        for m in self._manifests():
            tables |= {(m.experiment, m.scope, file) for file, _, _ in m.files.values()}
            references = m.references
            referred = [*references.all_weights()]
            weights |= {ref.key[:SHORT] for ref in referred if isinstance(ref, StoredCheckpoint)}
            named = [ref.digest for ref in referred] + [references.policy, m.parents.get("policy")]
            if m.stage == "evaluation":
                named.append(m.parents.get("checkpoint"))
            policies |= {digest[:SHORT] for digest in named if digest}
        return _Needs(frozenset(tables), frozenset(weights), frozenset(policies))

    def _is_unneeded(self, what: Literal["tables", "weights", "policies"], name: object) -> bool:
        return name not in getattr(self.needs(), what)

    def temporaries(self, left: list[str]) -> Iterator[_Candidate]:
        """Find files of interrupted writes and outputs of interrupted trainings."""
        files = [p for p in sorted(self.store.root.rglob(".*")) if _TEMPORARY.fullmatch(p.name)]
        scratch = [
            p
            for p in sorted((self.store.root / "scratch").glob("[!.]*"))
            if p.is_dir() and p.suffix != ".lease"
        ]
        for folder in scratch:
            if self._is_published(folder.name):
                yield _Candidate(
                    "scratch", folder, "its training is finished", (folder.with_suffix(".lease"),)
                )
            else:
                files += sorted(folder.glob("output-*"))
        for path in files:
            if (spilt := _SPILT.match(path.name)) and _is_alive(int(spilt[1])):
                left.append(f"{path.relative_to(self.store.root)} is in use by process {spilt[1]}")
            elif _age(path) < MINIMUM_AGE:
                left.append(
                    f"{path.relative_to(self.store.root)} is younger than an hour and may be"
                    " somebody's open work; collect later"
                )
            else:
                yield _Candidate(
                    "temporary", path, "an interrupted write left it", self._leases_around(path)
                )

    def _is_published(self, key: str) -> bool:
        return self.store.checkpoint_facts(key) is not None

    def _leases_around(self, path: Path) -> tuple[Path, ...]:
        """Return the leases of all who could be writing here."""
        scratch = self.store.root / "scratch"
        if path.is_relative_to(scratch):
            key = path.relative_to(scratch).parts[0].removeprefix(".").removesuffix(".removed")
            return ((scratch / key).with_suffix(".lease"),)
        return tuple(
            sorted(
                {
                    lock.parent
                    for folder in (path.parent, path.parent.parent)
                    for lock in [*folder.glob(".lease"), *folder.glob(".leases/*/.lease")]
                }
            )
        )

    def superseded(self) -> Iterator[_Candidate]:
        """Find manifests that were replaced, if history is to be removed."""
        for experiment in self._experiments() if self.history else ():
            for path in manifest_files(experiment, True):
                yield _Candidate("history", path, "a later version took its place")

    def tables(self) -> Iterator[_Candidate]:
        """Find tables that no manifest lists."""
        needed = self.needs().tables
        for experiment in self._experiments():
            for path in sorted(experiment.glob("*/*.parquet")):
                place = (experiment.name, path.parent.name, path.name)
                if path.parent.name != HISTORY and place not in needed:
                    table = path.stem.rpartition("-")[0]
                    folder = path.parent / ".leases" / stage_writing(table)
                    yield _Candidate(
                        "table",
                        path,
                        "no manifest lists it",
                        (folder,),
                        partial(self._is_unneeded, "tables", place),
                    )

    def weights(self) -> Iterator[_Candidate]:
        """Find checkpoints that no manifest refers to."""
        needed = self.needs().weights
        for path in sorted((self.store.root / "checkpoints").glob("*/")):
            if path.is_dir() and path.name not in {*needed, QUARANTINE}:
                folder = (self.store.root / "scratch" / path.name).with_suffix(".lease")
                yield _Candidate(
                    "checkpoint",
                    path,
                    "no manifest refers to it",
                    (folder,),
                    partial(self._is_unneeded, "weights", path.name),
                )

    def pools(self) -> Iterator[_Candidate]:
        """Find pools of policies that no manifest names, and unlisted shards in the other pools."""
        policies = self.needs().policies
        for folder in pool_folders(self.store.root):
            listing = pool_listing(folder)
            if listing is None:
                raise IntegrityError(
                    f"{folder / MANIFEST} is not a pool's manifest; restore it from a copy before"
                    " anything is removed"
                )
            if folder.name not in policies:
                if any(p.name != ".lease" for p in folder.iterdir()):
                    yield _Candidate(
                        "pool",
                        folder,
                        "no experiment refers to its policy",
                        (folder,),
                        partial(self._is_unneeded, "policies", folder.name),
                    )
                continue
            for path in orphan_shards(folder, listing):
                yield _Candidate(
                    "orphan", path, "no manifest lists it", (folder,), partial(_is_orphan, path)
                )

    def quarantined(self) -> Iterator[_Candidate]:
        """Find quarantined shards, tables and weights.

        In pools of policies that no manifest names, the whole pool is garbage already.
        """
        policies = self.needs().policies
        for folder in pool_folders(self.store.root):
            for path in sorted((folder / QUARANTINE).glob("*")) if folder.name in policies else ():
                yield _Candidate("quarantined", path, "it was put aside", (folder,))
        for pattern in (f"checkpoints/{QUARANTINE}/*", f"experiments/*/*/{QUARANTINE}/*"):
            for path in sorted(self.store.root.glob(pattern)):
                yield _Candidate("quarantined", path, "it was put aside", self._leases_around(path))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _is_orphan(path: Path) -> bool:
    listing = pool_listing(path.parent)
    return listing is not None and path in orphan_shards(path.parent, listing)


def _age(path: Path) -> float:
    """Return the seconds since the newest change in a file or folder; 0 if it was just renamed."""
    try:
        changed = (
            [p.stat().st_mtime for p in (path, *path.rglob("*"))]
            if path.is_dir()
            else [path.stat().st_mtime]
        )
    except FileNotFoundError:
        return 0.0
    return time.time() - max(changed)


def _size(path: Path) -> int:
    return (
        sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
        if path.is_dir()
        else path.stat().st_size
    )


def _remove(path: Path) -> None:
    """Remove a file or a folder.

    A pool's lock stays, because another process may be waiting for it.
    """
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    if not (path / ".lease").exists():
        shutil.rmtree(path)
        return
    (path / MANIFEST).unlink(missing_ok=True)  # first: without it, no record exists
    for inner in path.iterdir():
        if inner.is_dir():
            shutil.rmtree(inner)
        elif inner.name != ".lease":
            inner.unlink()
