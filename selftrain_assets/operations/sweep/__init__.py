"""Run all points of a sweep, several at a time, each in its own process."""

from selftrain_assets.operations.sweep.scheduler import Scheduler, cores
from selftrain_assets.operations.sweep.state import PointRun

__all__ = ["PointRun", "Scheduler", "cores"]
