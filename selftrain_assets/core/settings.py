"""Base classes of everything a person can set.

Two kinds are kept apart by type. `Identity` settings change what is computed, and enter the keys of samples,
verifications, rows and checkpoints. `Execution` settings change where and how fast; they never enter a key.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen; refuses unknown fields (core/errors.py turns that into the nearest right name)."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class Identity(Settings):
    """Settings that decide the result."""


class Execution(Settings):
    """Settings that decide only where and how fast the result is made."""
