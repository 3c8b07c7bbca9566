"""The shards and quarantined files that the manifest of a pool lists."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field

MANIFEST, QUARANTINE = "manifest.json", "quarantine"
SHARDS = "shard-*.parquet"


@dataclass(frozen=True, slots=True)
class Shard:
    """One committed file."""

    file: str
    records: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A file that was quarantined, with the reason.

    `records` is 0 and `sha256` empty if they are not known.
    """

    file: str
    records: int
    sha256: str
    reason: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The content of a pool's manifest: its shards, oldest first, and all quarantined files."""

    shards: list[Shard] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)

    def to_json(self) -> str:
        listed = {"shards": [asdict(s) for s in self.shards]}
        return json.dumps(
            listed
            | ({"quarantined": [asdict(q) for q in self.quarantined]} if self.quarantined else {}),
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> Contents:
        """Parse the content of a manifest.

        Raises:
            ValueError, KeyError, TypeError: The text is not a manifest.
        """
        values = json.loads(text)
        return cls(
            [Shard(**s) for s in values["shards"]],
            [Quarantined(**q) for q in values.get("quarantined", [])],
        )


def shard_name(unique: str, sha256: str) -> str:
    """The file name of a shard.

    It contains the checksum, so that a shard can be checked if no manifest lists it.
    """
    return f"shard-{unique[:12]}-{sha256}.parquet"


def checksum_in(name: str) -> str | None:
    """The checksum in a shard's name; None if an older version named it."""
    match = re.fullmatch(r"shard-[0-9a-f]{12}-([0-9a-f]{64})\.parquet", name)
    return match[1] if match else None
