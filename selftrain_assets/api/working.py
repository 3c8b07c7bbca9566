"""Do the work of one experiment; callers show its progress."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from selftrain_assets.dagster.sync import Reporter
from selftrain_assets.domain.ranges import rounds_between
from selftrain_assets.pipeline.loop import controls, walk
from selftrain_assets.pipeline.run import Run
from selftrain_assets.reports import write_report
from selftrain_assets.store import Manifest


def work(
    opened: Run, rounds: str | None, sync: bool = False, setting: str = "--rounds"
) -> Iterator[Manifest]:
    """Do what is owed of these rounds, then write the report.

    Args:
        opened: The experiment.
        rounds: Rounds as in `1-3`; None is all.
        sync: Report to Dagster everything that its event log lacks, not only what is new.
        setting: Name of `rounds`, for a message.

    Yields:
        The manifest of each stage, once it is finished and reported to Dagster.
    """
    opened.store.check_writable()
    wanted = rounds_between(rounds, opened.config.rounds, setting)
    reporter = Reporter(opened, sync)
    for manifest in chain(walk(opened, wanted), controls(opened)):
        reporter.report(manifest)
        yield manifest
    write_report(opened)
    reporter.close()
