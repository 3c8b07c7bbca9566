"""The implementation of recipe rest_em."""

from selftrain_assets.pipeline.dataset import build_selected_dataset
from selftrain_assets.pipeline.recipe import RecipeImplementation
from selftrain_assets.recipes.rest_em.stages import RATIONALIZATIONS

IMPLEMENTATION = RecipeImplementation(
    stages=(RATIONALIZATIONS,),
    build_dataset=build_selected_dataset,
)
