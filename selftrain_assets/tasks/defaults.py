"""What a task brings for an experiment or a suite that names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from selftrain_assets.core.settings import merged
from selftrain_assets.tasks import TASKS


def with_task_defaults(data: Any, sampled_by: type[BaseModel] | None = None) -> Any:
    """The same settings over the `prompt`, `verifier` and `sampling` of the task that they name; no verifier where they name one of another
    type. With `sampled_by`, the sampling belongs into the section `recipe`, if it is of that type: another recipe has methods with
    prompts, verifiers and sampling of their own."""
    if not isinstance(data, Mapping):
        return data
    task, verifier, recipe = data.get("task"), data.get("verifier"), data.get("recipe", {})
    kind = TASKS.get(str(task.get("type"))) if isinstance(task, Mapping) else type(task)
    defaults = dict(getattr(kind, "defaults", {}))
    if defaults and isinstance(verifier, Mapping) and verifier.get("type") not in (None, defaults["verifier"]["type"]):
        del defaults["verifier"]
    if defaults and sampled_by is not None:
        own = sampled_by.model_fields["type"].default
        if not isinstance(recipe, Mapping) or recipe.get("type", own) != own:
            return data
        defaults["recipe"] = {"sampling": defaults.pop("sampling")}
    return merged(defaults, data)
