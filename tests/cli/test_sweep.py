"""Sweeps by the command line: every point, failed ones named and done again alone, interrupted
and gone on with, and compared."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from selftrain_assets.cli import app
from selftrain_assets.domain.errors import TaskError, UserError
from selftrain_assets.models.loading import EMBEDDED_DIRECTORY
from selftrain_assets.tasks import WordProblems
from tests import lab
from tests.cli.command import PROGRAM, selftrain

COMMAND = [*PROGRAM, "run", "lab", "--sweep", "--workers", "2"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with an event log, in which the command runs."""
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    for name, value in {
        "SELFTRAIN_DEFS": "defs",
        "SELFTRAIN_STORE": "runs",
        "DAGSTER_HOME": "dagster",
    }.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(*arguments):
    done = selftrain(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def checkpoints(folder):
    return {
        path.parents[1].name: path.read_bytes()
        for path in folder.glob("runs/experiments/*/iter-001/checkpoint.json")
    }


@pytest.mark.kills
def test_a_failed_point_is_named_done_again_alone_and_then_compared(place):
    lab.write_experiment(
        place,
        rounds=1,
        sweep={"points": [{"recipe.cap": 1}, {"model": "./copy"}, {"recipe.cap": 2}]},
    )
    done = selftrain("run", "lab", "--sweep", "--workers", "2")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    for name in ("lab-cap-1", "lab-cap-2"):
        assert any(line.startswith(f"{name}: done") and "accuracy" in line for line in lines), (
            done.stdout + done.stderr
        )
    assert "2 of 3 runs of the sweep are done." in lines
    assert any(
        line.startswith('lab-model-copy failed: model: there is no directory "./copy"')
        for line in lines
    )
    again = next(line for line in lines if "fix it, then run: " in line).partition(": selftrain ")[
        2
    ]
    assert again == "run lab-model-copy"
    assert "cap-2" in done.stdout.partition("test less cap-1")[2]
    first = checkpoints(place)
    assert first.keys() == {"lab-cap-1", "lab-cap-2"}

    shutil.copytree(EMBEDDED_DIRECTORY, place / "copy")
    assert selftrain(*again.split()).returncode == 0
    made = asked("run", "lab", "--sweep")
    assert [summary["experiment"] for summary in made["points"]] == [
        "lab-cap-1",
        "lab-model-copy",
        "lab-cap-2",
    ]
    assert made["failures"] == []
    assert first.items() <= checkpoints(place).items()
    found = asked("compare", "lab", "--sweep")
    assert [arm["name"] for arm in found["arms"]] == ["lab-cap-1", "lab-model-copy", "lab-cap-2"]
    assert found == json.loads(
        (place / "runs" / "comparisons" / "lab.sweep" / "comparison.json").read_text()
    )
    counts = asked("sql", "SELECT count(*) AS n, count(DISTINCT key) AS keys FROM sample_pool")
    assert counts[0]["n"] == counts[0]["keys"]
    drawn = asked(
        "sql",
        "SELECT experiment, sum(CAST(counts->>'reused' AS INT)) AS reused FROM manifests WHERE"
        " stage = 'samples' GROUP BY ALL",
    )
    # round 1 is drawn once, and the weights of the copy are the same
    assert sorted(row["reused"] for row in drawn)[1:] == [48, 48]

    import dagster as dg

    with dg.DagsterInstance.from_config(str(place / "dagster")) as instance:
        keys = {key.to_user_string() for key in instance.all_asset_keys()}
        assert {"lab_cap_1/checkpoint", "lab_model_copy/report", "lab/sweep"} <= keys


@pytest.fixture
def seeded(place):
    """A sweep of two points with two seeds, of the slow engine where it is asked for; returns
    what writes it."""
    texts = {}
    for problems in zip(
        *(WordProblems(**lab.TASK, seed=seed).load() for seed in (3, 4)), strict=True
    ):
        texts[problems[0].id] = [f"#### {p.answer}" for p in problems]

    def write(seconds=0.0):
        settings = {"rounds": 1, "sweep": {"grid": {"trainer.steps": [2, 3]}, "seeds": "3-4"}}
        engine = lab.write_experiment(place, texts=texts)["engine"]
        lab.write_experiment(
            place, texts=texts, engine=engine | {"seconds_per_completion": seconds}, **settings
        )
        return place

    return write


RUNS = [f"lab-steps-{steps}-seed-{seed}" for steps in (2, 3) for seed in (3, 4)]


@pytest.mark.kills
def test_ctrl_c_ends_all_processes_and_the_next_call_goes_on(seeded):
    place = seeded(seconds=0.1)
    process = subprocess.Popen(
        COMMAND,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background jobs have it ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 300
    while not list(place.glob("runs/samples/*/shard-*.parquet")):
        assert time.monotonic() < deadline, "no shard was committed"
        time.sleep(0.05)
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True
    ).stdout.split()
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert (
        errors.strip().splitlines()[-1]
        == "Stopped. Finished work is kept; run the same command again to continue."
    )
    assert "Traceback" not in errors
    assert (
        "of 4 runs of the sweep are done. Their results are kept, and so is what lab-steps-2-seed-3"
        in out
    )
    assert children
    assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]
    kept = {p: p.read_bytes() for p in place.glob("runs/samples/*/shard-*.parquet")}
    seeded()
    assert selftrain("run", "lab", "--sweep").returncode == 0
    assert (
        kept.items()
        <= {p: p.read_bytes() for p in place.glob("runs/samples/*/shard-*.parquet")}.items()
    )
    before = checkpoints(place)
    assert before.keys() == {*RUNS}
    assert selftrain("run", "lab", "--sweep").returncode == 0
    assert checkpoints(place) == before
    assert asked("audit")["findings"] == []
    assert [status["experiment"] for status in asked("status")] == ["lab", *RUNS]
    shown = selftrain("compare", "lab", "--sweep").stdout
    for text in (
        "2 seeds, paired by seed",
        "test less steps-2",
        "Optimizer steps: lab-steps-2 2, lab-steps-3 3.",
        "Base: the same in every arm.",
    ):
        assert text in shown


@pytest.mark.kills
def test_two_that_run_the_same_sweep_at_once_do_each_thing_once(seeded):
    place = seeded(seconds=0.02)
    both = [
        subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        out, errors = process.communicate(timeout=600)
        assert process.returncode == 0, out + errors
        assert "4 of 4 runs of the sweep are done." in out
    assert checkpoints(place).keys() == {*RUNS}
    assert asked("audit")["findings"] == []


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (
            ("run", "plain", "--sweep"),
            UserError,
            "--sweep: plain has no sweep; write one into its file",
        ),
        (
            ("run", "lab", "--sweep", "--seeds", "1"),
            UserError,
            "--seeds: set the seeds of a sweep in its file, sweep.seeds",
        ),
        (
            ("run", "lab", "--workers", "2"),
            UserError,
            "--workers is the number of sweep points that run at once; add --sweep",
        ),
        (
            ("compare", "lab", "plain", "--sweep"),
            UserError,
            "compare --sweep compares the points of one experiment",
        ),
        (
            ("compare", "lab", "--sweep"),
            TaskError,
            "lab: no round of any point of its sweep is finished; run `selftrain run lab --sweep`",
        ),
        (
            ("report", "lab-cap-3"),
            UserError,
            'there is no experiment "lab-cap-3"; did you mean "lab-cap-',
        ),
        (
            ("run", "lab-cap-3", "--seeds", "0"),
            UserError,
            'there is no experiment "lab-cap-3"; did you mean "lab-cap-',
        ),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_said(place, arguments, error, sentence):
    lab.write_experiment(place, "plain")
    lab.write_experiment(place, sweep={"grid": {"recipe.cap": [1, 2]}})
    with pytest.raises(error) as told:
        app([*arguments], standalone_mode=False)
    assert str(told.value).startswith(sentence)
