"""The implementation of recipe tripost."""

from selftrain_assets.pipeline.recipe import RecipeImplementation
from selftrain_assets.recipes.tripost.dataset import build_trajectory_dataset
from selftrain_assets.recipes.tripost.feedback_script import check_problems
from selftrain_assets.recipes.tripost.self_improvement import SELF_IMPROVEMENT
from selftrain_assets.recipes.tripost.stages import TRAJECTORIES

IMPLEMENTATION = RecipeImplementation(
    stages=(TRAJECTORIES,),
    build_dataset=build_trajectory_dataset,
    check_problems=check_problems,
    final_answers=SELF_IMPROVEMENT,
    selection_settings=(
        "self_feedback_from_round",
        "max_updates",
        "max_words",
        "filters",
        "ratio",
        "section_weights",
        "minimum",
    ),
)
