"""What an audit says: lines of numbers and findings in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["done", "owed", "begun", "not begun", "not asked for"]
FindingKind = Literal[
    "unreadable",
    "missing",
    "damaged",
    "duplicated",
    "lost",
    "orphan",
    "unlisted",
    "stale",
    "broken",
    "changed",
    "settings",
    "dagster",
]


@dataclass(frozen=True, slots=True)
class Line:
    """One stage of one round. A number is None where it cannot be known before an earlier stage is
    finished.

    `wanted` is what the settings ask for, `committed` what of it lies under a committed manifest.
    `duplicated` counts keys that occur more than once in a pool or a table, `lost` keys or files
    that a manifest names and nothing holds, `quarantined` keys of this stage in shards that were
    put aside.
    """

    experiment: str
    scope: str
    stage: str
    state: State
    wanted: int | None = None
    committed: int | None = None
    duplicated: int = 0
    lost: int = 0
    quarantined: int = 0

    @property
    def owed(self) -> int | None:
        return (
            None if self.wanted is None or self.committed is None else self.wanted - self.committed
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence that says what is the matter, where, and what to do. `wrong` is False for what
    does no harm."""

    kind: FindingKind
    sentence: str
    wrong: bool = True


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything that was looked at and everything that was found."""

    lines: tuple[Line, ...]
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        return not any(f.wrong for f in self.findings)
