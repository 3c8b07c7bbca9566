"""Runs as processes of this machine, and whether they are alive."""

from __future__ import annotations

import dagster as dg
import psutil
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, which run monitoring can also ask whether a run's process is
    alive.

    A code server notices when a run that it started dies. Where it dies with the run, by `kill -9`,
    an OOM kill or a power cut, nobody is left to notice: the run would stay "started" for ever, and
    keep its place in the queue and its pools.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """NOT_FOUND where both the code server that started the run and the run's process are
        gone."""
        if (
            self._code_server_answers(run)
            or (told := self._process_of(run)) is None
            or _lives(*told)
        ):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        said = (
            f"process {told[0]} of this run is gone. What it finished is kept: re-execute the run"
            " from failure"
        )
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, said)

    def _code_server_answers(self, run: dg.DagsterRun) -> bool:
        client = self._get_grpc_client_for_termination(run.run_id)
        try:
            return client is not None and client.ping("") is not None
        except DagsterUserCodeUnreachableError:
            return False

    def _process_of(self, run: dg.DagsterRun) -> tuple[int, float] | None:
        """The id of the run's process, and when it told so."""
        for entry in self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
            if pid is not None:
                return int(str(pid.value)), entry.timestamp
        return None


def _lives(pid: int, told: float) -> bool:
    """A process that began after `told` has only been given the same id; a zombie waits for a
    parent that is gone, too."""
    try:
        process = psutil.Process(pid)
        return process.create_time() <= told and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
