"""All runs of a sweep, several at a time, each in a process of its own (process.py), and what is shown of them (display.py)."""

from selftrain_assets.sweeping.display import SweepDisplay
from selftrain_assets.sweeping.scheduler import Scheduler, cores
from selftrain_assets.sweeping.state import PointRun

__all__ = ["PointRun", "Scheduler", "SweepDisplay", "cores"]
