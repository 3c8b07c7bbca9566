"""Child processes: what they send, how their end is explained, and that neither they nor theirs
are left behind."""

import queue
import subprocess
import sys
import time
from textwrap import dedent

import psutil
import pytest

from selftrain_assets.runtime.worker import Worker, WorkerError, last_error, stop_all

ECHO = """
from selftrain_assets.runtime.worker import open_replies, open_requests
send, requests = open_replies(), open_requests()
print("no reply")
while True:
    send(requests.get())
"""
DEAF = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("1", flush=True)
time.sleep(600)
"""


@pytest.fixture
def start():
    """Returns a function that starts a worker of a Python program."""
    workers = []

    def start(program, **settings):
        workers.append(Worker([sys.executable, "-c", dedent(program)], **settings))
        return workers[-1]

    yield start
    stop_all(workers)


def gone(*pids, seconds=20):
    deadline = time.monotonic() + seconds
    while any(
        psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        for pid in pids
    ):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_requests_are_answered_and_what_is_printed_is_no_reply(start):
    worker = start(ECHO)
    for message in ({"a": [1, None, "ü\n"]}, 0.1, "x" * 200_000):
        worker.send(message)
        assert worker.receive() == message
    assert worker.stop(20) == 0
    assert worker.log == "no reply\n"


def test_workers_share_an_inbox_and_their_ends_are_in_it(start):
    inbox = queue.SimpleQueue()
    workers = [start(f"print({n})", inbox=inbox) for n in range(3)]
    received = [inbox.get(timeout=60) for _ in range(6)]
    assert sorted(
        (workers.index(worker), message) for worker, message in received if message is not None
    ) == [(0, 0), (1, 1), (2, 2)]
    assert {worker for worker, message in received if message is None} == set(workers)


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("raise ValueError('two\\nlines')", "ended with exit code 1; it says: ValueError: two"),
        ("import sys; sys.exit(3)", "ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
        ("print('{\"torn\": ', flush=True)", "ended with exit code 0"),
    ],
)
def test_the_end_of_a_process_is_explained(start, program, sentence):
    worker = start(program)
    with pytest.raises(WorkerError) as error:
        worker.receive()
    assert str(error.value) == sentence
    worker.send("to nobody")
    with pytest.raises(WorkerError, match=sentence):
        worker.receive()


@pytest.mark.parametrize(
    ("log", "error"),
    [
        ("", ""),
        ("one\n\ntwo \n", "two"),
        ("UserWarning: old\n[rank1]: torch.OutOfMemoryError: CUDA full.\n\nbye\n", "torch.OutOfMemoryError: CUDA full."),  # noqa: E501
        ("(EngineCore pid=7) ERROR 11:30 [core.py:9] RuntimeError: no memory\n    raise e\n", "RuntimeError: no memory"),  # noqa: E501
        ("KeyError: 1\nAssertionError\nnote\n", "AssertionError"),
    ],
)  # fmt: skip
def test_the_last_error_of_a_log(log, error):
    assert last_error(log) == error


def test_a_log_can_be_a_file(start, tmp_path):
    worker = start("import sys; sys.exit('gone')", log=tmp_path / "log")
    assert worker.explain_end() == "ended with exit code 1; it says: gone"
    assert (tmp_path / "log").read_text() == "gone\n"


@pytest.mark.parametrize("listens", [True, False])
def test_a_stop_waits_for_those_that_end_and_kills_the_others(start, listens):
    program = DEAF if not listens else DEAF.replace("signal.SIG_IGN", "lambda *_: exit(5)")
    workers = [start(program) for _ in range(2)]
    assert [worker.receive() for worker in workers] == [1, 1]
    began = time.monotonic()
    stop_all(workers, grace=60.0 if listens else 0.2, interrupt=True)
    assert {worker.exit_code for worker in workers} == {5 if listens else -9}
    assert time.monotonic() - began < 30


def test_what_a_worker_has_started_ends_with_it(start):
    worker = start("""
        import subprocess, sys
        print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
    """)  # noqa: E501
    child = worker.receive()
    worker.stop(20)
    assert gone(child)


def test_a_worker_ends_with_the_process_that_has_started_it():
    parent = (
        "import sys; from selftrain_assets.runtime.worker import Worker; worker ="
        f" Worker([sys.executable, '-c', {ECHO!r}])"
    )
    parent += "; worker.send(1); worker.receive(); print(worker.pid, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        pid = int(process.stdout.readline())
        assert psutil.pid_exists(pid)
        process.kill()
    assert gone(pid)
