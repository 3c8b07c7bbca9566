"""What another verifier would change: the samples of finished rounds judged again, against the verdicts they were trained on.

Nothing is sampled, and no stage is touched: the new verdicts join the pool beside the old ones, where the next run finds them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from selftrain_assets.core.types import Outcome, Row, Sample, Verification
from selftrain_assets.stages.evidence import judge
from selftrain_assets.stages.run import Clock, Run, iteration_scope
from selftrain_assets.stages.sampling import SAMPLES_OF, read_samples, read_verifications
from selftrain_assets.stages.training import selected_rows
from selftrain_assets.store import Manifest


@dataclass(frozen=True)
class Changed:
    """A sample on which two verifiers differ."""

    sample: Sample
    before: Verification
    now: Verification


@dataclass
class RoundDifference:
    """One round: how many samples were judged, on which the verdict differs, and what its dataset would gain and lose.

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
    rounds = [i for i in range(1, run.config.rounds + 1) if run.manifest(iteration_scope(i), "verifications")]
    differences, now = [], {}
    for iteration in rounds:
        scope = iteration_scope(iteration)
        difference = RoundDifference(scope)
        for stage in SAMPLES_OF:
            if (finished := run.manifest(scope, stage)) is not None:
                now[scope, stage] = _judged_again(run, finished, difference)
        differences.append(difference)
    for iteration, difference in zip(rounds, differences, strict=True):
        _compare_rows(run, iteration, difference, now)
    return differences


def _judged_again(run: Run, finished: Manifest, difference: RoundDifference) -> list[Verification]:
    """The new verdicts of a stage; those that differ are noted."""
    samples = read_samples(run, run.need(finished.scope, SAMPLES_OF[finished.stage]))
    label = f"{finished.scope} {finished.stage} again"
    found = judge(run, finished.detail["policy"], samples, label, Clock()).verdicts
    now = [v for v in found if v.outcome != Outcome.INFRA_ERROR]
    before = {v.sample_key: v for v in read_verifications(run, finished)}
    by_key = {s.key: s for s in samples}
    difference.judged += len(now)
    difference.changed += [
        Changed(by_key[v.sample_key], old, v)
        for v in now
        if (old := before.get(v.sample_key)) is not None and (old.outcome, old.reward) != (v.outcome, v.reward)
    ]
    return now


def _compare_rows(run: Run, iteration: int, difference: RoundDifference, now: dict[tuple[str, str], list[Verification]]) -> None:
    """What the recipe would select from the new verdicts, against the frozen dataset."""
    frozen = run.manifest(difference.scope, "dataset")
    if frozen is None:
        return
    rows = {row.key: row for row in run.store.read_table(frozen, "rows", Row)}
    would = {row.key: row for row in selected_rows(run, iteration, lambda scope, stage: now[scope, stage])}
    difference.added = [row for key, row in would.items() if key not in rows]
    difference.removed = [row for key, row in rows.items() if key not in would]
    trained = run.manifest(difference.scope, "checkpoint")
    if trained is not None and trained.parents.get("dataset") == frozen.digest:
        difference.checkpoint = trained.digest
