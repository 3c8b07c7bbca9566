"""One module per algorithm. To add a recipe: README.md in this folder."""

from selftrain_assets.recipes.rest_em import RestEM

AnyRecipe = RestEM

__all__ = ["AnyRecipe", "RestEM"]
