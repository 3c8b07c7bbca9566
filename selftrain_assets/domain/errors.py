"""Every error a person may meet, grouped by who failed.

To add one: pick the group by what should happen next, subclass it only if some caller treats it
differently, and write one sentence that says what is wrong, where (file, line, field), and what to
do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SelftrainError(Exception):
    """Base. `exit_code` is what the command line ends with."""

    exit_code = 1


class UserError(SelftrainError):
    """Settings or data are wrong. Nothing was written; correct them and run again."""

    exit_code = 2


class ModelError(SelftrainError):
    """A model cannot be loaded or cannot do what is asked of it."""


class TaskError(SelftrainError):
    """The round itself cannot go on, for instance with no correct sample.

    Earlier rounds stay usable.
    """


class DivergenceError(TaskError):
    """A training whose loss, gradient or weights are no longer finite.

    Running again repeats it, so that nothing of it is kept.
    """


class InfraError(SelftrainError):
    """A machine, engine or service failed. The work is owed again; running again continues."""


class BusyError(InfraError):
    """Another live run holds the lease on this work."""


class IntegrityError(SelftrainError):
    """Stored bytes do not match their manifest. Stop; never read on silently."""


def nearest(word: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """A hint for a misspelt word: `; did you mean "x"?`, or the list of what is known."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=cutoff)
    return f'; did you mean "{close[0]}"?' if close else f"; known: {', '.join(names)}"


def by_likeness(word: str, known: Iterable[str]) -> list[str]:
    """What is known, the likest first."""
    return sorted(
        known, key=lambda name: (-difflib.SequenceMatcher(None, word, name).ratio(), name)
    )
