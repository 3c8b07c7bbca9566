"""Self-training algorithms, one package each.

README.md in this folder says how to add one.
"""

import inspect
from pathlib import Path

from selftrain_assets.domain.errors import UserError
from selftrain_assets.recipes.base import Recipe
from selftrain_assets.recipes.diversification.settings import Diversification
from selftrain_assets.recipes.mmst.settings import MMST
from selftrain_assets.recipes.presets import Preset
from selftrain_assets.recipes.rest_em.settings import RestEM
from selftrain_assets.recipes.tripost.settings import TriPosT

RECIPES = Recipe.registry
RECIPES.add(RestEM, MMST, TriPosT, Diversification)


def all_presets() -> dict[str, tuple[type[Recipe], Preset]]:
    """Every preset by name, with the recipe that it belongs to."""
    return {
        name: (recipe, preset)
        for recipe in RECIPES.values()
        for name, preset in recipe.presets.items()
    }


def experiment_template(recipe: type[Recipe]) -> str:
    """The text of the recipe's template for an experiment's file, which `selftrain new` fills in.

    Raises:
        UserError: The recipe has no template.
    """
    path = Path(inspect.getfile(recipe)).with_name("experiment.yaml")
    if not path.exists():
        raise UserError(f"recipe {RECIPES.name_of(recipe)} brings no {path.name}")
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
