"""Experiments that were made in Python, as a file would have them."""

from __future__ import annotations

from typing import Any

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.config.forks import leaves
from selftrain_assets.domain.errors import UserError


def written_settings(config: Experiment) -> dict[str, Any]:
    """Settings that a file can have, and that mean the same as `config` when they are read.

    They are those that were set. Where the rest would be taken from other defaults, as those of a
    section that was given as an object can be, they are all settings.

    Raises:
        UserError: Settings read from a file could not be these.
    """
    refusal: UserError | None = None
    for set_alone in (True, False):
        values = config.model_dump(mode="json", exclude_unset=set_alone)
        if config.recipe.methods:  # which have prompts and verifiers of their own
            values = {k: v for k, v in values.items() if k not in ("prompt", "verifier")}
        try:
            if difference(parse_experiment(values, "read again"), config) is None:
                return values
        except UserError as error:
            refusal = error
    raise UserError(
        f"this experiment cannot be kept as a file{f' ({refusal})' if refusal else ''}: give"
        " sections as dicts, as a file has them, and classes that can be imported"
    )


def difference(one: Experiment, other: Experiment) -> str | None:
    """The first setting in which two experiments differ, as in `recipe.cap`; None if they agree."""
    values, others = _resolved(one), _resolved(other)
    return next(
        (
            name
            for name in values | others
            if name not in values or name not in others or values[name] != others[name]
        ),
        None,
    )


def _resolved(config: Experiment) -> dict[str, Any]:
    """Every setting of an experiment, of its rounds after forks and of the points of its sweep."""
    values = dict(leaves(config.model_dump(mode="json")))
    for first, phase in config.phases.items():
        if phase is not config:
            values |= {f"forks.{first}.{k}": v for k, v in _resolved(phase).items()}
    for name, settings in config.sweep.point_settings.items() if config.sweep else ():
        point = Experiment.model_validate(settings)
        values |= {f"sweep.{name}.{k}": v for k, v in _resolved(point).items()}
    return values
