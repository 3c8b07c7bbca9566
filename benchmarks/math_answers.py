r"""Measure the verifier `math`: python -m benchmarks.math_answers [--alterations] [--json FILE]

Compares verifiers with labels given by hand. The pairs in tests/verifiers/math_pairs.jsonl have a
reference answer, an answer, and whether they are equal, unequal, or the answer cannot be read. Each
verifier gets the completion `\boxed{answer}`:

numeric
    the verifier of numbers
math
    the verifier of mathematics, with one worker
math-verify
    its `parse` and `verify` as its README calls them, with its own time limits, in a process that
    is killed after 30 s

A verdict without reward (timeout, resource) counts as unequal. Latency is wall time per pair.

`--alterations` checks over 13,000 wrong answers made from right ones (altered_answers.py), none of
which may pass, and right ones in other notations, all of which must; and counts comparisons per
second.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmarks.altered_answers import Altered, altered, rewritten
from selftrain_assets.domain.types import Exchange, Outcome, Problem
from selftrain_assets.verifiers import (
    MathVerifier,
    NumericVerifier,
    SandboxSettings,
    Verifier,
    VerifierContext,
    verdicts,
)

PAIRS = Path(__file__).resolve().parent.parent / "tests" / "verifiers" / "math_pairs.jsonl"
KILLED_AFTER = 30.0  # seconds
LATENCIES = ("p50", "p99", "max", "hostile_max", "all_p99")
GOLDS = 5  # of each shape
LABELS = {Outcome.PASS: "equal", Outcome.MALFORMED: "unparseable"}

Ask = Callable[[str, str], str]
"""From a reference answer and a completion to a label."""


@contextmanager
def ours(verifier: Verifier) -> Iterator[Ask]:
    """One of our verifiers, opened."""
    with verifier.open(VerifierContext(SandboxSettings(workers=1))) as judge:

        def ask(gold: str, completion: str) -> str:
            [(_, verdict)] = judge.stream([Exchange(Problem("p", "?", gold), completion)])
            return LABELS.get(verdict.outcome, "unequal")

        ask("1", r"\boxed{\sqrt{2}}")  # starts the worker
        yield ask


def raw(pipe: Connection) -> None:
    """math-verify itself, until it is killed."""
    from math_verify import parse, verify

    parse("$1$")
    pipe.send("ready")
    while True:
        gold, completion = pipe.recv()
        wanted, given = parse(f"${gold}$"), parse(completion)
        pipe.send("unparseable" if not given else "equal" if verify(wanted, given) else "unequal")


@contextmanager
def math_verify() -> Iterator[Ask]:
    """math-verify in a child process, which is replaced when it had to be killed."""
    spawn = multiprocessing.get_context("spawn")
    running: list[tuple[Any, Connection]] = []

    def start() -> None:
        here, there = spawn.Pipe()
        child = spawn.Process(target=raw, args=(there,), daemon=True)
        child.start()
        there.close()
        here.recv()
        running[:] = [(child, here)]

    def ask(gold: str, completion: str) -> str:
        [(child, pipe)] = running
        pipe.send((gold, completion))
        try:
            if pipe.poll(KILLED_AFTER):
                return pipe.recv()
        except EOFError:
            pass
        child.kill()
        child.join()
        start()
        return "killed"

    start()
    try:
        yield ask
    finally:
        running[0][0].kill()


def measured(pairs: list[dict[str, str]], ask: Ask) -> dict[str, Any]:
    """Agreement by kind, the pairs that differ, and the latency."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    differing, kinds = {}, {}
    for pair in pairs:
        started = time.perf_counter()
        said = ask(pair["gold"], f"\\boxed{{{pair['answer']}}}")
        seconds[pair["kind"] == "hostile"].append(time.perf_counter() - started)
        right, of = kinds.get(pair["kind"], (0, 0))
        kinds[pair["kind"]] = (right + (said == pair["label"]), of + 1)
        if said != pair["label"]:
            differing[pair["id"]] = {"label": pair["label"], "said": said}
    cuts = quantiles(seconds[False], n=100)
    credited = [
        pair["id"]
        for pair in pairs
        if pair["label"] != "equal" and differing.get(pair["id"], {}).get("said") == "equal"
    ]
    return {
        "agreement": 1 - len(differing) / len(pairs),
        "wrongly_credited": credited,
        "kinds": kinds,
        "differing": differing,
        "p50_ms": 1000 * cuts[49],
        "p99_ms": 1000 * cuts[98],
        "max_ms": 1000 * max(seconds[False]),
        "hostile_max_ms": 1000 * max(seconds[True]),
        "all_p99_ms": 1000 * quantiles(seconds[False] + seconds[True], n=100)[98],
    }


def alterations(golds: int) -> dict[str, Any]:
    """Wrong credits of altered answers, right ones lost that are rewritten, and comparisons per
    second of wall time, with two workers."""
    found: dict[str, Any] = {}
    for name, made, passes in (("altered", altered, False), ("rewritten", rewritten, True)):
        answers: list[Altered] = list(dict.fromkeys(made(golds)))
        exchanges = [
            Exchange(Problem(f"{place}", "?", each.gold), f"\\boxed{{{each.answer}}}")
            for place, each in enumerate(answers)
        ]
        started = time.perf_counter()
        judged = verdicts(MathVerifier(), VerifierContext(SandboxSettings(workers=2)), exchanges)
        seconds = time.perf_counter() - started
        wrong = [
            each
            for each, verdict in zip(answers, judged, strict=True)
            if (verdict.outcome == Outcome.PASS) != passes
        ]
        found[name] = {
            "answers": len(answers),
            "against": [each._asdict() for each in wrong],
            "per_second": len(answers) / seconds,
        }
        print(
            f"{name}: {len(answers):,} answers, {len(wrong)} judged wrongly,"
            f" {len(answers) / seconds:,.0f} a second"
        )
        for each in wrong:
            print(f"  {each.kind}: {each.answer!r} for {each.gold!r}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument(
        "--alterations",
        action="store_true",
        help="measure on altered and rewritten answers instead",
    )
    options = parser.parse_args()
    if options.alterations:
        figures = alterations(GOLDS)
        if options.json:
            options.json.write_text(json.dumps(figures, indent=2) + "\n")
        return
    pairs = [json.loads(line) for line in PAIRS.read_text().splitlines()]
    found = {}
    for name, opened in (
        ("numeric", ours(NumericVerifier())),
        ("math", ours(MathVerifier())),
        ("math-verify", math_verify()),
    ):
        with opened as ask:
            found[name] = measured(pairs, ask)
        print(f"{name}: measured", file=sys.stderr, flush=True)
    print(f"{'':<18}" + "".join(f"{name:>16}" for name in found))
    for kind in dict.fromkeys(pair["kind"] for pair in pairs):
        print(
            f"{kind:<18}"
            + "".join(
                f"{each['kinds'][kind][0]:>12}/{each['kinds'][kind][1]:<3}"
                for each in found.values()
            )
        )
    rows = {
        "agreement": [f"{each['agreement']:.1%}" for each in found.values()],
        "credited wrong": [str(len(each["wrongly_credited"])) for each in found.values()],
        **{
            f"{key.replace('_', ' ')} ms": [f"{each[f'{key}_ms']:,.1f}" for each in found.values()]
            for key in LATENCIES
        },
    }
    for title, cells in rows.items():
        print(f"{title:<18}" + "".join(f"{cell:>16}" for cell in cells))
    by_id = {pair["id"]: pair for pair in pairs}
    for name in ("math", "math-verify"):
        print(f"\n{name} differs from the label:")
        for id, differing in found[name]["differing"].items():
            gold, answer = by_id[id]["gold"][:40], by_id[id]["answer"][:40]
            print(
                f"  {id:<18} {gold!r} and {answer!r}: {differing['label']}, and it says"
                f" {differing['said']}"
            )
    if options.json:
        options.json.write_text(json.dumps({"pairs": len(pairs), **found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
