"""What a task brings for an experiment or a suite that names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from selftrain_assets.domain.prompts import with_arguments_named
from selftrain_assets.domain.settings import merged
from selftrain_assets.tasks import TASKS


def with_task_defaults(data: Any, recipe: type[BaseModel] | None = None) -> Any:
    """Settings laid over the defaults of the task that they name.

    A task has defaults for `prompt`, `verifier` and `sampling`. A verifier of another type replaces
    the task's, except that members of that other one which have the task's type take its settings.

    With a `recipe`, sampling and `wording` belong into the section `recipe`, if it has such a
    field. A recipe whose methods have prompts, verifiers and sampling of their own has no task
    defaults.

    The stop texts of a task end the completion of a text. In a chat (`prompt.chat`) they are left
    out: there the model ends its turn itself, and they would cut it.
    """
    if not isinstance(data, Mapping):
        return data
    # else a mapping given as its template would take the place of the task's own
    if "prompt" in data:
        data = {**data, "prompt": with_arguments_named(data["prompt"])}
    task, verifier = TASKS.of(data.get("task")), data.get("verifier")
    defaults = dict(task.defaults) if task else {}
    if "sampling" in defaults and _in_a_chat(data.get("prompt")):
        defaults["sampling"] = {
            name: value for name, value in defaults["sampling"].items() if name != "stop"
        }
    own = (
        {name: defaults.pop(name) for name in ("sampling", "wording") if name in defaults}
        if recipe
        else {}
    )
    defaults.pop("wording", None)  # which no suite has
    if (
        "verifier" in defaults
        and isinstance(verifier, Mapping)
        and verifier.get("language", "python") != "python"
    ):
        # which is Python
        defaults["verifier"] = {
            name: value for name, value in defaults["verifier"].items() if name != "prelude"
        }
    if (
        "verifier" in defaults
        and isinstance(verifier, Mapping)
        and verifier.get("type") not in (None, defaults["verifier"]["type"])
    ):
        data = {**data, "verifier": _over_members(defaults.pop("verifier"), verifier)}
    if recipe and (section := {k: v for k, v in own.items() if k in recipe.model_fields}):
        defaults["recipe"] = section
    return merged(defaults, data)


def _in_a_chat(prompt: Any) -> bool:
    return bool(
        prompt.get("chat") if isinstance(prompt, Mapping) else getattr(prompt, "chat", False)
    )


def _over_members(default: Mapping[str, Any], verifier: Mapping[str, Any]) -> dict[str, Any]:
    """A verifier whose members of the default's type have its settings below their own."""
    if not isinstance(verifier.get("of"), Sequence):
        return dict(verifier)
    members = [
        m
        if not isinstance(m, Mapping)
        else merged(default, m)
        if m.get("type") == default["type"]
        else _over_members(default, m)
        for m in verifier["of"]
    ]
    return {**verifier, "of": members}
