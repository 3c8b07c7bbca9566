"""A sweep: one experiment run with several values of some of its settings.

Each combination of values is a point with a name of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations, product
from typing import Any, Self

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails

from selftrain_assets.config.merging import with_changes
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.ranges import numbers
from selftrain_assets.domain.settings import Identity, merged

MOST_RUNS = 500
# characters, of what a point adds to the experiment's name, and of one value in it
LONGEST_NAME, LONGEST_VALUE = 80, 32
UNALTERED = "unaltered"
"""The point that sets nothing."""

NOT_SWEPT = {
    "sweep": "a sweep has no sweep of its own",
    "forks": (
        "a point goes on from where the file does; write a fork of its own with `selftrain fork`"
    ),
    "seed": "set sweep.seeds, which repeats every point with seeds and problems of their own",
}


class Sweep(Identity):
    """Points, each of which is the experiment with other values of some fields.

    A field is written as in `recipe.cap`.
    """

    grid: dict[str, list[Any]] = Field(
        {}, description="values by field, as in recipe.cap: [4, 8]; every combination is a point"
    )
    points: list[dict[str, Any]] = Field(
        [],
        description=(
            "instead of a grid, a list of points, each with its values by field; {} is the file"
            " as it is"
        ),
    )
    seeds: tuple[int, ...] = Field(
        (),
        description=(
            'each point is repeated with these, "0-4", 3 or a list; none: the seed of the file'
        ),
    )
    _point_settings: dict[str, dict[str, Any]] = PrivateAttr(default_factory=dict)

    @field_validator("seeds", mode="before")
    @classmethod
    def _written_as_a_range(cls, seeds: Any) -> Any:
        if isinstance(seeds, str) and not (seeds := tuple(numbers(seeds))):
            raise ValueError('give a seed, a range as in "0-4", or a list')
        return (seeds,) if isinstance(seeds, int) else seeds

    @model_validator(mode="after")
    def _has_points(self) -> Self:
        if bool(self.grid) == bool(self.points):
            raise ValueError(
                "set grid, values by field, or points, a list of them; one of the two, and not"
                " empty"
            )
        part = "grid" if self.grid else "points"
        if empty := [field for field, values in self.grid.items() if not values]:
            raise _refusal(part, f"{empty[0]} has no value; give it some, or take it out")
        for fields in [self.grid] if self.grid else self.points:
            _check_fields(part, fields)
        if len({*self.seeds}) < len(self.seeds) or any(seed < 0 for seed in self.seeds):
            raise _refusal("seeds", f"should be different numbers from 0, not {[*self.seeds]}")
        if self.seeds and any("task.seed" in changes for changes in self.changes):
            raise _refusal(part, "task.seed is set by sweep.seeds too; take one of them out")
        if (runs := len(self.changes) * len(self.seeds or (0,))) > MOST_RUNS:
            raise _refusal(
                part,
                f"{len(self.changes):,} points with {len(self.seeds or (0,))} seeds are {runs:,}"
                f" runs, and {MOST_RUNS} are the most",
            )
        return self

    @property
    def changes(self) -> list[dict[str, Any]]:
        """What each point sets, by field; the last field of a grid changes fastest."""
        return [*self.points] or [
            dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())
        ]

    @property
    def named(self) -> dict[str, dict[str, Any]]:
        """The same by the end of the point's name.

        A name stays when values are added behind the others.
        """
        changes = self.changes
        labels = _labels(dict.fromkeys(field for point in changes for field in point))
        values: dict[str, list[str]] = {field: [] for field in labels}
        points: dict[str, dict[str, Any]] = {}
        taken: set[str] = set()
        for point in changes:
            parts = []
            for field, value in point.items():
                if (text := _text(value)) not in values[field]:
                    values[field].append(text)
                parts.append(f"{labels[field]}-{_short(value) or values[field].index(text) + 1}")
            name = _unique_name("-".join(parts) or UNALTERED, _text(point), taken)
            taken.add(_comparable(name))
            points[name] = point
        return points

    @property
    def point_settings(self) -> dict[str, dict[str, Any]]:
        """Settings of each point as a file would have them, by the point's suffix.

        They are known after `validate_points`.
        """
        return self._point_settings

    def validate_points(
        self,
        data: Mapping[str, Any],
        validate: Callable[[Any], Any],
        sentence: Callable[[ValidationError], str],
    ) -> None:
        """Check that every point is an experiment, and that no two are the same.

        Args:
            data: What the file says.
            validate: Makes an experiment of settings.
            sentence: The message of a fault.

        Raises:
            ValidationError: With the sentence on the first fault.
        """
        part = "grid" if self.grid else "points"
        experiments: dict[str, list[tuple[str, Any]]] = {}
        for name, changes in self.named.items():
            values = at_point(data, changes)
            try:
                config = validate(values)
            except ValidationError as error:
                raise _refusal(("sweep", part), _message(changes, sentence(error))) from error
            candidates = experiments.setdefault(config.model_dump_json(), [])
            if equal := [other for other, known in candidates if known == config]:
                raise _refusal(
                    ("sweep", part),
                    f"{equal[0]} and {name} are the same point; take one of them out",
                )
            candidates.append((name, config))
            self._point_settings[name] = values


def at_point(data: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says, with the values of a point laid over it, and without its sweep."""
    values = {name: value for name, value in data.items() if name != "sweep"}
    sections: dict[str, Any] = {}
    for field, value in changes.items():
        for part in reversed(field.split(".")):
            value = {part: value}
        sections = merged(sections, value)
    return with_changes(values, sections)


def described(changes: Mapping[str, Any]) -> str:
    """The values of a point in words."""
    return (
        ", ".join(
            f"{field} {value if isinstance(value, str) else _text(value)}"
            for field, value in changes.items()
        )
        or UNALTERED
    )


def _check_fields(part: str, fields: Iterable[str]) -> None:
    for field in fields:
        top, *_ = parts = field.split(".")
        if not all(parts):
            raise _refusal(
                part,
                f'"{field}" is no field; write its sections with dots between, as in recipe.cap',
            )
        if top in NOT_SWEPT:
            raise _refusal(part, f"{field} cannot be swept: {NOT_SWEPT[top]}")
    for one, other in combinations(fields, 2):
        if f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}."):
            raise _refusal(part, f"{one} and {other} set the same; give each setting once")


def _message(changes: Mapping[str, Any], sentence: str) -> str:
    """The message of a fault with the field or values that it is about.

    For an unknown field it is the field's name as the sweep has it; for any other fault the values
    of the point.
    """
    if unknown := [field for field in changes if sentence.startswith(f'unknown field "{field}"')]:
        return f"{unknown[0]}: {sentence}"
    return f"{sentence} (point {described(changes)})"


def _refusal(loc: str | tuple[str, ...], message: str) -> ValidationError:
    where = (loc,) if isinstance(loc, str) else loc
    fault = InitErrorDetails(
        type="value_error", loc=where, input={}, ctx={"error": ValueError(message)}
    )
    return ValidationError.from_exception_data("Sweep", [fault])


def _labels(fields: Iterable[str]) -> dict[str, str]:
    """The last part of each field, and as many before it as tell it from the others.

    `seed` is never alone: experiments that are repeated end with it.
    """
    split = {field: field.split(".") for field in fields}
    labels = {}
    for field, parts in split.items():
        for count in range(1, len(parts) + 1):
            end = parts[-count:]
            if end != ["seed"] and sum(other[-count:] == end for other in split.values()) == 1:
                break
        labels[field] = _word("_".join(end))
    return labels


def _short(value: Any) -> str | None:
    """A number or a short word as part of a name; None for anything else."""
    if isinstance(value, str):
        text = _word(value)
    elif value is None or isinstance(value, bool | int | float):
        text = str(value).lower().replace("+", "").replace(".", "p")
        text = f"minus{text[1:]}" if text.startswith("-") else text
    else:
        return None
    return text if 0 < len(text) <= LONGEST_VALUE else None


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_")


def _unique_name(name: str, text: str, taken: set[str]) -> str:
    """Cut where it is too long, and told from those before by a digest.

    The digest begins with a letter: it is no seed.
    """
    digest = fingerprint("sweep", text)
    if len(name) <= LONGEST_NAME and _comparable(name) not in taken:
        return name
    ends = (
        f"{name[:LONGEST_NAME].rstrip('-_')}-d{digest[:length]}"
        for length in range(6, len(digest) + 1)
    )
    return next(end for end in ends if _comparable(end) not in taken)


def _comparable(name: str) -> str:
    """Names that a file system or the Dagster UI may not tell apart."""
    return name.replace("-", "_").casefold()


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
