"""Training curves, and the figures of a round, in the trackers that a person already looks at.

Off unless asked for.

A round has one run in each tracker, named by experiment, round and the key of its training: a
training that is resumed goes on in it, and the figures of the round join the curves when its
evaluation is finished. What a tracker does never changes a round: one that fails is given up with
one warning.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.settings import Execution

if TYPE_CHECKING:
    from selftrain_assets.store import Manifest

log = logging.getLogger(__name__)
QUIET = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a server that is down is given up within seconds
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
}
"""What trackers read from the environment, where a person has not set it: no word to anybody but
the one who is named, and no waiting."""
DIGITS = 12  # of the key in a name
LONGEST = 200  # characters of a setting, and of what a tracker says when it fails


class Trackers(Execution):
    """Where training curves and the figures of rounds are shown, beside the store's own.

    Servers are named as each tracker's own documentation says (MLFLOW_TRACKING_URI,
    TRACKIO_SPACE_ID, WANDB_MODE=online); without that all of them write to a local folder.
    """

    report_to: tuple[Literal["trackio", "mlflow", "tensorboard", "wandb"], ...] = Field(
        (), description="trackers; none is the default"
    )
    project: str = Field(
        "selftrain",
        min_length=1,
        description="project, or experiment, as the tracker calls it, that all runs are in",
    )
    folder: str | None = Field(
        None, description="where those without a server write; none: trackers/ in the store"
    )

    def require_installed(self) -> None:
        """UserError where the package of one is missing; asked before any work begins."""
        for name in self.report_to:
            if find_spec(name) is None:
                raise UserError(
                    f"execution.trackers.report_to: {name} is not installed; pip install"
                    f' "selftrain[trackers]" or {name}, or leave it out'
                )

    @contextmanager
    def run(self, name: str, root: Path, settings: Mapping[str, Any]) -> Iterator[Log]:
        """The run of this name in each tracker, to log to: a new one, or the one that was begun."""
        folder = Path(self.folder).expanduser() if self.folder else root / "trackers"
        opened = [_Tracked(kind, self.project, name, folder, settings) for kind in self.report_to]

        def log_all(figures: Mapping[str, float], step: int | None = None) -> None:
            for tracker in opened:
                tracker.attempt(lambda run: run.log(dict(figures), step))

        try:
            yield log_all
        finally:
            for tracker in opened:
                tracker.attempt(lambda run: run.finish())


Log = Callable[..., None]


def run_name(experiment: str, scope: str, key: str) -> str:
    """Of a round in every tracker."""
    return f"{experiment}-{scope}-{key[:DIGITS]}"


class _Tracked:
    """A run in one tracker. The first error gives it up."""

    def __init__(
        self, kind: str, project: str, name: str, folder: Path, settings: Mapping[str, Any]
    ) -> None:
        self._kind, self._name, self._run = kind, name, None
        self._lost = False

        def start(_: Any) -> None:
            for variable, value in QUIET.items():
                os.environ.setdefault(variable, value)
            folder.mkdir(parents=True, exist_ok=True)
            self._run = TRACKERS[kind](project, name, folder, dict(settings))

        self.attempt(start)

    def attempt(self, action: Callable[[Any], None]) -> None:
        if self._lost:
            return
        try:
            with redirect_stdout(io.StringIO()):  # where the progress bar is
                action(self._run)
        except (Exception, SystemExit) as error:
            # trackers raise many unrelated types, and none is a reason to stop
            self._lost = True
            why = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST]
            log.warning(
                "trackers: %s failed, and nothing more of run %s is logged there (%s)",
                self._kind,
                self._name,
                why,
            )


class TrackerRun(Protocol):
    """One run in one tracker, new or gone on with."""

    def log(self, figures: dict[str, float], step: int | None) -> None: ...

    def finish(self) -> None: ...


class _Mlflow:
    def __init__(self, project: str, name: str, folder: Path, settings: dict[str, Any]) -> None:
        import mlflow

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        local = f"sqlite:///{(folder / 'mlflow.db').absolute()}"
        self._client = mlflow.MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or local)
        experiment = self._client.get_experiment_by_name(project)
        if experiment:
            id = experiment.experiment_id
        else:
            id = self._client.create_experiment(project, str((folder / "mlflow").absolute()))
        runs = self._client.search_runs([id], f"attributes.run_name = '{name}'", max_results=1)
        run = runs[0] if runs else self._client.create_run(id, run_name=name)
        self._run = run.info.run_id
        self._client.update_run(self._run, status="RUNNING")
        for setting, value in settings.items():
            self._client.log_param(self._run, setting, str(value)[:LONGEST])

    def log(self, figures: dict[str, float], step: int | None) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(
            self._run, [Metric(name, value, now, step or 0) for name, value in figures.items()]
        )

    def finish(self) -> None:
        self._client.set_terminated(self._run)


class _Trackio:
    def __init__(self, project: str, name: str, folder: Path, settings: dict[str, Any]) -> None:
        # read when it is imported
        os.environ.setdefault("TRACKIO_DIR", str((folder / "trackio").absolute()))
        import trackio

        self._run = trackio.init(
            project,
            name,
            config=settings,
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def log(self, figures: dict[str, float], step: int | None) -> None:
        self._run.log(figures, step=step)

    def finish(self) -> None:
        self._run.finish()


class _Wandb:
    def __init__(self, project: str, name: str, folder: Path, settings: dict[str, Any]) -> None:
        import wandb

        self._run = wandb.init(
            project=project,
            name=name,
            id=re.sub(r"[^\w-]", "-", name),
            resume="allow",
            dir=str(folder),
            config=settings,
        )

    def log(self, figures: dict[str, float], step: int | None) -> None:
        self._run.log(figures, step=step)

    def finish(self) -> None:
        self._run.finish()


class _Tensorboard:
    def __init__(self, project: str, name: str, folder: Path, settings: dict[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard" / project / name))
        self._writer.add_text("settings", json.dumps(settings))

    def log(self, figures: dict[str, float], step: int | None) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def finish(self) -> None:
        self._writer.close()


TRACKERS: dict[str, Callable[[str, str, Path, dict[str, Any]], TrackerRun]] = {
    "trackio": _Trackio,
    "mlflow": _Mlflow,
    "tensorboard": _Tensorboard,
    "wandb": _Wandb,
}


def figures(manifests: Iterable[Manifest]) -> dict[str, float]:
    """What the stages of a round counted and measured, by stage and name.

    Names are such as `evaluation/accuracy/test` and `dataset/rows`.
    """
    return {
        f"{manifest.stage}/{name}": value
        for manifest in manifests
        for part in (manifest.counts, manifest.metrics)
        for name, value in _numbers(part)
    }


def _numbers(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _numbers(inner, (*path, str(name)))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield re.sub(r"[^\w./ -]", "_", "/".join(path)), float(value)
