"""Base classes of everything a person can set.

Two kinds are kept apart by type. `Identity` settings change what is computed, and enter the keys of
samples, verifications, rows and checkpoints. `Execution` settings change where and how fast; they
never enter a key.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator


class Settings(BaseModel):
    """Frozen; refuses unknown fields (domain/errors.py turns that into the nearest right name)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False
    )
    renamed: ClassVar[Mapping[str, str]] = {}
    """Former name of each field that had one. Files may still use it, and keys always do."""

    @model_validator(mode="before")
    @classmethod
    def _current_names(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not cls.renamed:
            return data
        data = with_current_names(data, cls.renamed)
        for name, former in cls.renamed.items():
            if former in data:
                raise ValueError(
                    f"{former} is the former name of {name}, and both are set; keep {name}"
                )
        return data


class Identity(Settings):
    """Settings that decide the result.

    Fields in `added` came after stores were made, and at their default mean what was done before
    them: there they enter no key.
    """

    added: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def identity_of_class(cls) -> Mapping[str, str]:
        """What enters keys beside the fields, or in place of one (plugins.py, Member)."""
        return {}


class Execution(Settings):
    """Settings that decide only where and how fast the result is made."""


def with_current_names(data: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """Settings with the current names of their fields, and a warning for each former one.

    Args:
        data: Settings as a file has them.
        renamed: Former names by current ones.

    Returns:
        The settings; where both names are set, both are left, for validation to refuse.
    """
    current = {former: name for name, former in renamed.items() if name not in data}
    for former in current.keys() & data.keys():
        _warn_once(former, current[former])
    return {current.get(field, field): value for field, value in data.items()}


@cache
def _warn_once(former: str, name: str) -> None:
    warnings.warn(
        f"the setting {former} is called {name} now; the next release no longer knows {former}",
        FutureWarning,
        stacklevel=2,
    )


def with_types(settings: type[BaseModel], data: Any) -> Any:
    """The same data, in which every section without `type` is of the type that is its default."""
    if not isinstance(data, dict):
        return data
    complete = dict(data)
    for section, field in settings.model_fields.items():
        default = getattr(field.default, "type", None)
        if default and isinstance(complete.get(section), dict):
            complete[section] = {"type": default, **complete[section]}
    return complete


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others laid over them.

    Sections are merged field by field; every other value is replaced.
    """
    sections = {
        name: merged(section, above[name])
        for name, section in below.items()
        if isinstance(section, Mapping) and isinstance(above.get(name), Mapping)
    }
    return {**below, **above, **sections}
