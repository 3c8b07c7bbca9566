"""Check before any work that the experiment's models can be trained with its settings."""

from __future__ import annotations

from selftrain_assets.domain.errors import UserError
from selftrain_assets.models.fitness import require_device
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.pipeline.run import Run
from selftrain_assets.trainers.sft import Lora


def require_fit(run: Run) -> None:
    """Check that the trainer of every round can train the experiment's model.

    Raises:
        ModelError: The model does not suit a trainer.
        UserError: A setting does not suit the model or this machine.
    """
    config = run.config
    config.execution.trackers.require_installed()
    ref = resolve_model(config.model)
    trainers = {f"{_of(first)}trainer": phase.config.trainer for first, phase in run.phases.items()}
    if config.base.fine_tune == "human" and config.base.trainer is not None:
        trainers["base.trainer"] = config.base.trainer
    for setting, trainer in trainers.items():
        trainer.require_fit(ref, setting)
    require_device("engine.device", getattr(config.engine, "device", "auto"))
    _require_same_adapter(run)


def _of(first: int) -> str:
    """Prefix for settings of later rounds, which an experiment's file has under `forks`."""
    return "" if first == 1 else f"forks, from round {first} on: "


def _require_same_adapter(run: Run) -> None:
    """Check that adapter settings do not change where training continues an adapter.

    A training that starts from an adapter continues it unchanged, so that other settings would have
    no effect.
    """
    config = run.config
    base = None
    if config.base.fine_tune == "human":
        base = (config.base.trainer or config.trainer).adapter
    before = base
    for first, phase in run.phases.items():
        start, own = phase.config.recipe.init_from, phase.config.trainer.adapter
        starts = {"base": base, "previous": before, "pretrained": None}
        _require_same(
            starts[start],
            own,
            f"{_of(first)}trainer.lora",
            "the base" if first == 1 or start == "base" else f"round {first - 1}",
        )
        before = own
    if config.human_only:
        _require_same(base, config.trainer.adapter, "human_only: trainer.lora", "the base")


def _require_same(below: Lora | None, own: Lora | None, setting: str, start: str) -> None:
    if below is None or own is None or below == own:
        return
    name = next(name for name in Lora.model_fields if getattr(below, name) != getattr(own, name))
    raise UserError(
        f"{setting}.{name}: {getattr(own, name)} cannot continue from the adapter of {start},"
        f" which has {getattr(below, name)}; set the same, or recipe.init_from: pretrained"
    )
