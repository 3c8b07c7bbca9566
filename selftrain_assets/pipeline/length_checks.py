"""Check length limits against the experiment's model before anything is sampled."""

from __future__ import annotations

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.models.lengths import remarks
from selftrain_assets.models.loading import resolve_model


def room_for_answers(config: Experiment) -> list[str]:
    """Describe each setting that leaves the model far too few tokens for its answers."""
    recipe = config.recipe
    ways: dict[str, DrawSettings] = {
        f"recipe.methods.{m.name}.sampling": m.sampling for m in recipe.methods if m.sampled
    }
    if not recipe.methods:
        ways["recipe.sampling"] = recipe.drawn
    ways |= {
        f"evaluation.suites.{name}.sampling": suite.sampling
        for name, suite in config.evaluation.suites.items()
    }
    return remarks(resolve_model(config.model), ways)
