"""What every task offers: its problems, split."""

from __future__ import annotations

from typing import Protocol

from selftrain_assets.core.types import Problem


class Task(Protocol):
    """Settings that can load problems. The same settings load the same problems."""

    type: str
    seed: int  # of the problems, or of their split

    def load(self) -> list[Problem]:
        """Problems of every split; ids are unique. UserError names the file, line and field that is wrong."""
        ...
