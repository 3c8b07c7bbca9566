"""An experiment's settings with changes laid over them, in whichever names the two are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selftrain_assets.domain.settings import merged, with_current_names
from selftrain_assets.recipes import RECIPES, Recipe, RestEM


def with_changes(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with changes merged into them.

    Args:
        values: What a file says.
        changes: Sections and fields to replace. They may use the former name of a field that the
            file has under its current name, or the other way round.
    """
    kind = _recipe_type(changes) or _recipe_type(values) or RestEM.model_fields["type"].default
    renamed = RECIPES.get(kind, Recipe).renamed
    return merged(_renamed(values, renamed), _renamed(changes, renamed))


def _recipe_type(values: Mapping[str, Any]) -> str | None:
    recipe = values.get("recipe")
    kind = recipe.get("type") if isinstance(recipe, Mapping) else None
    return kind if isinstance(kind, str) else None


def _renamed(values: Mapping[str, Any], renamed: Mapping[str, str]) -> Mapping[str, Any]:
    recipe = values.get("recipe")
    if not isinstance(recipe, Mapping):
        return values
    return {**values, "recipe": with_current_names(recipe, renamed)}
