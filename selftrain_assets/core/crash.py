"""Named points at which a process can be made to die, for fault tests. They do nothing unless SELFTRAIN_CRASH_AT is set."""

from __future__ import annotations

import os
import signal
from collections import Counter
from functools import cache

from selftrain_assets.core.errors import UserError, nearest

VARIABLE = "SELFTRAIN_CRASH_AT"
POINTS = (
    "before-shard-rename",  # store/pool.py: the shard is written under a temporary name
    "after-shard-rename",  # the shard is an orphan
    "before-pool-manifest",
    "after-pool-manifest",
    "before-repair",  # store/repair.py: damaged shards and orphans are found, nothing is noted
    "after-repair",  # they are noted, no damaged file is moved
    "after-quarantine-move",  # one of them is moved
    "before-table-rename",  # store/__init__.py
    "after-table-rename",
    "before-stage-manifest",  # the manifest to be replaced is in history
    "after-stage-manifest",
    "before-checkpoint-publication",
    "after-checkpoint-publication",
    "after-optimizer-step",  # trainers/callbacks.py: the step is in no saved state
    "after-trainer-state",  # the state is saved, those before it are still there
)
_passages: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """Kill this process by SIGKILL where SELFTRAIN_CRASH_AT is `name`, or `name:N` at the N-th passage."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    point, passage = _parse(wanted)
    if point == name:
        _passages[name] += 1
        if _passages[name] == passage:
            os.kill(os.getpid(), signal.SIGKILL)


@cache
def _parse(wanted: str) -> tuple[str, int]:
    point, _, passage = wanted.partition(":")
    if point not in POINTS:
        raise UserError(f'{VARIABLE}: there is no crash point "{point}"{nearest(point, POINTS)}')
    if passage and not (passage.isdecimal() and int(passage)):
        raise UserError(f'{VARIABLE}: "{passage}" is no passage; give {point} or {point}:N, N from 1')
    return point, int(passage or 1)
