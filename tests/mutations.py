"""Are wrong lines noticed?

Each mutation makes one place of the package wrong. The few tests that should notice run on a copy
of the tree in which it is; `make test-mutations` runs all. It fails where those tests pass, and
where the place has changed, so that its mutation has to be written anew.

    python -m tests.mutations [PART OF A FILE'S NAME]
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
COPIED = ("selftrain_assets", "sandbox", "tests", "pyproject.toml")
PASSED, FAILED = 0, 1  # exit codes of pytest
MOST_SECONDS = 300  # for the tests of one mutation
WORKERS = min(2, os.cpu_count() or 1)


@dataclass(frozen=True)
class Mutation:
    """`right` in a file of the package becomes `wrong`; `tests` are those that should notice."""

    file: str
    right: str
    wrong: str
    tests: str


KEYS = "tests/test_settings_in_keys.py -k"
MUTATIONS = (
    # -- domain: identity, chance, rules and statistics
    Mutation(
        "domain/requests.py",
        "derive_seed(self.seed, self.policy, prompt, index)",
        "derive_seed(self.seed, prompt, index)",
        "tests/domain/test_requests.py",
    ),
    Mutation(
        "domain/requests.py",
        "            self.prompts,\n            self.method,",
        "            self.method,",
        "tests/domain/test_requests.py",
    ),
    Mutation(
        "domain/identity.py",
        'fingerprint("draws", policy, sampling, seed)',
        'fingerprint("draws", policy, sampling)',
        "tests/domain/test_identity.py",
    ),
    Mutation("domain/identity.py", 'f"{weight:.17g}",', '"1",', "tests/domain/test_requests.py"),
    Mutation(
        "domain/identity.py",
        "if name not in kind.added or section != default",
        "if name not in kind.added",
        "tests/domain/test_identity.py",
    ),
    Mutation(
        "domain/identity.py",
        "if not isinstance(section, Execution)",
        "if True",
        "tests/domain/test_identity.py",
    ),
    Mutation(
        "domain/identity.py",
        'return _hash("verification", sample, completion, problem, verifier)',
        'return _hash("verification", sample, problem, verifier)',
        "tests/domain/test_identity.py",
    ),
    Mutation(
        "domain/seeds.py", "key=str(seed).encode()", 'key=b"0"', "tests/domain/test_identity.py"
    ),
    Mutation(
        "domain/selection.py",
        "success_rate < below",
        "success_rate <= below",
        "tests/domain/test_requests.py",
    ),
    Mutation(
        "domain/selection.py",
        "round(share * len(rows))",
        "int(share * len(rows))",
        "tests/domain/test_requests.py",
    ),
    Mutation(
        "domain/statistics.py",
        "if k > samples:",
        "if k >= samples:",
        "tests/domain/test_statistics.py",
    ),
    Mutation("domain/statistics.py", "n / (tied + 1)", "n", "tests/domain/test_statistics.py"),
    Mutation(
        "domain/statistics.py",
        "differences = [b - a for",
        "differences = [a - b for",
        "tests/domain/test_statistics.py",
    ),
    Mutation(
        "domain/statistics.py",
        "max(covariance - total / 2, 0)",
        "covariance",
        "tests/domain/test_statistics.py",
    ),
    Mutation(
        "domain/statistics.py",
        "(1 + confidence) / 2, len(values) - 1)",
        "(1 + confidence) / 2, len(values))",
        "tests/domain/test_statistics.py",
    ),
    Mutation(
        "domain/retraction.py",
        'row.source != "human" and scope',
        "scope",
        "tests/domain/test_retraction.py",
    ),
    Mutation(
        "domain/group_balance.py",
        "unit = min(",
        "unit = max(",
        "tests/domain/test_group_balance.py",
    ),
    Mutation(
        "domain/mixing.py", "(own + counted) / (1 - share)", "own", "tests/domain/test_mixing.py"
    ),
    Mutation(
        "domain/quality_checks.py",
        "passed = not gain.high < 0",
        "passed = not gain.low < 0",
        "tests/domain/test_quality_checks.py",
    ),
    Mutation(
        "domain/quality_checks.py",
        "share = missing / max(1, verifications)",
        "share = 0.0",
        "tests/domain/test_quality_checks.py",
    ),
    # -- pipeline: keys, training and measuring
    Mutation(
        "pipeline/training.py",
        "trainer, early_stopping, validation, seed",
        "trainer, validation, seed",
        "tests/pipeline/test_training_keys.py",
    ),
    Mutation(
        "pipeline/training.py",
        "trainer, early_stopping, validation, seed",
        "trainer, early_stopping, seed",
        "tests/pipeline/test_training_keys.py",
    ),
    Mutation(
        "pipeline/training.py",
        'derive_seed(run.config.seed, "train")',
        'derive_seed(0, "train")',
        "tests/pipeline/test_training_keys.py",
    ),
    Mutation(
        "pipeline/training.py",
        "[r.key for r in own], below.digest,",
        "[r.key for r in own],",
        "tests/pipeline/test_training_keys.py",
    ),
    Mutation(
        "pipeline/evaluation.py",
        "        base.digest if base else None,\n",
        "",
        f"{KEYS} 'made_anew and mmst'",
    ),
    Mutation(
        "pipeline/evaluation.py",
        "        list(run.all_verifiers),\n        *second",
        "        *second",
        f"{KEYS} 'a_setting and tripost'",
    ),
    Mutation(
        "pipeline/metrics.py",
        "[float(b.greedy) for b, _ in pairs],\n        [float(s.greedy) for _, s in pairs]",
        "[float(s.greedy) for _, s in pairs],\n        [float(b.greedy) for b, _ in pairs]",
        "tests/pipeline/test_metrics.py",
    ),
    Mutation(
        "pipeline/metrics.py",
        "bins[difficulty_bin(b.correct / b.samples)].append((b, s))",
        "bins[difficulty_bin(s.correct / s.samples)].append((b, s))",
        "tests/pipeline/test_metrics.py",
    ),
    Mutation(
        "pipeline/metrics.py",
        "key=lambda name: -right[name]",
        "key=lambda name: right[name]",
        "tests/pipeline/test_metrics.py",
    ),
    Mutation(
        "pipeline/metrics.py",
        "sum(any(right[name][id]",
        "sum(all(right[name][id]",
        "tests/pipeline/test_metrics.py",
    ),
    Mutation(
        "pipeline/metrics.py",
        "if p.tests is not None}",
        "if False}",
        "tests/pipeline/test_metrics.py",
    ),
    Mutation(
        "pipeline/metrics.py",
        "if len(problem_scores) == len(ranked)",
        "if True",
        "tests/pipeline/test_metrics.py",
    ),
    Mutation(
        "pipeline/metrics.py",
        'replace(score, split="test") if score.split == "suite" else score',
        "score",
        "tests/pipeline/test_metrics.py",
    ),
    Mutation(
        "recipes/tripost/self_improvement.py",
        '"feedback_recall": flagged_wrong / wrong if wrong else None',
        '"feedback_recall": flagged_wrong / flagged if flagged else None',
        "tests/pipeline/test_metrics.py",
    ),
    Mutation(
        "recipes/tripost/self_improvement.py",
        "sum(after and not before for",
        "sum(before and not after for",
        "tests/pipeline/test_metrics.py",
    ),
    # -- store: rules in SQL, and what is there
    Mutation(
        "store/queries/selection.sql",
        "arg_max(reward, iteration) >= $threshold",
        "arg_max(reward, iteration) > $threshold",
        "tests/store/test_selection.py",
    ),
    Mutation(
        "store/queries/selection.sql",
        "$cap = 0 OR rank <= $cap",
        "$cap = 0 OR rank < $cap",
        "tests/store/test_selection.py",
    ),
    Mutation(
        "store/queries/selection.sql",
        "HAVING arg_max(outcome, iteration) = 'pass'",
        "HAVING true",
        "tests/store/test_selection.py",
    ),
    Mutation(
        "store/queries/selection.sql",
        "WHEN 'shortest' THEN learnt_tokens",
        "WHEN 'shortest' THEN -learnt_tokens",
        "tests/store/test_selection.py",
    ),
    Mutation(
        "store/queries/selection.sql",
        "WHERE $size_match = 'off' OR number <= own",
        "WHERE true",
        "tests/store/test_selection.py",
    ),
    Mutation(
        "store/queries/selection.sql",
        "(SELECT min(n) FROM",
        "(SELECT max(n) FROM",
        "tests/store/test_selection.py",
    ),
    Mutation(
        "store/queries/selection.sql",
        "WHEN 'exp' THEN exp(reward)",
        "WHEN 'exp' THEN reward",
        "tests/store/test_selection.py",
    ),
    Mutation(
        "store/pool.py",
        "Contents([*contents.shards, Shard(",
        "Contents([Shard(",
        "tests/store/test_store.py",
    ),
    Mutation("store/pool.py", "self.commit(open_shard)", "pass", "tests/store/test_store.py"),
    Mutation(
        "store/manifest.py",
        "return (self.key, self.parents, self.digest) == (other.key, other.parents, other.digest)",
        "return self.key == other.key",
        "tests/store/test_store.py",
    ),
    # -- reports
    Mutation(
        "reports/tables.py",
        '("1", _largest(by_k) or "1")',
        '("1",)',
        "tests/reports/test_tables.py",
    ),
    Mutation(
        "reports/tables.py", "max(by_k, key=int,", "max(by_k,", "tests/reports/test_tables.py"
    ),
    Mutation(
        "reports/tables.py",
        'f"{estimate.mean:{sign}.3f}{interval}"',
        'f"{estimate.mean:.3f}{interval}"',
        "tests/reports/test_recipe_tables.py",
    ),
    Mutation(
        "recipes/mmst/report.py",
        "cell.correct / cell.samples if cell.samples else 0.0",
        "cell.correct",
        "tests/reports/test_recipe_tables.py",
    ),
    Mutation(
        "recipes/mmst/report.py",
        ".get(method, {}).get(origin, 0)",
        ".get(origin, {}).get(method, 0)",
        "tests/reports/test_recipe_tables.py",
    ),
    Mutation(
        "reports/suites.py",
        'estimated(measures.gain_over_base, "+")',
        "estimated(measures.gain_over_base)",
        "tests/reports/test_recipe_tables.py",
    ),
    Mutation(
        "recipes/tripost/report.py",
        "[number(effect.direct), number(effect.final)]",
        "[number(effect.final), number(effect.direct)]",
        "tests/reports/test_recipe_tables.py",
    ),
    Mutation(
        "reports/diversity.py",
        "point.counts.own_rows, own",
        "point.counts.kept_rows, own",
        "tests/reports/test_recipe_tables.py",
    ),
    Mutation(
        "reports/comparison.py",
        "over_seeds([b - a for a, b",
        "over_seeds([a - b for a, b",
        "tests/reports/test_comparison.py -k students_unless",
    ),
)


def copy_tree(folder: Path) -> Path:
    """What tests need, without what was built."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


def passes(tree: Path, tests: str) -> bool:
    """Whether these tests pass on a tree. RuntimeError where they cannot be run at all."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *shlex.split(tests)],
        cwd=tree,
        env=environment,
        timeout=MOST_SECONDS,
        capture_output=True,
        text=True,
    )
    if done.returncode not in (PASSED, FAILED):
        raise RuntimeError(f"pytest {tests} ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return done.returncode == PASSED


def outcome(mutation: Mutation, tree: Path) -> str:
    """`caught`, `survived`, or what else became of it. The tree is as before afterwards."""
    path = tree / "selftrain_assets" / mutation.file
    text = path.read_text() if path.is_file() else ""
    if text.count(mutation.right) != 1:
        return f"is gone: its text stands there {text.count(mutation.right)} times"
    path.write_text(text.replace(mutation.right, mutation.wrong))
    try:
        return "survived" if passes(tree, mutation.tests) else "caught"
    except subprocess.TimeoutExpired:
        return "caught"  # it hangs
    except RuntimeError as error:
        return str(error)
    finally:
        path.write_text(text)


def main(part: str = "") -> int:
    """Run those whose file has `part` in its name; returns how many were not caught."""
    chosen = [mutation for mutation in MUTATIONS if part in mutation.file]
    trees: SimpleQueue[Path] = SimpleQueue()
    begun, missed = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS) as pool:
        for number in range(WORKERS):
            trees.put(copy_tree(Path(folder) / str(number)))

        def on_a_tree(work: Callable[[Path], T]) -> T:
            tree = trees.get()
            try:
                return work(tree)
            finally:
                trees.put(tree)

        tests = sorted({mutation.tests for mutation in chosen})
        as_it_is = pool.map(lambda own: on_a_tree(lambda tree: passes(tree, own)), tests)
        if failing := [own for own, passed in zip(tests, as_it_is, strict=True) if not passed]:
            print("These fail without any mutation:", *failing, sep="\n    ")
            return len(failing)
        results = pool.map(lambda each: on_a_tree(lambda tree: outcome(each, tree)), chosen)
        for mutation, result in zip(chosen, results, strict=True):
            missed += result != "caught"
            line = " ".join(mutation.right.split())[:70]
            print(f"{result:9} {mutation.file:38} {line}", flush=True)
    seconds = time.monotonic() - begun
    print(f"{len(chosen) - missed} of {len(chosen)} caught in {seconds:.0f} s")
    return missed


if __name__ == "__main__":
    sys.exit(1 if main(*sys.argv[1:]) else 0)
