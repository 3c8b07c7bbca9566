"""Held-out text that a person allows in training rows, each time with a reason.

Reports and cards show the reasons.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import Field, StringConstraints

from selftrain_assets.domain.measurements import Leak
from selftrain_assets.domain.settings import Execution

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Waiver(Execution):
    """Lets the check `held_out_apart` pass for a problem, without a look at anything else of it."""

    problem: Text = Field(
        description=(
            "id of the problem to learn from, or of the held-out one; * stands for any characters"
        )
    )
    reason: Text = Field(description="why this leak does no harm")

    def covers(self, *ids: str) -> bool:
        """Is one of these meant?"""
        pattern = re.compile(".*".join(map(re.escape, self.problem.split("*"))), re.DOTALL)
        return any(pattern.fullmatch(id) for id in ids)


class Contamination(Execution):
    """What is done about held-out text in what is learnt from.

    A whole held-out question stops the round.
    """

    allow: tuple[Waiver, ...] = Field(
        (),
        description=(
            "problems whose held-out text is allowed in training rows, each with a reason"
        ),
    )


def divide(
    leaks: Iterable[Leak], allow: Sequence[Waiver]
) -> tuple[list[Leak], list[tuple[Waiver, int]]]:
    """Divide leaks by the waivers that cover them.

    Returns:
        The leaks that no waiver covers; and each waiver with the number of leaks that it is the
        first to cover.
    """
    uncovered: list[Leak] = []
    counts = [0] * len(allow)
    for leak in leaks:
        first = next(
            (
                n
                for n, waiver in enumerate(allow)
                if waiver.covers(leak["problem_id"], leak["held_out_id"])
            ),
            None,
        )
        if first is None:
            uncovered.append(leak)
        else:
            counts[first] += 1
    return uncovered, list(zip(allow, counts, strict=True))
