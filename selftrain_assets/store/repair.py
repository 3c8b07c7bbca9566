"""Repair a pool before it is written to.

Damaged shards are quarantined, and shards that no manifest lists are adopted or quarantined. One
atomic write of the manifest decides; files are moved after it. A kill before it changes nothing,
and a kill after it leaves only moves, which the next repair finishes because the manifest says what
is quarantined.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.runtime.faultpoints import fault_point
from selftrain_assets.runtime.files import publish, write_atomically
from selftrain_assets.store.inspection import column
from selftrain_assets.store.shards import (
    MANIFEST,
    QUARANTINE,
    SHARDS,
    Contents,
    Quarantined,
    Shard,
    checksum_in,
)
from selftrain_assets.store.tables import damage, read_table

if TYPE_CHECKING:
    from selftrain_assets.store.pool import Pool

log = logging.getLogger(__name__)


def repair(pool: Pool[Any]) -> None:
    """Repair a pool; the caller must have its lease."""
    folder = pool.directory
    for pattern in (".shard*.tmp", f".{MANIFEST}.*.tmp"):
        for leftover in folder.glob(pattern):  # the writer that made it is dead: we have its lease
            leftover.unlink()
    before, lost = _listed(pool)
    kept: list[Shard] = []
    aside = list(lost)
    for shard in before.shards:
        if reason := damage(folder / shard.file, shard.sha256):
            aside.append(Quarantined(shard.file, shard.records, shard.sha256, reason))
        else:
            kept.append(shard)
    adopted, refused = _orphans(pool, before, kept)
    aside += refused
    after = Contents(kept + adopted, before.quarantined + aside)
    if aside or adopted:
        fault_point("before-repair")
        pool.replace(after)
        fault_point("after-repair")
    for entry in aside:
        log.warning(
            "%s: %s; quarantined, and its %d records are owed again",
            folder / entry.file,
            entry.reason,
            entry.records,
        )
    for shard in adopted:
        log.warning(
            "%s: written before a kill, but not listed; its %d records are adopted",
            folder / shard.file,
            shard.records,
        )
    for entry in after.quarantined:
        if entry.file != MANIFEST and (folder / entry.file).exists():
            (folder / QUARANTINE).mkdir(exist_ok=True)
            publish(folder / entry.file, folder / QUARANTINE / entry.file)
            fault_point("after-quarantine-move")


def _listed(pool: Pool[Any]) -> tuple[Contents, list[Quarantined]]:
    """What the manifest lists, and the manifest itself if it had to be quarantined.

    A manifest that cannot be read is copied to quarantine. Its shards are then listed nowhere, and
    the checksums in their names say whether they are whole.
    """
    try:
        return pool.contents(), []
    except IntegrityError:
        torn = (pool.directory / MANIFEST).read_bytes()
        digest = hashlib.sha256(torn).hexdigest()
        write_atomically(pool.directory / QUARANTINE / f"manifest-{digest[:12]}.json", torn)
        return Contents(), [Quarantined(MANIFEST, 0, digest, "not readable as a manifest")]


def _orphans(
    pool: Pool[Any], listed: Contents, kept: list[Shard]
) -> tuple[list[Shard], list[Quarantined]]:
    known = {s.file for s in listed.shards} | {q.file for q in listed.quarantined}
    orphans = [path for path in sorted(pool.directory.glob(SHARDS)) if path.name not in known]
    adopted: list[Shard] = []
    refused: list[Quarantined] = []
    if not orphans:
        return adopted, refused
    committed = {key for s in kept for key in column(pool.directory / s.file, "key")}
    for path in orphans:
        sha256 = checksum_in(path.name)
        keys, reason = _keys(path, sha256, pool.record)
        if reason is None and (len(set(keys)) < len(keys) or committed & set(keys)):
            reason = "listed in no manifest, and its keys are committed already"
        if reason is None and sha256 is not None:
            adopted.append(Shard(path.name, len(keys), sha256))
            committed |= set(keys)
        else:
            refused.append(Quarantined(path.name, len(keys), sha256 or "", reason or ""))
    return adopted, refused


def _keys(path: Path, sha256: str | None, record: type) -> tuple[list[str], str | None]:
    """Keys of a shard that no manifest lists, or why it cannot be trusted."""
    if sha256 is None:
        return [], "listed in no manifest, and its name holds no checksum"
    try:
        return [r.key for r in read_table(path, record, sha256)], None
    except IntegrityError:
        return (
            [],
            (
                "listed in no manifest, and"
                f" {damage(path, sha256) or 'its columns are those of another version'}"
            ),
        )
