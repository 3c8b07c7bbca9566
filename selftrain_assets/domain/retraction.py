"""Bad evidence: a problem, a sample, or a source of rows that no round may learn from any more.

What was retracted stays in the store, marked; rounds that learnt from it are owed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from selftrain_assets.domain.types import Row

Kind = Literal["problem", "sample", "source"]


@dataclass(frozen=True, slots=True)
class Retraction:
    """One thing that is retracted.

    `value` is a problem's id, a sample's key, or a source: `human`, `rationalized`, `translated`,
    `improved`, or a round such as iter-002.
    """

    kind: Kind
    value: str
    reason: str
    at: str


@dataclass(frozen=True, slots=True)
class Retractions:
    """All of one experiment."""

    listed: tuple[Retraction, ...] = ()

    def values(self, kind: Kind) -> frozenset[str]:
        return frozenset(r.value for r in self.listed if r.kind == kind)

    def identity(self) -> list[tuple[str, str]]:
        """What enters keys: neither reason nor date."""
        return sorted((r.kind, r.value) for r in self.listed)

    def touches(self, row: Row, scope: str) -> bool:
        """Whether a row of the round `scope` stems from what was retracted."""
        sources = self.values("source")
        return (
            row.problem_id in self.values("problem")
            or not self.values("sample").isdisjoint((row.sample_key, row.translates))
            or row.source in sources
            or (row.source != "human" and scope in sources)
        )

    def to_records(self) -> list[dict[str, str]]:
        return [asdict(r) for r in self.listed]

    @classmethod
    def union(cls, several: Iterable[Retractions]) -> Retractions:
        """Those of several experiments; what more than one of them lists counts once."""
        union: dict[tuple[str, str], Retraction] = {}
        for retractions in several:
            for retraction in retractions.listed:
                union.setdefault((retraction.kind, retraction.value), retraction)
        return cls(tuple(union.values()))

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> Retractions:
        return cls(tuple(Retraction(**record) for record in records))
