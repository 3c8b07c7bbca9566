"""Pools: content-keyed records in append-only shards. A record exists if and only if the manifest lists its shard."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selftrain_assets.core.files import write_atomically
from selftrain_assets.store.lease import lease
from selftrain_assets.store.tables import read_table, write_table

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Shard:
    """One committed file."""

    file: str
    records: int
    sha256: str


class Pool:
    """Records of one type below one folder, each under its `key`."""

    def __init__(self, directory: Path, record: type) -> None:
        self.directory, self._record = directory, record

    def shards(self) -> list[Shard]:
        """Committed shards, oldest first."""
        path = self.directory / MANIFEST
        return [Shard(**s) for s in json.loads(path.read_text())["shards"]] if path.exists() else []

    def records(self, keys: Collection[str] | None = None) -> list[Any]:
        """Committed records, or those with one of `keys`, in order of commit."""
        return [r for shard in self.shards() for r in self._read(shard) if keys is None or r.key in keys]

    def keys(self) -> set[str]:
        """Keys of all committed records."""
        return {r.key for shard in self.shards() for r in self._read(shard)}

    def _read(self, shard: Shard) -> list[Any]:
        return read_table(self.directory / shard.file, self._record, shard.sha256)

    @contextmanager
    def writing(self, owner: str) -> Iterator[None]:
        """Hold the pool's lease; `owed` must be computed inside, or two writers could draw the same key."""
        with lease(self.directory, owner):
            yield

    def commit(self, records: Sequence[Any]) -> None:
        """Make a shard of `records` durable, then list it."""
        if not records:
            return
        name = f"shard-{uuid.uuid4().hex}.parquet"
        digest = write_table(self.directory / name, self._record, records)
        listed = [*self.shards(), Shard(name, len(records), digest)]
        write_atomically(self.directory / MANIFEST, json.dumps({"shards": [asdict(s) for s in listed]}, indent=1))

    def commit_stream(self, records: Iterable[Any], shard_size: int) -> Generator[Any, None, None]:
        """Pass records through, committing each `shard_size` of them; what is open is committed too when the stream
        ends, is closed, or is interrupted, so that a clean stop loses nothing."""
        open_shard: list[Any] = []
        try:
            for record in records:
                open_shard.append(record)
                if len(open_shard) == shard_size:
                    full, open_shard = open_shard, []  # before the commit: an interrupt inside it must not commit twice
                    self.commit(full)
                yield record
        finally:
            self.commit(open_shard)
