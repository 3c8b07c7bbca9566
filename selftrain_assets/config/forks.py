"""A fork: an experiment that goes on from a round of another one with other settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any

from pydantic import Field

from selftrain_assets.domain.settings import Identity

CHANGEABLE = ("recipe", "trainer", "seed")
"""What decides the rounds after a fork. The rest all rounds share, which is why they can be
compared."""


class Fork(Identity):
    """Where an experiment leaves another one, and what is different from there on.

    The file holds the settings of all rounds, and of the other experiment nothing is asked but its
    retractions: rounds up to `iteration` are the same work in both, and work is found by its
    content.
    """

    experiment: str = Field(
        pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$",
        description="experiment that this one continues; its retractions hold here too",
    )
    iteration: int = Field(ge=0, description="the last round that is shared; 0 is the base")
    changes: dict[str, Any] = Field(
        {},
        description=(
            "settings of the rounds after it, merged into those of the file:"
            f" {', '.join(CHANGEABLE)}; none: an equal copy"
        ),
    )

    def __str__(self) -> str:
        changed = " and ".join(
            f"{path} {_written(value)}"
            for path, value in sorted(leaves(self.changes), key=itemgetter(0))
        )
        return (
            f"{self.experiment} after iteration {self.iteration},"
            f" {f'with {changed}' if changed else 'unaltered'}"
        )


def leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The path and the value of every setting, `recipe.cap` 8."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
