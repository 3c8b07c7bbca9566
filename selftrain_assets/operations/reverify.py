"""What another verifier would change: the samples of finished rounds judged again, against the
verdicts they were trained on.

Nothing is sampled, and no stage is touched: the new verdicts join the pool beside the old ones,
where the next run finds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.selection import Selection
from selftrain_assets.domain.types import Row, Sample, Verification
from selftrain_assets.pipeline.dataset import Judged, evidence_stages, select_rows
from selftrain_assets.pipeline.generation import recall
from selftrain_assets.pipeline.run import Clock, Run, iteration_scope
from selftrain_assets.pipeline.sampling import JUDGED, SAMPLES_OF
from selftrain_assets.pipeline.verification import judge
from selftrain_assets.store import Manifest
from selftrain_assets.store.database import Database, parquet
from selftrain_assets.store.pool import open_pools


@dataclass(frozen=True)
class Changed:
    """A sample on which two verifiers differ."""

    sample: Sample
    before: Verification
    now: Verification


@dataclass
class RoundDifference:
    """One round: how many samples were judged, on which the verdict differs, and what its dataset
    would gain and lose.

    `checkpoint` is the digest of what was trained on that dataset, None where nothing was yet.
    """

    scope: str
    judged: int = 0
    changed: list[Changed] = field(default_factory=list)
    added: list[Row] = field(default_factory=list)
    removed: list[Row] = field(default_factory=list)
    checkpoint: str | None = None


def reverify(run: Run) -> list[RoundDifference]:
    """Every finished round of the experiment under its present verifier."""
    rounds = [
        i
        for i in range(1, run.config.rounds + 1)
        if run.manifest(iteration_scope(i), "verifications")
    ]
    with TemporaryDirectory() as folder:
        differences, now = [], {}
        for iteration in rounds:
            difference = RoundDifference(iteration_scope(iteration))
            for stage in SAMPLES_OF:
                if (finished := run.manifest(difference.scope, stage)) is not None:
                    now[iteration, stage] = _judged_again(
                        run, iteration, finished, difference, Path(folder)
                    )
            differences.append(difference)
        for iteration, difference in zip(rounds, differences, strict=True):
            _compare_rows(run.at(iteration), iteration, difference, now)
    return differences


def _judged_again(
    run: Run, iteration: int, finished: Manifest, difference: RoundDifference, folder: Path
) -> Judged:
    """The new verdicts of a stage; those that differ are noted."""
    drawn = run.need(finished.scope, SAMPLES_OF[finished.stage])
    if drawn.digest not in finished.parents.values():
        raise TaskError(
            f"{run.name}: {finished.scope} has other {drawn.stage} than those its {finished.stage}"
            f" are on; `selftrain run {run.name}` judges them, then ask again"
        )
    policy = finished.detail["policy"]
    judgements = folder / f"{finished.scope}-{finished.stage}.parquet"
    with run.store.database() as db:
        recall(db, run, drawn)
        judge(run, db, policy, f"{finished.scope} {finished.stage} again", Clock())
        db.write(JUDGED, judgements)
        open_pools(
            db,
            "earlier_pool",
            [run.store.verifications(name, policy) for name in finished.detail["verifiers"]],
        )
        earlier = parquet([run.store.table(finished, finished.stage)])
        db.execute(
            "CREATE TABLE changed AS SELECT j.place, j.problem_id, j.sample_key, o.key AS old,"
            " n.key AS new FROM judgements AS j JOIN verdict_pool AS n ON n.key = j.key JOIN"
            f" {earlier} AS e ON e.sample_key = j.sample_key AND e.problem_id = j.problem_id JOIN"
            " earlier_pool AS o ON o.key = e.key WHERE (e.outcome, e.reward) IS DISTINCT FROM"
            " (n.outcome, n.reward)"
        )
        difference.judged += db.count("judgements SEMI JOIN verdict_pool USING (key)")
        samples = _of_changed(db, Sample, "sample_pool", "sample_key")
        before, after = (
            _of_changed(db, Verification, "earlier_pool", "old"),
            _of_changed(db, Verification, "verdict_pool", "new"),
        )
        difference.changed += [
            Changed(*found) for found in zip(samples, before, after, strict=True)
        ]
    return Judged(iteration, finished.stage, judgements, run.store.samples(policy))


def _of_changed(db: Database, record: type, pool: str, key: str) -> Iterator[Any]:
    """Records of a pool under this key of the table `changed`."""
    joined = f"FROM changed AS c JOIN {pool} AS p ON p.key = c.{key} ORDER BY place"
    return db.records(record, f"SELECT p.* REPLACE (c.problem_id AS problem_id) {joined}")


def _compare_rows(
    run: Run, iteration: int, difference: RoundDifference, now: dict[tuple[int, str], Judged]
) -> None:
    """What the recipe would select from the new verdicts, against the frozen dataset; of recipes
    that do more than select, nothing."""
    frozen = run.manifest(difference.scope, "dataset")
    if frozen is None or not isinstance(run.config.recipe, Selection):
        return
    with run.store.database() as db:
        for i, stage in evidence_stages(run, iteration):
            run.need(iteration_scope(i), stage)
        select_rows(run, db, iteration, [now[place] for place in evidence_stages(run, iteration)])
        db.view("frozen_rows", Row, [run.store.table(frozen, "rows")])
        difference.added = list(
            db.records(
                Row,
                "SELECT * FROM training_rows ANTI JOIN frozen_rows USING (key) ORDER BY"
                " problem_id, key",
            )
        )
        difference.removed = list(
            db.records(
                Row,
                "SELECT * FROM frozen_rows ANTI JOIN training_rows USING (key) ORDER BY"
                " problem_id, key",
            )
        )
    trained = run.manifest(difference.scope, "checkpoint")
    if trained is not None and trained.parents.get("dataset") == frozen.digest:
        difference.checkpoint = trained.digest
