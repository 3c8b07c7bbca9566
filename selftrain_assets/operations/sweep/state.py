"""The state of one run of a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from selftrain_assets.store import Store


@dataclass
class PointRun:
    """The state of the run of one point.

    `sentence` says what it waits for or why it failed; `summary` is set once it is done.
    """

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
        """Accuracy on held-out problems after its last finished round."""
        rounds = self.summary["iterations"] if self.summary else []
        return rounds[-1]["greedy_accuracy"] if rounds else None


def point_lease(store: Store, name: str) -> Path:
    """Return the lease of a run of a sweep, which is taken for all of its stages."""
    return store.root / "sweeps" / name
