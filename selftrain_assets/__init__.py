"""Self-training of language models; every stage of every round is a Dagster asset.

`import selftrain_assets as st` gives the public names in `__all__`. Each is loaded when it is first
used, so the import itself takes milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selftrain_assets import testing as testing
    from selftrain_assets.api.events import StageFinished
    from selftrain_assets.api.opening import compare, open, sql
    from selftrain_assets.api.run import Run
    from selftrain_assets.api.stages import evaluate, select, verify
    from selftrain_assets.component import SelfTraining
    from selftrain_assets.config.experiment import Experiment
    from selftrain_assets.domain.errors import SelftrainError
    from selftrain_assets.domain.types import Exchange, Outcome, Problem, Verdict
    from selftrain_assets.engines.protocol import EngineSettings
    from selftrain_assets.pipeline.stage import StageSpec
    from selftrain_assets.recipes.base import Recipe
    from selftrain_assets.tasks.functions import task
    from selftrain_assets.tasks.protocol import Task
    from selftrain_assets.trainers.protocol import Trainer
    from selftrain_assets.verifiers.functions import verifier
    from selftrain_assets.verifiers.protocol import Verifier

    __version__: str

_MODULES = {
    "EngineSettings": "engines",
    "Exchange": "domain.types",
    "Experiment": "config.experiment",
    "Outcome": "domain.types",
    "Problem": "domain.types",
    "Recipe": "recipes",
    "Run": "api.run",
    "SelfTraining": "component",
    "SelftrainError": "domain.errors",
    "StageFinished": "api.events",
    "StageSpec": "pipeline.stage",
    "Task": "tasks",
    "Trainer": "trainers",
    "Verdict": "domain.types",
    "Verifier": "verifiers",
    "compare": "api.opening",
    "evaluate": "api.stages",
    "open": "api.opening",
    "select": "api.stages",
    "sql": "api.opening",
    "task": "tasks.functions",
    "verifier": "verifiers.functions",
    "verify": "api.stages",
}
"""The module of each public name, below this package."""

__all__ = [
    "EngineSettings",
    "Exchange",
    "Experiment",
    "Outcome",
    "Problem",
    "Recipe",
    "Run",
    "SelfTraining",
    "SelftrainError",
    "StageFinished",
    "StageSpec",
    "Task",
    "Trainer",
    "Verdict",
    "Verifier",
    "__version__",
    "compare",
    "evaluate",
    "open",
    "select",
    "sql",
    "task",
    "verifier",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("selftrain")
    elif name == "testing":  # needs pytest, and so is not in __all__
        from importlib import import_module

        value = import_module(f"{__name__}.testing")
    elif module := _MODULES.get(name):
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{module}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
