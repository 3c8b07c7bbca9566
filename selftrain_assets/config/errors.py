"""Validation errors of pydantic as one sentence.

It names the field as the user wrote it, what is wrong, and the names or values that are known.
"""

from __future__ import annotations

import re
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from selftrain_assets.config.forks import Fork
from selftrain_assets.domain.errors import nearest
from selftrain_assets.plugins import Member


def sentence(error: ValidationError, settings: type[BaseModel]) -> str:
    """The first fault in what should be these settings."""

    # A misspelt name often leaves another field missing; the misspelling is the cause, so it is
    # told first. Where a section may also be a plain value, what is wrong inside of it says more
    # than that it is no such value.
    def vagueness(fault: Any) -> tuple[bool, bool]:
        return fault["type"] != "extra_forbidden", fault["type"].endswith("_type") and isinstance(
            fault["input"], dict
        )

    fault = min(error.errors(), key=vagueness)
    path, siblings = _locate(fault["loc"], settings)
    name, context = ".".join(path) or "the file", fault.get("ctx", {})
    if fault["type"] == "extra_forbidden":
        return f'unknown field "{name}"{nearest(path[-1], siblings)}'
    if fault["type"] == "literal_error":
        return (
            f"{name}: there is no"
            f' "{fault["input"]}"{nearest(str(fault["input"]), _quoted_names(context["expected"]))}'
        )
    message = fault["msg"].removeprefix("Value error, ").replace("Input should", "should")
    value_note = (
        ""
        if isinstance(fault["input"], dict) or fault["type"] == "missing"
        else f", not {fault['input']!r}"
    )
    # settings that do not fit together; the message names them
    concerns_several = not path and fault["type"] == "value_error"
    return f"{'' if concerns_several else f'{name}: '}{message}{value_note}"


def _quoted_names(text: str) -> list[str]:
    return re.findall(r"'([^']+)'", text)


PLAIN = ("str", "int", "float", "bool")  # pydantic's names for such branches


def _locate(loc: tuple[int | str, ...], settings: type[BaseModel]) -> tuple[list[str], list[str]]:
    """Path of a field as the user wrote it, and the names of the fields known at its end.

    The name of a member (plugins.py) is part of the place of a fault in it, and so are pydantic's
    names for the branches of a union.
    """
    path: list[str] = []
    models: list[type[BaseModel]] = [settings]
    named_by_person = False
    for part in loc:
        if named_by_person:
            path.append(str(part))
            named_by_person = False
            continue
        if (member := _member(models, part)) is not None:
            models = [member]
            continue
        # pydantic's name for a branch of a union, within the names of its validators
        if branches := [
            model
            for model in models
            if part == model.__name__ or str(part).endswith(f", {model.__name__}]")
        ]:
            models = branches
            continue
        if part in PLAIN:
            break
        if isinstance(part, int) and path:  # the place in a list
            path[-1] += f"[{part}]"
            continue
        if not models and isinstance(part, str):
            break
        path.append(str(part))
        annotation = next(
            (
                model.model_fields[str(part)].annotation
                for model in models
                if part in model.model_fields
            ),
            None,
        )
        if annotation is None:
            break
        models = [settings] if models == [Fork] and part == "changes" else _settings_in(annotation)
        named_by_person = get_origin(annotation) is dict and models != [settings]
    return path, sorted({name for model in models for name in model.model_fields})


def _member(kinds: list[type[BaseModel]], name: int | str) -> type[Member] | None:
    """The member of one of these kinds that has the name."""
    for kind in kinds:
        if "registry" in kind.__dict__ and issubclass(kind, Member):
            return kind.registry.of({"type": name})
    return None


def _settings_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for inner in get_args(annotation) for model in _settings_in(inner)]
