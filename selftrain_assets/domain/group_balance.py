"""Parts of a dataset in a given ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from selftrain_assets.domain.seeds import derive_seed
from selftrain_assets.domain.types import Row


def distinct_rows(rows: Sequence[Row]) -> list[Row]:
    """The first of rows with the same prompt and the same text but for white space."""
    first_rows: dict[tuple[str, str], Row] = {}
    for row in rows:
        first_rows.setdefault((row.prompt, " ".join(row.completion.split())), row)
    return list(first_rows.values())


def in_ratio(
    parts: Mapping[str, Sequence[Row]], ratio: Mapping[str, float], seed: int
) -> dict[str, list[Row]]:
    """The largest choice of rows in which the parts stand in this ratio, up to rounding.

    A part whose number is 0 is left out; one that has no rows does not hold the others back. Which
    rows are chosen depends on the seed and their keys alone; they keep their order.
    """
    shares = {name: ratio[name] for name in parts if ratio[name] and parts[name]}
    unit = min((len(parts[name]) / share for name, share in shares.items()), default=0.0)
    return {
        name: _subset(rows, round(unit * shares.get(name, 0)), seed) for name, rows in parts.items()
    }


def _subset(rows: Sequence[Row], count: int, seed: int) -> list[Row]:
    chosen = set(
        sorted((row.key for row in rows), key=lambda key: derive_seed(seed, "ratio", key))[:count]
    )
    return [row for row in rows if row.key in chosen]
