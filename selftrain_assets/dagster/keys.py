"""How an experiment and its stages are called in Dagster."""

from __future__ import annotations

import dagster as dg


def group_name(experiment: str) -> str:
    """Dagster allows no dash in the name of a group."""
    return experiment.replace("-", "_")


def asset_key(experiment: str, name: str) -> dg.AssetKey:
    """<experiment>/<stage>"""
    return dg.AssetKey([group_name(experiment), name])
