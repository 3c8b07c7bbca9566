"""Inspect the files of a store, and compare them with its manifests.

Works on damaged stores too, and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.store.manifest import Manifest
from selftrain_assets.store.shards import MANIFEST, QUARANTINE, SHARDS, Contents
from selftrain_assets.store.tables import damage

HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Fault:
    """A listed file that is "missing" or "damaged", and the number of records lost with it."""

    file: Path
    kind: str
    records: int


@dataclass(frozen=True, slots=True)
class PoolState:
    """The shards, keys and faults of a pool.

    `again` maps a key that occurs more than once to the last shard that has it.
    """

    directory: Path
    keys: frozenset[str] = frozenset()
    again: dict[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    orphans: tuple[Path, ...] = ()
    quarantined: tuple[tuple[Path, int], ...] = ()  # files that are still there, with their records
    unreadable: bool = False  # the manifest itself

    @property
    def records_at_fault(self) -> int:
        return sum(f.records for f in self.faults)


def pool_state(directory: Path) -> PoolState:
    """Inspect every shard of a pool."""
    listing = pool_listing(directory)
    if listing is None:
        return PoolState(directory, unreadable=True)
    counted: Counter[str] = Counter()
    again: dict[str, str] = {}
    faults = []
    for shard in listing.shards:
        path = directory / shard.file
        if kind := fault_of(path, shard.sha256):
            faults.append(Fault(path, kind, shard.records))
            continue
        keys = column(path, "key")
        counted.update(keys)
        again |= {key: shard.file for key in keys if counted[key] > 1}
    return PoolState(
        directory,
        frozenset(counted),
        again,
        tuple(faults),
        tuple(orphan_shards(directory, listing)),
        tuple(_quarantined(directory, listing)),
    )


def pool_listing(directory: Path) -> Contents | None:
    """The content of a pool's manifest.

    It is empty if there is no manifest, and None if the manifest cannot be read.
    """
    path = directory / MANIFEST
    try:
        return Contents.from_json(path.read_text()) if path.exists() else Contents()
    except (ValueError, KeyError, TypeError):
        return None


def orphan_shards(directory: Path, listing: Contents) -> list[Path]:
    """Shard files that the manifest does not list."""
    listed = {shard.file for shard in listing.shards}
    return [path for path in sorted(directory.glob(SHARDS)) if path.name not in listed]


def _quarantined(directory: Path, listing: Contents) -> Iterator[tuple[Path, int]]:
    for entry in listing.quarantined:
        path = directory / QUARANTINE / entry.file
        if path.exists():
            yield path, entry.records


def fault_of(path: Path, sha256: str) -> str | None:
    """Why a file is not as committed, "missing" or "damaged", or None; reads every byte."""
    reason = damage(path, sha256, reread=True)
    return reason if reason in (None, "missing") else "damaged"


def column(path: Path, name: str) -> list[str]:
    """The values of one column of a file."""
    import pyarrow.parquet as pq

    return list(pq.read_table(path, columns=[name]).column(name).to_pylist())


def table_keys(path: Path, identified_by: Sequence[str] = ("key",)) -> list[str]:
    """The values that identify the records of a table.

    These are keys, ids of problems, or problems with methods, for instance. Columns that an older
    table lacks are left out.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = pq.read_schema(path).names
    columns = [name for name in identified_by if name in names]
    rows = pq.read_table(path, columns=columns) if columns else pa.table({})
    return [" ".join(str(value) for value in row.values() if value) for row in rows.to_pylist()]


def keys_if_readable(path: Path) -> list[str] | None:
    """The keys in a file that may be damaged, or None if it cannot be read."""
    import pyarrow as pa

    try:
        return column(path, "key")
    except (OSError, pa.ArrowException, KeyError):
        return None


def repeated(values: Iterable[str]) -> list[str]:
    """Values that occur more than once."""
    return [value for value, count in Counter(values).items() if count > 1]


def manifest_files(experiment: Path, history: bool) -> list[Path]:
    """Manifest files of an experiment's folder: the current ones, or those that they replaced."""
    return sorted(experiment.glob(f"*/{HISTORY}/*.json" if history else "*/*.json"))


def read_manifest(path: Path) -> Manifest | None:
    """The manifest in a file, or None if the file cannot be read as one."""
    try:
        return Manifest.read(path)
    except IntegrityError:
        return None


def pool_folders(root: Path) -> list[Path]:
    """The folders of all pools of a store."""
    return [
        p
        for p in sorted([*(root / "samples").glob("*/"), *(root / "verifications").glob("*/*/")])
        if p.is_dir()
    ]


def policy_of(manifest: Manifest) -> str | None:
    """The digest of the policy whose pool contains the records that a stage's table names."""
    if manifest.references.verifiers:
        return manifest.references.policy
    return manifest.parents.get("policy")


def parents_of(manifest: Manifest, name: str) -> list[tuple[str, str]]:
    """The stages, as (scope, stage), that the name of a parent can refer to."""
    scope, _, stage = name.rpartition("/")
    if scope:
        return [(scope, stage)]
    if name == "problems":
        return [("inputs", "problems")]
    return [(manifest.scope, name)]
