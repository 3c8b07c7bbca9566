"""Pools: records identified by a key of their content, in append-only shards.

A record exists if and only if the manifest lists its shard.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.runtime.faultpoints import fault_point
from selftrain_assets.runtime.files import needs_room, publish, write_atomically
from selftrain_assets.store.lease import lease
from selftrain_assets.store.repair import repair
from selftrain_assets.store.shards import MANIFEST, Contents, Quarantined, Shard, shard_name
from selftrain_assets.store.tables import AGAIN, damage, prepared_table, read_table, require_intact

R_co = TypeVar("R_co", covariant=True)


class Pool(Generic[R_co]):
    """Records of one type below one folder, each under its `key`."""

    def __init__(self, directory: Path, record: type[R_co]) -> None:
        self.directory, self.record = directory, record

    def contents(self) -> Contents:
        """What the manifest lists."""
        path = self.directory / MANIFEST
        if not path.exists():
            return Contents()
        try:
            return Contents.from_json(path.read_text())
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"{path} is not readable as a manifest; {AGAIN}") from error

    def shards(self) -> list[Shard]:
        """Committed shards, oldest first."""
        return self.contents().shards

    def quarantined(self) -> list[Quarantined]:
        """All files that were ever quarantined, with the reasons."""
        return self.contents().quarantined

    def files(self) -> list[Path]:
        """Paths of the committed shards."""
        return [self.directory / shard.file for shard in self.shards()]

    def damaged(self) -> list[Path]:
        """Paths of the shards that are not as they were committed."""
        return [
            self.directory / s.file
            for s in self.shards()
            if damage(self.directory / s.file, s.sha256)
        ]

    def is_sound(self) -> bool:
        """Whether all shards are as they were committed."""
        try:
            return not self.damaged()
        except IntegrityError:
            return False

    def check(self) -> None:
        """Check that all shards are as they were committed.

        Raises:
            IntegrityError: A shard is damaged.
        """
        for shard in self.shards():
            require_intact(self.directory / shard.file, shard.sha256)

    def records(self) -> list[Any]:
        """Committed records in the order of commit."""
        return [
            record
            for shard in self.shards()
            for record in read_table(self.directory / shard.file, self.record, shard.sha256)
        ]

    def keys(self) -> set[str]:
        """The keys of the committed records."""
        return {record.key for record in self.records()}

    @contextmanager
    def writing(self, owner: str) -> Iterator[None]:
        """Hold the pool's lease, and repair first what a kill or a disk has damaged.

        Missing records must be computed inside, or two writers could draw the same key. Damaged
        records are then among the missing ones.
        """
        with lease(self.directory, owner):
            repair(self)
            yield

    def commit(self, records: Sequence[Any]) -> None:
        """Write records durably as a shard, then list the shard in the manifest."""
        if not records:
            return
        with prepared_table(self.directory, "shard", self.record, records) as (temporary, digest):
            name = shard_name(uuid.uuid4().hex, digest)
            fault_point("before-shard-rename")
            with needs_room(self.directory / name):
                publish(temporary, self.directory / name)
            fault_point("after-shard-rename")
        contents = self.contents()
        self.replace(
            Contents([*contents.shards, Shard(name, len(records), digest)], contents.quarantined)
        )

    def replace(self, contents: Contents) -> None:
        """Write the manifest anew."""
        fault_point("before-pool-manifest")
        write_atomically(self.directory / MANIFEST, contents.to_json())
        fault_point("after-pool-manifest")

    def commit_stream(
        self, records: Iterable[Any], shard_size: int, shard_seconds: float = math.inf
    ) -> Generator[Any, None, None]:
        """Pass records through and commit them in shards.

        A shard has `shard_size` records, or fewer if `shard_seconds` have passed. The records of an
        open shard are also committed when the stream ends, is closed, or is interrupted, so that a
        clean stop loses nothing.
        """
        open_shard: list[Any] = []
        begun = time.monotonic()
        try:
            for record in records:
                open_shard.append(record)
                if len(open_shard) == shard_size or time.monotonic() - begun > shard_seconds:
                    # Before the commit: an interrupt inside it must not commit twice.
                    full, open_shard = open_shard, []
                    self.commit(full)
                    begun = time.monotonic()
                yield record
        finally:
            self.commit(open_shard)
