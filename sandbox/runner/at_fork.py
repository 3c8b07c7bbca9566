"""What the standard library has done in every forked process, held back in the zygote's: it would cost a case more than the fork.

`threading` renews locks that nobody holds here, since the zygote has one thread; `logging` likewise. A program's own forks are an
ordinary interpreter's: the hooks are handed to Python before it begins.
"""

from __future__ import annotations

import os
from typing import Any

_register = os.register_at_fork
_held: list[dict[str, Any]] = []


def hold_back() -> None:
    """From now on, only note what is to be done. To be called before anything else is imported."""
    os.register_at_fork = lambda **hooks: _held.append(hooks)


def release() -> None:
    """In a forked process: what was noted is done in its own forks, and what is asked for from now on."""
    os.register_at_fork = _register
    for hooks in _held:
        _register(**hooks)
