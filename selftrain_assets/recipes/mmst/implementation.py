"""The implementation of recipe mmst."""

from selftrain_assets.pipeline.dataset import build_selected_dataset
from selftrain_assets.pipeline.recipe import RecipeImplementation
from selftrain_assets.recipes.mmst.stages import TRANSLATIONS

IMPLEMENTATION = RecipeImplementation(
    stages=(TRANSLATIONS,),
    build_dataset=build_selected_dataset,
)
