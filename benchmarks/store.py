"""Measure planning and selection at 10 thousand, 1 million and 10 million samples.

    python benchmarks/store.py [--json FILE]

Makes a store of each size in shards of 4,096 records, then measures, each in a process of its own:

owed
    Finding which samples and verdicts are missing: 16 samples of each problem, with one shard of
    each pool missing.
select
    The stage `dataset`: check checksums, join, keep what is right, distinct texts, at most 4 per
    problem, as many rows of every group, and write the rows.
pandas, datasets
    The same selection from the same files, with pandas and with Hugging Face datasets.
lineage
    Five samples, each by its own `selftrain lineage sample KEY --forward`, Python's start included.

The three selections must give the same rows. Needs `pip install pandas datasets`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.domain.identity import row_key
from selftrain_assets.domain.sampling import Sampling
from selftrain_assets.domain.types import Problem, SampleMembership, VerdictMembership
from selftrain_assets.pipeline import dataset
from selftrain_assets.pipeline.generation import load_requests, plan_requests
from selftrain_assets.pipeline.run import INPUTS, Clock, Run, finish
from selftrain_assets.pipeline.sampling import sample_draws
from selftrain_assets.pipeline.verification import plan_verdicts
from selftrain_assets.recipes import RestEM
from selftrain_assets.store import Store
from selftrain_assets.store.database import parquet
from selftrain_assets.store.shards import Contents, Shard, shard_name
from selftrain_assets.store.tables import file_digest
from selftrain_assets.verifiers import verifier_fingerprint

DRAWS, SHARD, CAP = 16, 4096, 4
POLICY = "0123456789abcdef" * 2
RECIPE = RestEM(
    sampling=Sampling(samples_per_problem=DRAWS),
    dedup="text",
    cap=CAP,
    choice="random",
    balance="group",
)
CORRECT = "(prompt_index * 7 + index * 11) % 3 = 0"
COMPLETION = """
    'There are ' || n % 50 || ' boxes with ' || n % 7 || ' pens in each of them, and that makes ' || n % 50 || ' * ' || n % 7 || ' = '
    || (n % 50) * (n % 7) || ' pens; ' || repeat('then somebody takes ' || i % 6 || ' of them away and puts them back ', 1 + i % 6 // 2)
    || CASE WHEN i % 2 = 0 THEN 'so the ANSWER is   ' ELSE 'so the answer is ' END
    || (n % 50) * (n % 7) + CASE WHEN correct THEN 0 ELSE 1 END"""  # noqa: E501


class _Prompt(NamedTuple):
    prompt: str
    id: str


def open_run(folder: Path) -> Run:
    return Run("big", Experiment(recipe=RECIPE), Store(folder))


def problem(n: int) -> Problem:
    group = ("sums", "products", "products", "rates")[n % 4]
    return Problem(
        f"p{n}",
        f"How many pens are in {n % 50} boxes of {n % 7}, in story {n}?",
        str((n % 50) * (n % 7)),
        group=group,
    )


def make(folder: Path, rows: int) -> None:
    """A store with one finished round of samples and verdicts."""
    run, clock = open_run(folder), Clock()
    problems = [problem(n) for n in range(rows // DRAWS)]
    problems_table = run.store.write_table(
        run.name, INPUTS, "problems", "0" * 32, Problem, problems
    )
    finish(
        run,
        clock,
        INPUTS,
        "problems",
        key="p",
        digest="p",
        parents={},
        files={"problems": problems_table},
    )
    scope = "iter-001"
    plan = sample_draws(run, "iter-001", POLICY)
    verifier = verifier_fingerprint(run.config.verifier)
    samples, verdicts = run.store.samples(POLICY), run.store.verifications(verifier, POLICY)
    listed: dict[Path, list[Shard]] = {samples.directory: [], verdicts.directory: []}
    with run.store.workspace() as ws, run.store.database() as db:
        requests = plan_requests(ws, plan)
        membership = ws.view(SampleMembership, "generation.membership", requests=requests)
        table, digest = run.store.write_relation(
            run.name, scope, "samples", ws, membership, ["key", "problem_id"]
        )
        ws.write(requests, folder / "requests.parquet")

        def shard(pool: Path, sql: str) -> None:
            pool.mkdir(parents=True, exist_ok=True)
            path = pool / "new.parquet"
            db.write(sql, path)
            sha256 = file_digest(path)
            path = path.rename(pool / shard_name(uuid.uuid4().hex, sha256))
            listed[pool].append(Shard(path.name, db.count("s"), sha256))

        problems_file = run.store.scope(run.name, INPUTS) / problems_table[0]
        prompts = [(run.methods[0].prompt.render(p), p.id) for p in problems]
        db.execute("CREATE TABLE prompts (prompt VARCHAR, id VARCHAR)")
        db.insert_columns("prompts", _Prompt, list(zip(*prompts, strict=True)))
        db.execute(
            f"CREATE TABLE requests AS FROM {parquet([folder / 'requests.parquet'])} ORDER BY"
            " position"
        )
        db.execute(
            "CREATE TABLE texts AS SELECT prompts.rowid AS prompt_index, prompt, p.answer,"
            " problem_digest(p.question, p.answer, NULL) AS digest FROM prompts JOIN"
            f" {parquet([problems_file])} AS p USING (id) ORDER BY prompt_index"
        )
        for begin in range(0, rows, SHARD):
            of_shard = (
                f"prompt_index >= {begin // DRAWS} AND prompt_index < {(begin + SHARD) // DRAWS}"
            )
            db.execute(
                f"CREATE OR REPLACE TABLE s AS SELECT *, {COMPLETION} AS completion FROM (SELECT *,"
                f" prompt_index AS n, index AS i, {CORRECT} AS correct FROM (FROM requests WHERE"
                f" {of_shard}) JOIN (FROM texts WHERE {of_shard}) USING (prompt_index)) ORDER BY"
                " position"
            )
            shard(
                samples.directory,
                "SELECT key, problem_id, prompt, completion, 1 AS seed, index, 'stop' AS"
                f" finish_reason, 30 AS prompt_tokens, 60 AS completion_tokens, '{POLICY}' AS"
                " policy, 'benchmark 1' AS engine FROM s ORDER BY position",
            )
            shard(
                verdicts.directory,
                f"SELECT verification_key(key, sha256(completion), digest, '{verifier}') AS key,"
                " key AS sample_key, problem_id, CASE WHEN correct THEN 'pass' ELSE 'wrong' END AS"
                " outcome, correct::DOUBLE AS reward, answer AS parsed, '' AS reason, 'numeric 1'"
                " AS verifier FROM s ORDER BY position",
            )
        for pool in (samples, verdicts):
            pool.replace(Contents(listed[pool.directory]))
    (folder / "requests.parquet").unlink()
    finish(run, clock, scope, "policy", key="q", digest=POLICY, parents={})
    parents = {"policy": POLICY, "problems": "p"}
    drawn = finish(
        run,
        clock,
        scope,
        "samples",
        key=digest,
        digest=digest,
        parents=parents,
        files={"samples": table},
    )
    with run.store.workspace() as ws:
        planned = plan_verdicts(run, ws, load_requests(ws, run, drawn), ws.pool(samples))
        membership = ws.view(
            VerdictMembership,
            "verification.membership",
            planned=planned,
            verdicts=ws.pool(verdicts),
        )
        table, digest = run.store.write_relation(
            run.name,
            scope,
            "verifications",
            ws,
            membership,
            ["key", "problem_id", "outcome", "reward"],
        )
        detail = {"verifiers": [verifier], "policy": POLICY}
        parents = {"samples": drawn.digest}
        finish(
            run,
            clock,
            scope,
            "verifications",
            key=digest,
            digest=digest,
            parents=parents,
            detail=detail,
            files={"verifications": table},
        )


# -- what is measured ------------------------------------------------------------------------------


def owed(folder: Path) -> dict[str, int]:
    """Plan what is owed of both pools, the last shard of each left out."""
    run = open_run(folder)
    verifier = verifier_fingerprint(run.config.verifier)
    samples, verdicts = run.store.samples(POLICY), run.store.verifications(verifier, POLICY)
    with run.store.workspace() as ws:
        planned = plan_verdicts(
            run, ws, load_requests(ws, run, run.need("iter-001", "samples")), ws.pool(samples)
        )
        verdicts.check()
        owed_verdicts = ws.count_missing(planned, ws.read(verdicts.record, verdicts.files()[:-1]))
        requests = plan_requests(ws, sample_draws(run, "iter-001", POLICY))
        samples.check()
        owed_samples = ws.count_missing(requests, ws.read(samples.record, samples.files()[:-1]))
        return {"samples": owed_samples, "verdicts": owed_verdicts}


def select(folder: Path) -> list[str]:
    run = open_run(folder)
    return _keys(run.store.table(dataset.dataset(run, 1), "rows"))


def pandas(folder: Path) -> list[str]:
    import pandas as pd

    files, run = _files(folder), open_run(folder)
    judged = pd.read_parquet(
        files["judgements"], columns=["sample_key", "problem_id", "outcome", "reward"]
    )
    right = judged.loc[
        (judged.outcome == "pass") & (judged.reward >= 1), ["sample_key", "problem_id"]
    ]
    samples = pd.read_parquet(files["samples"], columns=["key", "completion", "index"]).rename(
        columns={"key": "sample_key"}
    )
    found = right.merge(samples, on="sample_key")
    del judged, right, samples
    found["solution"] = found.completion.str.lower().str.split().str.join(" ")
    found = found.sort_values(["problem_id", "index", "sample_key"]).drop_duplicates(
        ["problem_id", "solution"]
    )
    found["rank"] = [at_random("cap", key) for key in found.sample_key]
    found = found.sort_values(["problem_id", "rank"]).groupby("problem_id", sort=False).head(CAP)
    problems = pd.DataFrame(
        {"problem_id": p.id, "prompt": run.methods[0].prompt.render(p), "group": p.group}
        for p in run.all_problems
    )
    found = found.merge(problems, on="problem_id")
    found["lot"] = [at_random("balance", key) for key in found.sample_key]
    fewest = found.groupby("group").size().min()
    found = found.sort_values("lot").groupby("group", sort=False).head(fewest)
    return _write(
        folder,
        found[["problem_id", "prompt", "completion", "sample_key"]].itertuples(
            index=False, name=None
        ),
    )


def datasets(folder: Path) -> list[str]:
    import pyarrow.compute as pc
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    files, run = _files(folder), open_run(folder)

    def load(name: str, columns: list[str]):
        cache = str(folder / "cache")
        return load_dataset(
            "parquet", data_files=files[name], columns=columns, split="train", cache_dir=cache
        ).with_format("arrow")

    judged = load("judgements", ["sample_key", "outcome", "reward"])
    passed = judged.filter(
        lambda t: pc.and_(
            pc.equal(t["outcome"], "pass"), pc.greater_equal(t["reward"], 1)
        ).to_pylist(),
        batched=True,
        batch_size=SHARD,
    )
    right = {key for batch in passed.iter(SHARD) for key in batch["sample_key"].to_pylist()}
    samples = load("samples", ["key", "problem_id", "completion", "index"])
    samples = samples.filter(
        lambda t: [key in right for key in t["key"].to_pylist()], batched=True, batch_size=SHARD
    )
    first: dict[tuple[str, bytes], tuple[int, str, int]] = {}
    for number, (key, id, text, index) in enumerate(
        _rows(samples, ["key", "problem_id", "completion", "index"])
    ):
        place = (id, hashlib.md5(" ".join(text.lower().split()).encode()).digest())
        first[place] = min(first.get(place, (index, key, number)), (index, key, number))
    ranked: dict[str, list[tuple[bytes, str, int]]] = defaultdict(list)
    for (id, _), (_, key, number) in first.items():
        ranked[id].append((at_random("cap", key), key, number))
    problems = {p.id: (run.methods[0].prompt.render(p), p.group) for p in run.all_problems}
    lots: dict[str, list[tuple[bytes, int]]] = defaultdict(list)
    for id, drawn in ranked.items():
        lots[problems[id][1]] += [
            (at_random("balance", key), number) for _, key, number in sorted(drawn)[:CAP]
        ]
    fewest = min(map(len, lots.values()))
    chosen = samples.select(
        sorted(number for group in lots.values() for _, number in sorted(group)[:fewest])
    )
    found = _rows(chosen, ["problem_id", "completion", "key"])
    return _write(folder, ((id, problems[id][0], text, key) for id, text, key in found))


def lineage(folder: Path) -> dict[str, float]:
    """Where samples come from and what is said of them, asked by the command line, which starts
    anew each time."""
    keys = _keys(open_run(folder).store.samples(POLICY).files()[-1])
    command = [
        sys.executable,
        "-m",
        "selftrain_assets.cli",
        "--store",
        str(folder),
        "lineage",
        "sample",
    ]
    answers = []
    for key in keys[:: len(keys) // 5 + 1]:
        begun = time.monotonic()
        subprocess.run([*command, key, "--forward"], stdout=subprocess.DEVNULL, check=True)
        answers.append(time.monotonic() - begun)
    return {
        "slowest_answer": round(max(answers), 2),
        "median_answer": round(statistics.median(answers), 2),
    }


def _rows(dataset, columns: list[str]) -> Iterable[tuple]:
    return (
        row
        for batch in dataset.iter(SHARD)
        for row in zip(*(batch[c].to_pylist() for c in columns), strict=True)
    )


def at_random(purpose: str, key: str) -> bytes:
    return hashlib.md5(f"0:{purpose}:{key}".encode()).digest()[::-1]


def _files(folder: Path) -> dict[str, list[str]]:
    """Undamaged files, those that the stage reads."""
    run = open_run(folder)
    samples = run.store.samples(POLICY)
    samples.check()
    judgements = run.store.table(run.need("iter-001", "verifications"), "verifications")
    return {"judgements": [str(judgements)], "samples": [str(file) for file in samples.files()]}


def _write(folder: Path, chosen: Iterable[tuple[str, str, str, str]]) -> list[str]:
    """Rows as the stage writes them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    keyed = [
        (row_key(prompt, text, 1.0, "self", key), id, prompt, text, key)
        for id, prompt, text, key in chosen
    ]
    columns = dict(
        zip(
            ("key", "problem_id", "prompt", "completion", "sample_key"),
            zip(*keyed, strict=True),
            strict=True,
        )
    )
    pq.write_table(pa.table(columns), folder / "rows.parquet", compression="zstd")
    return list(columns["key"])


def _keys(path: Path) -> list[str]:
    import pyarrow.parquet as pq

    return pq.read_table(path, columns=["key"])["key"].to_pylist()


CONTENDERS = {
    "owed": owed,
    "select": select,
    "pandas": pandas,
    "datasets": datasets,
    "lineage": lineage,
}


def measure(name: str, folder: Path) -> None:
    """In a process of its own: print seconds, peak memory, and what was found."""
    begun = time.monotonic()
    found = CONTENDERS[name](folder)
    seconds = round(time.monotonic() - begun, 2)
    # getrusage counts what the parent had at the fork, too
    status = Path("/proc/self/status").read_text()
    peak = round(int(status.partition("VmHWM:")[2].split()[0]) / 1e6, 3)
    if isinstance(found, list):
        found = {
            "selected": len(found),
            "checksum": hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest(),
        }
    print(json.dumps({"seconds": seconds, "peak_gb": peak, **found}))


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument(
        "--rows",
        type=int,
        nargs="+",
        default=[10_000, 1_000_000, 10_000_000],
        help="samples in the store",
    )
    arguments.add_argument(
        "--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="what to measure"
    )
    arguments.add_argument("--json", type=Path, help="file for all figures")
    arguments.add_argument("--measure", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.measure:
        return measure(given.measure[0], Path(given.measure[1]))
    figures: dict[str, dict[str, dict]] = {name: {} for name in given.only}
    for rows in given.rows:
        rows = rows // DRAWS * DRAWS
        with tempfile.TemporaryDirectory(prefix="selftrain-store-") as folder:
            make(Path(folder), rows)
            for name in given.only:
                command = [sys.executable, __file__, "--measure", name, folder]
                done = subprocess.run(
                    command,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={**os.environ, "HF_DATASETS_OFFLINE": "1"},
                )
                found = (
                    json.loads(done.stdout.splitlines()[-1])
                    if done.returncode == 0
                    else {"failed": done.returncode}
                )
                if "seconds" in found and name != "lineage":
                    found["rows_per_second"] = round(rows / found["seconds"])
                figures[name][str(rows)] = found
                print(f"{rows:>10,} {name:9}", json.dumps(found), flush=True)
        checksums = {
            found["checksum"]
            for name in given.only
            if "checksum" in (found := figures[name][str(rows)])
        }
        if len(checksums) > 1:
            raise SystemExit(f"{rows:,} samples: the selections differ")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
