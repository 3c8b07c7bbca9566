"""The work of one experiment, for whoever shows how it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from selftrain_assets.dagster.sync import Reporter
from selftrain_assets.domain.ranges import rounds_between
from selftrain_assets.pipeline.loop import controls, walk
from selftrain_assets.pipeline.run import Run
from selftrain_assets.reports import write_report
from selftrain_assets.store import Manifest


def work(opened: Run, rounds: str | None, sync: bool = False) -> Iterator[Manifest]:
    """Do what is owed of these rounds, stage after stage, and report each to Dagster, where
    there is an instance; then write the report."""
    opened.store.check_writable()
    wanted, reporter = (
        rounds_between(rounds, opened.config.rounds, "--rounds"),
        Reporter(opened, sync),
    )
    for manifest in chain(walk(opened, wanted), controls(opened)):
        reporter.report(manifest)
        yield manifest
    write_report(opened)
    reporter.close()
