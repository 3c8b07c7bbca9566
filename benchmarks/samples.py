"""Measure what a committed sample costs, with and without its token ids.

    python -m benchmarks.samples [--quick] [--json FILE]

Commits shards of 4,096 samples in three ways, in turns, reads them back, and reports the median of
each way: records handed to Arrow row by row (`rows`), by columns (`columns`), and by columns with
token ids (`tokens`). Texts have 64 to 1,024 words, a token each, out of 50,000 by Zipf's law.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from selftrain_assets.domain.types import Sample
from selftrain_assets.store.pool import Pool
from selftrain_assets.store.tables import prepared_table, read_table, schema_of

SHARD, WORDS = 4_096, 50_000


def samples(count: int, seed: int = 0) -> list[Sample]:
    """With tokens."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 9))) for _ in range(WORDS)]
    weights = [1 / rank for rank in range(1, WORDS + 1)]
    made = []
    for n in range(count):
        ids = draw.choices(range(WORDS), weights, k=draw.choice([64, 128, 256, 512, 1024]))
        text = " ".join(words[i] for i in ids)
        key = f"{draw.getrandbits(128):032x}"
        facts = (
            key,
            f"p{n // 16}",
            f"Q: {n // 16} A:",
            text,
            draw.getrandbits(62),
            n % 16,
            "stop",
            12,
            len(ids),
            "0" * 32,
            "engine 1",
        )
        made.append(Sample(*facts, ids, "1" * 32, "<end>"))
    return made


def by_rows(folder: Path, records: Sequence[Sample]) -> int:
    """As it was before: a dictionary for each record."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "rows.parquet"
    pq.write_table(
        pa.Table.from_pylist([asdict(r) for r in records], schema=schema_of(Sample)),
        path,
        compression="zstd",
    )
    return path.stat().st_size


def by_columns(folder: Path, records: Sequence[Sample]) -> int:
    """As pools do it."""
    with prepared_table(folder, "columns", Sample, records) as (path, _):
        return path.stat().st_size


def measure(count: int, turns: int) -> dict[str, Any]:
    """Seconds and bytes for each of `count` samples, by how they are written; and seconds to
    read them."""
    drawn = samples(count)
    bare = [replace(s, tokens=None, tokenizer=None) for s in drawn]
    ways: dict[str, tuple[Callable[[Path, Sequence[Sample]], int], list[Sample]]] = {
        "rows": (by_rows, bare),
        "columns": (by_columns, bare),
        "tokens": (by_columns, drawn),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    size = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for _ in range(turns):
            for name, (write, records) in ways.items():
                begun = time.perf_counter()
                size[name] = sum(
                    write(folder, records[start : start + SHARD])
                    for start in range(0, count, SHARD)
                )
                seconds[name].append(time.perf_counter() - begun)
        pool = Pool(folder / "pool", Sample)
        for start in range(0, count, SHARD):
            pool.commit(drawn[start : start + SHARD])
        begun = time.perf_counter()
        read = [
            s
            for shard in pool.shards()
            for s in read_table(pool.directory / shard.file, Sample, shard.sha256)
        ]
        reading = time.perf_counter() - begun
    assert read == drawn, "what is read is not what was written"
    each = {name: statistics.median(taken) / count for name, taken in seconds.items()}
    return {
        "samples": count,
        "tokens_per_sample": round(sum(s.completion_tokens for s in drawn) / count, 1),
        **{f"microseconds_{name}": round(1e6 * taken, 1) for name, taken in each.items()},
        **{f"bytes_{name}": round(size[name] / count) for name in ways},
        "rows_over_columns": round(each["rows"] / each["columns"], 2),
        "tokens_over_rows": round(each["tokens"] / each["rows"], 2),
        "microseconds_read": round(1e6 * reading / count, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two shards in place of eight")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    found = measure(SHARD * (2 if options.quick else 8), 3 if options.quick else 5)
    print(json.dumps(found, indent=1))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
