"""Curves and figures of a round come to the trackers that were asked for, and no tracker ever
changes a round."""

import importlib.util
import json
import logging
import os
import subprocess
import sys
from typing import ClassVar

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import UserError
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.trainers import tracking
from selftrain_assets.trainers.tracking import Trackers, figures, run_name

PACKAGES = [
    "mlflow-skinny",
    "databricks-sdk",
    "google-auth",
    "pyasn1",
    "pyasn1_modules",
    "sqlparse",
    "importlib_metadata<10",
    "zipp",
]
PACKAGES += ["trackio", "gradio_client", "brotli", "orjson"]


class Kept:
    """A tracker that keeps what it is told; `breaks_at` is the number of the entry at which its
    server goes down."""

    runs: ClassVar[dict] = {}
    breaks_at = None

    def __init__(self, project, name, folder, settings):
        self.entries = self.runs.setdefault((project, name), [])
        self.settings = settings

    def log(self, told, step):
        if self.breaks_at is not None and len(self.entries) >= self.breaks_at:
            raise ConnectionError("no\nserver")
        self.entries.append((step, told))

    def finish(self):
        self.entries.append("finished")


@pytest.fixture
def kept(monkeypatch):
    monkeypatch.setattr(Kept, "runs", {})
    monkeypatch.setattr(Kept, "breaks_at", None)
    monkeypatch.setitem(tracking.TRACKERS, "mlflow", Kept)
    monkeypatch.setattr(Trackers, "require_installed", lambda self: None)
    return Kept


@pytest.fixture
def tracked(opened):
    def open_run(**trackers):
        execution = {"shard_size": 8, "trackers": {"report_to": ["mlflow"], **trackers}}
        return opened(
            trainer={"steps": 4, "batch_size": 4, "execution": {"save_steps": 2}},
            execution=execution,
        )

    return open_run


def test_a_round_is_one_run_with_its_curve_and_its_figures(tracked, kept):
    run = tracked(project="sums")
    run_rounds(run, [1])
    key = run.need("iter-001", "checkpoint").key
    assert [*kept.runs] == [
        ("sums", run_name("lab", "base", run.need("base", "checkpoint").key)),
        ("sums", f"lab-iter-001-{key[:12]}"),
    ]
    *curve, ended, (step, told), finished = kept.runs["sums", f"lab-iter-001-{key[:12]}"]
    assert ended == finished == "finished"
    assert [step for step, _ in curve] == [2, 4]
    assert {"train/loss", "train/grad_norm", "train/learning_rate"} <= curve[0][1].keys()
    losses = [tuple(pair) for pair in run.need("iter-001", "checkpoint").metrics["losses"]]
    assert [(step, each["train/loss"]) for step, each in curve] == losses
    assert step is None
    assert told["dataset/rows"] == run.need("iter-001", "dataset").counts["rows"]
    assert told["samples/samples"] == run.need("iter-001", "samples").counts["samples"]
    assert {name for name in told if name.startswith("evaluation/")} > {
        "evaluation/problems",
        "evaluation/samples",
    }
    assert all(isinstance(value, float) for value in told.values())


def test_they_change_no_key_and_nothing_is_done_again(opened, tracked, kept):
    plain = opened(trainer={"steps": 4, "batch_size": 4})
    run_rounds(plain, [1])
    before = [manifest.to_json() for manifest in plain.store.manifests("lab")]
    run_rounds(tracked(), [1])
    assert [manifest.to_json() for manifest in plain.store.manifests("lab")] == before
    assert kept.runs == {}


@pytest.mark.parametrize("entry", [0, 1, 2])
def test_one_that_fails_is_given_up_with_one_warning(tracked, kept, monkeypatch, caplog, entry):
    monkeypatch.setattr(Kept, "breaks_at", entry)
    run = tracked()
    with caplog.at_level(logging.WARNING, "selftrain_assets.trainers.tracking"):
        run_rounds(run, [1])
    assert run.need("iter-001", "evaluation")
    of_round = [
        record.getMessage() for record in caplog.records if "lab-iter-001" in record.getMessage()
    ]
    assert of_round[0].startswith("trackers: mlflow failed, and nothing more of run lab-iter-001-")
    assert of_round[0].endswith("is logged there (ConnectionError: no server)")
    assert len(of_round) <= 2  # the run of the training, and that of the figures


def test_a_tracker_that_cannot_even_start_is_no_reason_to_stop(tracked, kept, monkeypatch, caplog):
    monkeypatch.setitem(tracking.TRACKERS, "mlflow", lambda *_: sys.exit("log in first"))
    run_rounds(tracked(), [1])
    assert "SystemExit: log in first" in caplog.text


def test_a_training_that_is_resumed_goes_on_in_its_run(tracked, kept):
    run = tracked()

    def interrupt(stage, done, total):
        if stage == "iter-001 checkpoint" and done == 3:
            raise KeyboardInterrupt

    run.progress = interrupt
    with pytest.raises(KeyboardInterrupt):
        run_rounds(run, [1])
    run_rounds(tracked(), [1])
    (name,) = [name for _, name in kept.runs if "iter-001" in name]
    steps = [entry[0] for entry in kept.runs["selftrain", name] if entry != "finished"]
    assert steps == [2, 4, None]


def test_figures_are_the_numbers_of_manifests_by_stage_and_name(opened):
    run = opened()
    run_rounds(run, [])
    (evaluation,) = [
        manifest for manifest in run.store.manifests("lab") if manifest.stage == "evaluation"
    ]
    told = figures([evaluation])
    assert told["evaluation/problems"] == evaluation.counts["problems"]
    assert not [name for name, value in told.items() if not isinstance(value, float) or "{" in name]


def test_an_unknown_tracker_is_refused_with_the_nearest():
    with pytest.raises(
        UserError,
        match=r'execution\.trackers\.report_to\[0\]: there is no "mlfow"; did you mean "mlflow"\?',
    ):
        parse_experiment({"execution": {"trackers": {"report_to": ["mlfow"]}}}, "x")


def test_one_that_is_not_installed_is_refused_before_anything_is_drawn(opened, monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    run = opened(execution={"trackers": {"report_to": ["wandb"]}})
    with pytest.raises(
        UserError,
        match=(
            r"execution\.trackers\.report_to: wandb is not installed; pip install"
            r' "selftrain\[trackers\]"'
        ),
    ):
        run_rounds(run, [1])
    assert not run.manifest("base", "evaluation")


def test_no_tracker_is_imported_unless_it_is_asked_for():
    code = (
        "import sys, selftrain_assets.pipeline.loop; print(*({'mlflow', 'trackio', 'wandb',"
        " 'tensorboard'} & {*sys.modules}))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        == []
    )


# The real ones, on local folders


@pytest.fixture(scope="session")
def path_of_trackers(tmp_path_factory):
    """Where Python finds mlflow and trackio: they want older versions of what is installed, so
    they come beside it, without those."""
    if all(map(importlib.util.find_spec, ("mlflow", "trackio"))):
        return os.environ.get("PYTHONPATH", "")
    folder = tmp_path_factory.mktemp("trackers")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--target",
        str(folder),
        *PACKAGES,
    ]
    if (
        importlib.util.find_spec("pip") is None
        or subprocess.run(install, capture_output=True).returncode
    ):
        pytest.skip("no package index gives mlflow and trackio here")
    return str(folder)


ROUND = """
import json, os, sys
from pathlib import Path
from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import Run
from selftrain_assets.store import Store
kind, settings, root = sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3])
run_rounds(Run("lab", parse_experiment(settings, "lab"), Store(root)), [1])
name = "lab-iter-001-" + Run("lab", None, Store(root)).store.manifest("lab", "iter-001", "checkpoint").key[:12]
folder = root / "trackers"
if kind == "mlflow":
    from mlflow import MlflowClient
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (found,) = client.search_runs([client.get_experiment_by_name("sums").experiment_id], f"attributes.run_name = '{name}'")
    curve = [(each.step, each.value) for each in client.get_metric_history(found.info.run_id, "train/loss")]
    rows, status = found.data.metrics["dataset/rows"], found.info.status
else:
    os.environ["TRACKIO_DIR"] = str(folder / "trackio")
    from trackio.sqlite_storage import SQLiteStorage
    logs = SQLiteStorage.get_logs("sums", name)
    curve = [(each["step"], each["train/loss"]) for each in logs if "train/loss" in each]
    rows, status = next(each["dataset/rows"] for each in logs if "dataset/rows" in each), "FINISHED"
print(json.dumps([sorted(curve), rows, status]))
"""  # noqa: E501


@pytest.mark.kills
@pytest.mark.parametrize("kind", ["mlflow", "trackio"])
def test_what_was_logged_is_read_back_from_the_tracker_itself(
    tmp_path, path_of_trackers, monkeypatch, kind
):
    from selftrain_assets.store import Store
    from tests import lab

    monkeypatch.setenv("PYTHONPATH", path_of_trackers)
    execution = {"shard_size": 8, "trackers": {"report_to": [kind], "project": "sums"}}
    trainer = {"steps": 4, "batch_size": 4, "execution": {"save_steps": 2}}
    settings = lab.write_experiment(tmp_path, "lab", execution=execution, trainer=trainer)
    done = subprocess.run(
        [sys.executable, "-c", ROUND, kind, json.dumps(settings), str(tmp_path / "runs")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    curve, rows, status = json.loads(
        next(line for line in done.stdout.splitlines() if line.startswith("[["))
    )
    store = Store(tmp_path / "runs")
    assert curve == [
        [step, pytest.approx(loss)]
        for step, loss in store.manifest("lab", "iter-001", "checkpoint").metrics["losses"]
    ]
    assert rows == store.manifest("lab", "iter-001", "dataset").counts["rows"]
    assert status == "FINISHED"
    assert "failed" not in done.stderr
