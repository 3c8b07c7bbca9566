"""Checks of a finished stage, read off its manifest: the same for the command line and for Dagster."""

from __future__ import annotations

from collections.abc import Sequence

from selftrain_assets.core.errors import TaskError
from selftrain_assets.core.health import Check, correct_samples, infra_errors, not_below_base, unscorable
from selftrain_assets.store import Manifest


def check(manifest: Manifest) -> list[Check]:
    """Every check of this stage (core/health.py lists them)."""
    match manifest.stage:
        case "verifications":
            return [infra_errors(manifest.counts), unscorable(manifest.counts)]
        case "dataset":
            return [correct_samples(manifest.counts)]
        case "evaluation":
            return [not_below_base(manifest.metrics.get("gain_over_base"))]
    return []


def require(manifest: Manifest, checks: Sequence[Check]) -> None:
    """TaskError at the first failed blocking check."""
    for found in checks:
        if found.blocking and not found.passed:
            raise TaskError(f"{manifest.experiment}: {manifest.scope} stops at the check {found.name} of {manifest.stage}: {found.message}")
