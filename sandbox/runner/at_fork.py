"""The standard library's work in a forked process, postponed until a program forks itself.

A case is forked from a zygote of one thread: nobody holds the locks that `threading` and `logging`
renew, and the numbers that `random` draws are made anew by the zygote. Doing it all for every case
would cost as much again as the fork. A program's own forks are an ordinary interpreter's.
"""

from __future__ import annotations

import os
from typing import Any

_register, _fork = os.register_at_fork, os.fork
_held: list[dict[str, Any]] = []


def hold_back() -> None:
    """From now on, only note what is to be done. To be called before anything else is imported."""
    os.register_at_fork = lambda **hooks: _held.append(hooks)


def hand_over() -> None:
    """In the process of a case: its first fork registers what was noted."""

    def fork() -> int:
        """As os.fork."""
        os.fork, os.register_at_fork = _fork, _register
        for hooks in _held:
            _register(**hooks)
        return _fork()

    os.fork = fork
