"""One run of a sweep in its process: what it tells, how it waits for what it shares with others,
and that it ends with its reader."""

import json
import os
import subprocess
import sys

import pytest

from selftrain_assets.cli import sweep_process
from selftrain_assets.domain.errors import BusyError
from selftrain_assets.pipeline.run import Run


class Work:
    """Stands for the work of an experiment: somebody else holds what it needs so many times."""

    def __init__(self, monkeypatch, busy, sentences=("samples are being written",)):
        self.calls, self.slept, self._busy, self._sentences, self._now = (
            0,
            0.0,
            busy,
            sentences,
            0.0,
        )
        monkeypatch.setattr(sweep_process, "work", self)
        monkeypatch.setattr(sweep_process.time, "monotonic", lambda: self._now)
        monkeypatch.setattr(sweep_process.time, "sleep", self.sleep)

    def __call__(self, run, rounds):
        self.calls += 1
        yield "a stage"
        if self.calls <= self._busy:
            raise BusyError(self._sentences[self.calls % len(self._sentences)])

    def sleep(self, seconds):
        self._now += seconds
        self.slept += seconds


def told(run):
    lines = []
    try:
        sweep_process._work_or_wait(run, None, lines.append)
    except BusyError as error:
        return lines, str(error)
    return lines, None


def test_it_waits_in_place_for_what_another_run_is_making(monkeypatch):
    work = Work(monkeypatch, busy=3)
    assert told(Run("lab", None, None)) == ([{"waits": "samples are being written"}], None)
    assert work.calls == 4


def test_it_makes_room_when_one_thing_is_held_for_long(monkeypatch):
    work = Work(monkeypatch, busy=10_000)
    assert told(Run("lab", None, None)) == (
        [{"waits": "samples are being written"}],
        "samples are being written",
    )
    assert work.slept == pytest.approx(sweep_process.PATIENCE, abs=2 * sweep_process.PAUSE)


def test_as_long_as_it_is_another_holder_it_goes_on_waiting(monkeypatch):
    work = Work(monkeypatch, busy=200, sentences=("held by a", "held by b"))
    assert told(Run("lab", None, None))[1] is None
    assert work.slept > sweep_process.PATIENCE


@pytest.fixture
def spoken(tmp_path):
    """Returns a function that runs the process in an empty defs folder."""

    def speak(*arguments, **options):
        variables = {"SELFTRAIN_DEFS": "defs", "SELFTRAIN_STORE": "runs", "DAGSTER_HOME": "dagster"}
        environment = {
            **os.environ,
            **{name: str(tmp_path / value) for name, value in variables.items()},
        }
        return subprocess.run(
            [sys.executable, "-m", sweep_process.__name__, *arguments],
            env=environment,
            text=True,
            timeout=600,
            **options,
        )

    return speak


def test_what_is_wrong_is_told_in_a_line_and_nothing_else_is_printed_there(spoken):
    done = spoken("lab", capture_output=True)
    assert (done.returncode, [json.loads(line) for line in done.stdout.splitlines()]) == (
        0,
        [{"failed": 'there is no experiment "lab"; known: ; make one with: selftrain new lab'}],
    )


def test_it_ends_when_nobody_reads_on(spoken):
    reading, writing = os.pipe()
    os.close(reading)
    done = spoken("lab", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (sweep_process.INTERRUPTED, "")
