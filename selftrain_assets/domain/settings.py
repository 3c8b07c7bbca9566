"""Base classes of everything a person can set.

Two kinds are kept apart by type. `Identity` settings change what is computed, and enter the keys of
samples, verifications, rows and checkpoints. `Execution` settings change where and how fast; they
never enter a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen; refuses unknown fields (domain/errors.py turns that into the nearest right name)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )


class Identity(Settings):
    """Settings that decide the result.

    Fields in `added` came after stores were made, and at their default mean what was done before
    them: there they enter no key.
    """

    added: ClassVar[tuple[str, ...]] = ()


class Execution(Settings):
    """Settings that decide only where and how fast the result is made."""


def with_types(settings: type[BaseModel], data: Any) -> Any:
    """The same data, in which every section without `type` is of the type that is its default."""
    if not isinstance(data, dict):
        return data
    filled = dict(data)
    for section, field in settings.model_fields.items():
        default = getattr(field.default, "type", None)
        if default and isinstance(filled.get(section), dict):
            filled[section] = {"type": default, **filled[section]}
    return filled


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others laid over them.

    Sections are merged field by field; every other value is replaced.
    """
    both = {
        k: merged(v, above[k])
        for k, v in below.items()
        if isinstance(v, Mapping) and isinstance(above.get(k), Mapping)
    }
    return {**below, **above, **both}
