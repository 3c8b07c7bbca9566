"""The result of an audit: numbers for each stage, and findings as sentences."""

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
    """The audit of one stage of one round.

    A number is None if it cannot be known before an earlier stage is finished.

    Attributes:
        wanted: Number of keys that the settings ask for.
        committed: Number of wanted keys that are in files listed by a manifest.
        duplicated: Keys that occur more than once in a pool or a table.
        lost: Keys or files that a manifest names and that do not exist.
        quarantined: Keys of this stage in shards that were put in quarantine.
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
    """A sentence that says what is wrong, where, and what to do about it.

    `wrong` is False for what does no harm.
    """

    kind: FindingKind
    sentence: str
    wrong: bool = True


@dataclass(frozen=True, slots=True)
class Audit:
    """All lines and findings of an audit."""

    lines: tuple[Line, ...]
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        return not any(f.wrong for f in self.findings)
