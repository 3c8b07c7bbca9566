"""All runs of a sweep, several at a time, each in a process of its own (process.py), and what is
shown of them (display.py)."""

from selftrain_assets.operations.sweep.scheduler import Scheduler, cores
from selftrain_assets.operations.sweep.state import PointRun

__all__ = ["PointRun", "Scheduler", "cores"]
