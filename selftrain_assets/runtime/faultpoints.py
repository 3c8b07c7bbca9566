"""Named points between two writes, at which tests can end the process.

In production they do nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

FaultPoint = Literal[
    "before-shard-rename",  # the shard is written under a temporary name
    "after-shard-rename",  # the shard is an orphan
    "before-pool-manifest",
    "after-pool-manifest",
    "before-repair",  # damaged shards and orphans are found, nothing is noted
    "after-repair",  # they are noted, no damaged file is moved
    "after-quarantine-move",  # one of them is moved
    "before-table-rename",
    "after-table-rename",
    "before-stage-manifest",  # the manifest to be replaced is in history
    "after-stage-manifest",
    "before-checkpoint-publication",
    "after-checkpoint-publication",
    "after-optimizer-step",  # the step is in no saved state
    "after-trainer-state",  # the state is saved, those before it are still there
]
Hook = Callable[[FaultPoint], None]

_hooks: list[Hook] = []


def fault_point(name: FaultPoint) -> None:
    """Mark a point between two writes; calls the installed hook, if any."""
    for hook in _hooks:
        hook(name)


def install(hook: Hook) -> None:
    """Call `hook` at every point that this process passes from now on."""
    _hooks.append(hook)
