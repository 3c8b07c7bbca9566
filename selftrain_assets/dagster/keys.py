"""The names of an experiment and its stages in Dagster."""

from __future__ import annotations

import dagster as dg


def group_name(experiment: str) -> str:
    """Return the name of an experiment's group, without dashes, which Dagster does not allow."""
    return experiment.replace("-", "_")


def asset_key(experiment: str, name: str) -> dg.AssetKey:
    """Return the asset key `<experiment>/<stage>`."""
    return dg.AssetKey([group_name(experiment), name])
