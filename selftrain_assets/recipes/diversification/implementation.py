"""The implementation of recipe diversification."""

from selftrain_assets.pipeline.recipe import RecipeImplementation
from selftrain_assets.recipes.diversification.dataset import (
    build_instruction_dataset,
    check_problems,
)

IMPLEMENTATION = RecipeImplementation(
    build_dataset=build_instruction_dataset,
    check_problems=check_problems,
    selection_settings=("budget", "instructions", "power_law"),
)
