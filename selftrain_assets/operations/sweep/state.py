"""How far one run of a sweep is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from selftrain_assets.store import Store


@dataclass
class PointRun:
    """`sentence` says what it waits for, or why it has failed; `summary` is there once it is
    done."""

    name: str
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    stage: str = ""
    done: int = 0
    total: int = 0
    sentence: str = ""
    summary: dict[str, Any] | None = None
    not_before: float = 0.0
    tries: int = 0

    @property
    def accuracy(self) -> float | None:
        """After its last finished round, on held-out problems."""
        rounds = self.summary["iterations"] if self.summary else []
        return rounds[-1]["greedy_accuracy"] if rounds else None


def point_lease(store: Store, name: str) -> Path:
    """What whoever works on a run of a sweep holds, from its first stage to its last."""
    return store.root / "sweeps" / name
