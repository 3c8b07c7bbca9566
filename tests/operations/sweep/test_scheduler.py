"""Runs of a sweep in processes: how many at a time, what is tried again, what is said of those
that fail, and how they are ended."""

import os
import sys
import threading
import time
from textwrap import dedent

import pytest

from selftrain_assets.operations.sweep import scheduler
from selftrain_assets.operations.sweep.scheduler import Scheduler
from selftrain_assets.operations.sweep.state import point_lease
from selftrain_assets.store.lease import lease

SUMMARY = '{"finished": {"iterations": [{"greedy_accuracy": 0.5}]}}'


@pytest.fixture
def scheduled(store, tmp_path):
    """Returns a function that makes a scheduler of processes that run this script, which sees
    its `name` and a `folder`."""

    def make(script, names=("a", "b"), workers=2, rounds=None, changed=lambda run: None):
        path = tmp_path / "script.py"
        begin = (
            "import os, signal, sys, time\nfrom pathlib import Path\nname, folder = sys.argv[1],"
            f" Path({str(tmp_path)!r})\n"
        )
        path.write_text(
            f"{begin}finished = lambda: print('{SUMMARY}', flush=True)\n{dedent(script)}"
        )
        return Scheduler(names, store, rounds, workers, changed, (sys.executable, str(path)))

    return make


def ends(made):
    return {run.name: (run.state, run.sentence) for run in made.runs}


def test_every_run_is_worked_on_as_many_at_a_time_as_there_are_workers(scheduled, tmp_path):
    script = """
        (folder / f"{name}.running").touch()
        print(len(list(folder.glob("*.running"))), file=open(folder / f"{name}.seen", "w"))
        time.sleep(0.2)
        (folder / f"{name}.running").unlink()
        finished()
    """
    shown = []
    made = scheduled(script, "abcde", 2, changed=lambda run: shown.append((run.name, run.state)))
    made.work()
    assert ends(made) == dict.fromkeys("abcde", ("done", ""))
    assert {run.accuracy for run in made.runs} == {0.5}
    assert max(int(p.read_text()) for p in tmp_path.glob("*.seen")) <= 2
    assert [name for name, state in shown if state == "running"] == [*"abcde"]


def test_progress_is_that_of_the_stage_and_rounds_are_handed_on(scheduled):
    seen = []
    made = scheduled(
        """
        print('{"stage": "iter-001 samples", "done": 3, "total": ' + sys.argv[2] + "}", flush=True)
        finished()
        """,
        ["a"],
        rounds="7",
        changed=lambda run: seen.append((run.stage, run.done, run.total)),
    )
    made.work()
    assert ("iter-001 samples", 3, 7) in seen


def test_a_failed_run_has_its_sentence_and_the_others_are_finished(scheduled):
    made = scheduled(
        """
        if name == "a":
            print('{"failed": "a: the task has none"}', flush=True)
        elif name == "b":
            raise ValueError("two\\nlines")
        elif name == "c":
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            finished()
        """,
        "abcd",
    )
    made.work()
    assert ends(made) == {
        "a": ("failed", "the task has none"),
        "b": ("failed", "its process ended with exit code 1; it says: ValueError: two"),
        "c": (
            "failed",
            "its process was ended by SIGKILL, as where memory is short: give fewer --workers",
        ),
        "d": ("done", ""),
    }


def test_what_somebody_else_works_on_is_tried_again_and_no_failure(scheduled, tmp_path):
    script = """
        tries = folder / f"{name}.tries"
        tries.open("a").write("x")
        if name == "a" and len(tries.read_text()) < 3:
            print('{"busy": "samples are being written"}', flush=True)
        else:
            finished()
    """
    shown = []
    made = scheduled(
        script, "ab", 1, changed=lambda run: shown.append((run.name, run.state, run.sentence))
    )
    began = time.monotonic()
    made.work()
    assert ends(made) == dict.fromkeys("ab", ("done", ""))
    assert (tmp_path / "a.tries").read_text() == "xxx"
    assert shown.count(("a", "waiting", "samples are being written")) == 2
    assert time.monotonic() - began < 60


def test_a_point_that_another_process_holds_is_skipped_until_it_is_free(scheduled, store, tmp_path):
    made = scheduled("(folder / name).touch()\nfinished()", "ab", 1)
    held, free = threading.Event(), threading.Event()

    def other():
        with lease(point_lease(store, "a"), "another machine"):
            held.set()
            free.wait(60)

    process = threading.Thread(target=other)
    process.start()
    held.wait(60)
    working = threading.Thread(target=made.work)
    working.start()
    deadline = time.monotonic() + 60
    while made.runs[1].state != "done" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ends(made) == {"a": ("waiting", "another process is working on it"), "b": ("done", "")}
    assert not (tmp_path / "a").exists()
    free.set()
    working.join(60)
    process.join(60)
    assert ends(made)["a"] == ("done", "")


GOES_ON = """
    def stop(*_):
        (folder / f"{{name}}.committed").touch()
        sys.exit(130)
    signal.signal(signal.SIGINT, stop if {listens} else signal.SIG_IGN)
    (folder / f"{{name}}.pid").write_text(str(os.getpid()))
    print('{{"stage": "s", "done": 1, "total": 2}}', flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("listens", [True, False])
def test_an_interrupt_ends_every_process_by_its_id(scheduled, tmp_path, monkeypatch, listens):
    monkeypatch.setattr(scheduler, "GRACE", 20.0 if listens else 0.2)
    going = set()

    def changed(run):
        if run.stage:
            going.add(run.name)
        if len(going) == 2:
            raise KeyboardInterrupt

    made = scheduled(GOES_ON.format(listens=listens), "abc", 2, changed=changed)
    with pytest.raises(KeyboardInterrupt):
        made.work()
    pids = [int(p.read_text()) for p in tmp_path.glob("*.pid")]
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert len(list(tmp_path.glob("*.committed"))) == (2 if listens else 0)
    assert [run.state for run in made.runs] == ["running", "running", "waiting"]


def test_threads_are_shared_among_the_workers(scheduled, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(scheduler, "cores", lambda: 8)
    scheduled(
        "(folder / name).write_text(os.environ['OMP_NUM_THREADS'])\nfinished()", ["a"], 3
    ).work()
    assert (tmp_path / "a").read_text() == "2"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    scheduled(
        "(folder / name).write_text(os.environ['OMP_NUM_THREADS'])\nfinished()", ["a"], 3
    ).work()
    assert (tmp_path / "a").read_text() == "5"
