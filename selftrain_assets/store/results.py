"""Typed results of stages, whose fields are written to manifests and read from them.

A manifest has results in three parts: `counts` of records, `metrics` that reports show, and
`detail` that later stages and operations read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic.fields import FieldInfo

Part = Literal["counts", "metrics", "detail"]
PARTS: tuple[Part, ...] = ("counts", "metrics", "detail")
Parts = Mapping[Part, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class In:
    """Where a manifest has a field of a result.

    It says in which part, under which name if it is not the field's own, and under which name in
    older stores.
    """

    part: Part
    name: str | None = None
    formerly: str | None = None


T = TypeVar("T")
Count = Annotated[int, In("counts")]
OptionalCount = Annotated[int | None, In("counts")]
Metric = Annotated[T, In("metrics")]
Detail = Annotated[T, In("detail")]


class StageResult(BaseModel):
    """The result of a stage.

    The annotation of each field says where a manifest has it; a field that is None is left out.

    A manifest has a field under its alias if it has one, as a count of the word `pass` must.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        protected_namespaces=(),
        ser_json_inf_nan="constants",
    )

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """Read a result from the parts of a manifest, ignoring everything else in them.

        Raises:
            pydantic.ValidationError: The parts are of another stage, or were altered.
        """
        values = {}
        for field, info in cls.model_fields.items():
            place = _place(info)
            for name in (place.name or info.alias or field, place.formerly):
                if name is not None and name in parts[place.part]:
                    values[field] = parts[place.part][name]
                    break
        return cls(**values)

    def to_parts(self) -> dict[str, dict[str, Any]]:
        """The parts of a manifest, in JSON types."""
        parts: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
        for field, value in self.model_dump(mode="json").items():
            info = type(self).model_fields[field]
            place = _place(info)
            parts[place.part][place.name or info.alias or field] = value
        return parts

    @model_serializer(mode="wrap")
    def _without_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {field: value for field, value in handler(self).items() if value is not None}


def _place(info: FieldInfo) -> In:
    return next(note for note in info.metadata if isinstance(note, In))
