"""Launch runs as processes of this machine, and check whether they are alive."""

from __future__ import annotations

import dagster as dg
import psutil
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, extended so that run monitoring notices dead processes.

    A code server notices when a run that it started dies. If both die, by `kill -9`, an OOM kill or
    a power cut, nothing notices: the run would stay "started" for ever, and keep its place in the
    queue and its pools.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return NOT_FOUND if the run's code server and the run's process are both gone."""
        if self._code_server_answers(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        process = self._process_of(run)
        if process is None or _is_alive(*process):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        message = (
            f"process {process[0]} of this run is gone. What it finished is kept: re-execute the"
            " run from failure"
        )
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, message)

    def _code_server_answers(self, run: dg.DagsterRun) -> bool:
        client = self._get_grpc_client_for_termination(run.run_id)
        try:
            return client is not None and client.ping("") is not None
        except DagsterUserCodeUnreachableError:
            return False

    def _process_of(self, run: dg.DagsterRun) -> tuple[int, float] | None:
        """Return the id of the run's process, and the time when it was logged."""
        for entry in self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            pid = entry.get_dagster_event().engine_event_data.metadata.get("pid")
            if pid is not None:
                return int(str(pid.value)), entry.timestamp
        return None


def _is_alive(pid: int, logged_at: float) -> bool:
    """Return whether the process that had this id at the time `logged_at` is alive.

    A process that began later has merely been given the same id. A zombie, whose parent has
    not collected it, is not alive.
    """
    try:
        process = psutil.Process(pid)
        return process.create_time() <= logged_at and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
