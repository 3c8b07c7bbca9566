"""Tests for what you add to selftrain, in pytest.

Each kind of plug-in has a suite, a class to subclass in a test file:

    import selftrain_assets as st

    class TestClose(st.testing.VerifierConformance):
        verifier = Close(tolerance=0.01)
        problem = st.Problem("p", "How much is 1/3?", "0.333")
        right = ["0.333", "#### 0.334"]
        wrong = ["0.5", "#### -0.333"]

`ForgeryConformance` gives a sandbox, or a verifier of programs, programs that try to forge a pass;
`forged_passes` does so without pytest. The scripted engine and trainer make whole rounds run in
seconds and without a model.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selftrain_assets.engines import ScriptedSettings
    from selftrain_assets.engines.scripted import ScriptedEngine
    from selftrain_assets.testing.engines import EngineConformance
    from selftrain_assets.testing.forgery import (
        FORGERIES,
        Forgery,
        ForgeryConformance,
        forged_passes,
    )
    from selftrain_assets.testing.tasks import TaskConformance
    from selftrain_assets.testing.trainers import LearningConformance, TrainerConformance
    from selftrain_assets.testing.verifiers import VerifierConformance
    from selftrain_assets.trainers import ScriptedTrainer

_MODULES = {
    "EngineConformance": "testing.engines",
    "FORGERIES": "testing.forgery",
    "Forgery": "testing.forgery",
    "ForgeryConformance": "testing.forgery",
    "LearningConformance": "testing.trainers",
    "ScriptedEngine": "engines.scripted",
    "ScriptedSettings": "engines",
    "ScriptedTrainer": "trainers",
    "TaskConformance": "testing.tasks",
    "TrainerConformance": "testing.trainers",
    "VerifierConformance": "testing.verifiers",
    "forged_passes": "testing.forgery",
}
"""The module of each public name, below `selftrain_assets`."""

__all__ = [
    "FORGERIES",
    "EngineConformance",
    "Forgery",
    "ForgeryConformance",
    "LearningConformance",
    "ScriptedEngine",
    "ScriptedSettings",
    "ScriptedTrainer",
    "TaskConformance",
    "TrainerConformance",
    "VerifierConformance",
    "forged_passes",
]

# Before they are imported: their assertions then show what they compared, as those of tests do.
pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("verifiers", "engines", "trainers", "tasks", "forgery"))
)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"selftrain_assets.{_MODULES[name]}"), name)
