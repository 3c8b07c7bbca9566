"""The dataset of recipe diversification: reference solutions, and rows of other sources."""

from __future__ import annotations

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.group_balance import distinct_rows
from selftrain_assets.domain.mixing import HUMAN
from selftrain_assets.domain.selection import take_rows
from selftrain_assets.domain.types import Problem
from selftrain_assets.pipeline.references import mix_in, reference_rows
from selftrain_assets.pipeline.rows import Rows, freeze
from selftrain_assets.pipeline.run import Run
from selftrain_assets.recipes.diversification.settings import Diversification


def settings_of(run: Run) -> Diversification:
    """The diversification settings of a run."""
    assert isinstance(run.config.recipe, Diversification)
    return run.config.recipe


def build_instruction_dataset(run: Run, iteration: int) -> Rows:
    """Build rows from reference solutions and other sources (arXiv 2405.19787).

    The recipe sets the number of distinct instructions and what is mixed in.
    """
    own = reference_rows(run, run.train_problems, run.methods[0].prompt, iteration)
    left, mixed = mix_in(run, len(own), iteration)
    retracted = HUMAN in run.retracted.values("source")
    kept = [] if retracted else take_rows(own, left, run.config.seed)
    rows = distinct_rows([*kept, *(row for rows in mixed.values() for row in rows)])
    counts = {
        "self": 0,
        "human": len(rows),
        "from_earlier_rounds": 0,
        "verified": 0,
        "correct": 0,
        "problems": len({row.problem_id for row in rows}),
    }
    return freeze(run, iteration, rows, counts, mixed)


def check_problems(run: Run, loaded: list[Problem]) -> None:
    """Check that there are enough training problems, each with a solution.

    Raises:
        UserError: A training problem has no solution, or there are too few of them.
    """
    recipe = settings_of(run)
    train = [p for p in loaded if p.split == "train"]
    unsolved = next((p for p in train if p.solution is None), None)
    if recipe.budget != 0 and unsolved:
        raise UserError(
            f'task: recipe diversification learns from solutions, and problem "{unsolved.id}"'
            " has none; give it one"
        )
    try:
        recipe.train_problems(loaded, run.config.seed)
    except ValueError as error:
        raise UserError(
            f"recipe.budget and recipe.instructions: {error}; lower them, or give more training"
            " problems"
        ) from error
