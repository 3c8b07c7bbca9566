"""The work of one experiment, for whoever shows how it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from selftrain_assets.dagster.sync import teller
from selftrain_assets.domain.ranges import rounds_between
from selftrain_assets.pipeline.loop import controls, walk
from selftrain_assets.pipeline.run import Run
from selftrain_assets.reports import write_report
from selftrain_assets.store import Manifest


def work(opened: Run, rounds: str | None) -> Iterator[Manifest]:
    """Do what is owed of these rounds, stage after stage, then write the report; Dagster is told
    of each where there is an event log."""
    opened.store.check_writable()
    wanted, log = rounds_between(rounds, opened.config.rounds, "--rounds"), teller(opened)
    for manifest in chain(walk(opened, wanted), controls(opened)):
        if log:
            log.tell(manifest)
        yield manifest
    write_report(opened)
    if log:
        log.tell_of_report()
