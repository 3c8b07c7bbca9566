"""What can go wrong that is not the program's doing.

None of these is ever a verdict on a program.
"""

from __future__ import annotations


class SandboxError(Exception):
    """Base."""


class EngineError(SandboxError):
    """There is no Docker engine, or it went away.

    The work in flight is owed again; nothing was judged wrong.
    """


class UnsafeError(SandboxError):
    """A control that the sandbox relies on does not take effect here, so that nothing is run."""
