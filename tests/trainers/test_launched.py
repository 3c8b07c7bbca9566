"""Several processes train as one does, and whatever happens to one of them none is left."""

import pickle
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.errors import InfraError, ModelError, UserError
from selftrain_assets.trainers import SftTrainer, launched
from selftrain_assets.trainers.early_stopping import EarlyStopping
from selftrain_assets.trainers.protocol import TrainingJob
from tests.trainers import lab

FULL = lab.SETTINGS[SftTrainer]["full"]
STARTER = """
import dataclasses, pickle, sys
settings, job = pickle.load(open(sys.argv[1], "rb"))
settings.train(dataclasses.replace(job, on_step=lambda step, total: print(step, flush=True)))
"""


def settings(variant, **changes):
    """Batches of four in two micro-batches; no dropout, whose draws depend on the shape of a
    batch."""
    chosen = lab.SETTINGS[SftTrainer][variant]
    lora = chosen.lora and chosen.lora.model_copy(update={"dropout": 0.0})
    return lab.changed(
        chosen, **{"lora": lora, "steps": 7, "micro_batch_size": 2, "normaliser": "rows"} | changes
    )


@pytest.fixture(scope="module")
def rows(rows):
    """Nine of unequal weight: in each epoch's last step the second process has none."""
    return [replace(row, weight=1 + i % 3) for i, row in enumerate(rows[:9])]


def group() -> dict[str, psutil.Process]:
    """Processes that train for this one, by rank."""
    found = {process.environ().get("RANK"): process for process in psutil.Process().children()}
    return {rank: process for rank, process in found.items() if rank is not None}


def assert_same_training(several, one):
    """Up to rounding: the sums over a batch have another order."""
    left, right = several.weights(), one.weights()
    assert left.keys() == right.keys()
    distance, size = (
        sum(tensor.double().square().sum() for tensor in tensors) ** 0.5
        for tensors in zip(*((left[name] - right[name], right[name]) for name in left), strict=True)
    )
    assert distance < 1e-5 * size
    assert several.result == replace(
        one.result,
        losses=[(step, pytest.approx(loss, rel=1e-5)) for step, loss in one.result.losses],
    )


@pytest.mark.parametrize(
    ("variant", "micro"), [("full", 1), pytest.param("lora", 2, marks=pytest.mark.kills)]
)
def test_two_processes_train_as_one(train, rows, monkeypatch, variant, micro):
    monkeypatch.setattr(launched, "WORKER", "tests.trainers.chunked_rank")
    alone, seen = settings(variant, micro_batch_size=micro), []
    two = train(lab.changed(alone, processes=2), rows, on_step=lambda *step: seen.append(step))
    assert_same_training(two, train(alone, rows))
    assert seen == [(step, 7) for step in range(8)]


@pytest.mark.kills
def test_two_processes_report_the_curve_that_one_does(train, rows):
    curves = []
    for processes in (1, 2):
        curves.append([])
        report = lambda step, figures, curve=curves[-1]: curve.append((step, figures["loss"]))  # noqa: E731
        train(settings("full", processes=processes, save_steps=2), rows, on_log=report)
    # the mean of the last step alone is not reported
    assert [step for step, _ in curves[0]] == [2, 4, 6]
    assert curves[1] == [(step, pytest.approx(loss, rel=1e-4)) for step, loss in curves[0]]


@pytest.mark.kills
@pytest.mark.parametrize("variant", lab.VARIANTS)
def test_a_process_that_dies_is_named_and_the_training_goes_on_from_the_last_state(
    train, rows, tmp_path, variant
):
    long, seen = settings(variant, steps=101, save_steps=2), []

    def kill_the_second(done, total):
        if done == 6:
            group()["1"].kill()

    with pytest.raises(InfraError, match=r"process 2 of 2 was ended by SIGKILL.*run again"):
        train(lab.changed(long, processes=2), rows, work=tmp_path, on_step=kill_the_second)
    assert not group()
    resumed = train(
        lab.changed(long, processes=2),
        rows,
        work=tmp_path,
        on_step=lambda *step: seen.append(step[0]),
    )
    assert 0 < seen[0] < 101
    assert seen == list(range(seen[0], 102))
    assert_same_training(resumed, train(long, rows))


@pytest.mark.kills
def test_no_process_outlives_who_started_it_and_one_goes_on_where_two_were_killed(
    train, embedded, rows, tmp_path
):
    long, work, seen = settings("full", steps=301, save_steps=2, processes=2), tmp_path / "work", []
    job = TrainingJob(rows, embedded, tmp_path, work, 1)
    (tmp_path / "job").write_bytes(pickle.dumps((long, job)))
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, tmp_path / "job"], stdout=subprocess.PIPE, text=True
    )
    assert next(line for line in starter.stdout if line == "6\n")
    group = psutil.Process(starter.pid).children(recursive=True)
    starter.kill()
    starter.wait()
    assert len(group) == 2
    assert psutil.wait_procs(group, timeout=20)[1] == []
    alone = lab.changed(long, processes=1)
    resumed = train(alone, rows, work=work, on_step=lambda *step: seen.append(step[0]))
    assert 0 < seen[0] < 301
    assert_same_training(resumed, train(alone, rows))


@pytest.mark.kills
@pytest.mark.parametrize("variant", lab.VARIANTS)
def test_a_model_shared_by_two_processes_is_trained_as_one(
    train, rows, tmp_path, monkeypatch, variant
):
    monkeypatch.setattr(launched, "WORKER", "tests.trainers.sharded_rank")
    monkeypatch.setattr(launched, "_check", lambda *_: None)  # it wants GPUs
    shared = settings(
        variant, save_steps=2, processes=2, sharding="fsdp", gradient_checkpointing=True
    )
    seen = []

    def interrupt(done, total):
        if done >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(shared, rows, work=tmp_path / "interrupted", on_step=interrupt)
    assert not group()
    resumed = train(
        shared, rows, work=tmp_path / "interrupted", on_step=lambda *step: seen.append(step[0])
    )
    assert seen[0] in (2, 4, 6)
    assert_same_training(resumed, train(settings(variant, save_steps=2), rows))


@pytest.mark.kills
def test_an_error_that_names_a_row_comes_through(train, rows):
    with pytest.raises(ModelError, match=rf"{rows[0].problem_id}.*max_length 8"):
        train(settings("full", processes=2, max_length=8), rows[:1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"processes": 3}, "execution.processes 3 does not divide batch_size 4"),
        (
            {"processes": 2, "micro_batch_size": 4},
            "execution.micro_batch_size 4 x execution.processes 2 does not divide batch_size 4",
        ),
        (
            {"sharding": "fsdp"},
            "sharding: fsdp shares a model among processes; set execution.processes",
        ),
    ],
)
def test_settings_that_do_not_fit_together(changes, message):
    with pytest.raises(ValueError, match=message):
        lab.changed(FULL, **changes)


@pytest.mark.parametrize(
    ("changes", "job", "message"),
    [
        (
            {},
            {"early_stopping": EarlyStopping(rule="best")},
            "processes: 2 cannot be combined with early stopping; set it to 1, or"
            " recipe.early_stop",
        ),
        ({"sharding": "fsdp"}, {}, "sharding: fsdp needs GPUs; set none"),
    ],
)
def test_what_cannot_work_in_several_processes_is_refused_before_any_is_started(
    train, changes, job, message
):
    with pytest.raises(UserError, match=message):
        train(lab.changed(FULL, processes=2, **changes), **job)


def test_more_processes_than_gpus_are_refused(train, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(
        UserError, match="processes: 2 need one GPU each, and this machine has 1; set 1"
    ):
        train(lab.changed(FULL, processes=2, device="cuda"))


@given(st.integers(1, 60), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_every_process_has_as_many_batches_and_no_row_counts_twice(
    rows, processes, micro, accumulated
):
    from selftrain_assets.trainers.sft_loop import SharedOrder

    order = SharedOrder([5] * rows, processes * micro * accumulated, 0, processes * micro)
    taken = Counter(order)
    fillers = taken.pop(None, 0)
    assert taken == Counter(range(rows))
    assert len(order) == rows + fillers
    assert len(order) % (processes * micro) == 0
    assert fillers < processes * micro
