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
    renamed = (recipe_class(changes, recipe_class(values)) or Recipe).renamed
    return merged(_renamed(values, renamed), _renamed(changes, renamed))


def recipe_class(
    values: Mapping[str, Any], default: type[Recipe] | None = RestEM
) -> type[Recipe] | None:
    """The recipe of an experiment's settings.

    Args:
        values: What a file says.
        default: What it is where they name none.

    Returns:
        None where they name one that is not there.
    """
    recipe = values.get("recipe", {})
    if isinstance(recipe, Mapping) and "type" not in recipe:
        return default
    return RECIPES.of(recipe)


def _renamed(values: Mapping[str, Any], renamed: Mapping[str, str]) -> Mapping[str, Any]:
    recipe = values.get("recipe")
    if not isinstance(recipe, Mapping):
        return values
    return {**values, "recipe": with_current_names(recipe, renamed)}
