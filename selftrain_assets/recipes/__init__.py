"""One package per algorithm. To add one: README.md in this folder."""

import inspect
from pathlib import Path

from selftrain_assets.domain.errors import UserError
from selftrain_assets.recipes.base import RECIPES, Recipe
from selftrain_assets.recipes.diversification.settings import Diversification
from selftrain_assets.recipes.mmst.settings import MMST
from selftrain_assets.recipes.presets import Preset
from selftrain_assets.recipes.rest_em.settings import RestEM
from selftrain_assets.recipes.tripost.settings import TriPosT

RECIPES |= {
    recipe.model_fields["type"].default: recipe
    for recipe in (RestEM, MMST, TriPosT, Diversification)
}


def all_presets() -> dict[str, tuple[type[Recipe], Preset]]:
    """Every preset by its name, with the recipe that it is of."""
    return {
        name: (recipe, preset)
        for recipe in RECIPES.values()
        for name, preset in recipe.presets.items()
    }


def experiment_template(recipe: type[Recipe]) -> str:
    """The file that `selftrain new` fills in, which lies beside the settings of a recipe.

    Raises:
        UserError: The recipe brings none.
    """
    path = Path(inspect.getfile(recipe)).with_name("experiment.yaml")
    if not path.exists():
        raise UserError(f"recipe {recipe.model_fields['type'].default} brings no {path.name}")
    return path.read_text(encoding="utf-8")


__all__ = [
    "MMST",
    "RECIPES",
    "Diversification",
    "Recipe",
    "RestEM",
    "TriPosT",
    "all_presets",
    "experiment_template",
]
