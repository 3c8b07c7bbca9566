"""Is a run's process alive? Asked where the code server that started it is gone."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.launcher import WorkerStatus

from selftrain_assets.dagster.run_launcher import LocalRunLauncher

ROOT = Path(__file__).parents[2]


@pytest.fixture
def launcher(tmp_path):
    """The launcher of an instance with this repository's dagster.yaml."""
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.run_launcher, LocalRunLauncher)
        yield instance.run_launcher


@pytest.fixture
def run(launcher, laboratory):
    """A run that has started."""
    job = laboratory().defs.resolve_job_def("lab_round")
    return launcher._instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)


def started_by(launcher, run, process):
    """The event with which a run's process tells who it is."""
    launcher._instance.report_engine_event(
        f"Started process for run (pid: {process}).", run, EngineEventData.in_process(process)
    )


def ended_process():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_a_live_process_is_left_alone(launcher, run):
    started_by(launcher, run, os.getpid())
    assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING


def test_a_process_that_is_gone_is_not_found_and_the_sentence_says_what_to_do(launcher, run):
    process = ended_process()
    started_by(launcher, run, process)
    found = launcher.check_run_worker_health(run)
    assert found.status == WorkerStatus.NOT_FOUND
    assert (
        found.msg
        == f"process {process} of this run is gone. What it finished is kept: re-execute the run"
        " from failure"
    )


def test_a_later_process_with_the_same_id_is_another_one(launcher, run, monkeypatch):
    started_by(launcher, run, os.getpid())
    monkeypatch.setattr(
        "selftrain_assets.dagster.run_launcher.psutil.Process.create_time", lambda self: 4e9
    )
    assert launcher.check_run_worker_health(run).status == WorkerStatus.NOT_FOUND


def test_a_run_that_has_told_of_no_process_yet_is_left_alone(launcher, run):
    assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING


def test_a_code_server_that_answers_looks_after_its_runs_itself(launcher, run, monkeypatch):
    started_by(launcher, run, ended_process())

    class Server:
        def ping(self, echo):
            return {"echo": echo}

    monkeypatch.setattr(launcher, "_get_grpc_client_for_termination", lambda run_id: Server())
    assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
