"""Judge the samples of finished rounds again, to see what another verifier would change.

Nothing is sampled, and no stage is changed: the new verdicts join the pool beside the old ones,
where the next run finds them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.types import Row, Sample, VerdictMembership, Verification
from selftrain_assets.pipeline.dataset import StageVerdicts, evidence_stages, select_rows
from selftrain_assets.pipeline.generation import load_requests
from selftrain_assets.pipeline.results import VerificationsResult
from selftrain_assets.pipeline.run import Clock, Run, iteration_scope
from selftrain_assets.pipeline.samples import verdict_membership
from selftrain_assets.pipeline.stage import StageSpec
from selftrain_assets.pipeline.stages import round_stages
from selftrain_assets.pipeline.verification import verify_missing
from selftrain_assets.store import Manifest


@dataclass(frozen=True)
class Changed:
    """A sample on which two verifiers differ."""

    sample: Sample
    before: Verification
    now: Verification


@dataclass(frozen=True, slots=True)
class _ChangedVerdict:
    position: int
    problem_id: str
    sample_key: str
    key_before: str
    key_now: str


@dataclass
class RoundDifference:
    """The differences in one round: changed verdicts, and the rows that its dataset gains or loses.

    `checkpoint` is the digest of what was trained on that dataset; None if nothing was yet. Where
    some samples are `owed` a verdict, because the verifier failed on them, rows are not compared:
    those of such samples would be missing for no fault of theirs.
    """

    scope: str
    judged: int = 0
    owed: int = 0
    changed: list[Changed] = field(default_factory=list)
    added: list[Row] = field(default_factory=list)
    removed: list[Row] = field(default_factory=list)
    checkpoint: str | None = None


def reverify(run: Run) -> list[RoundDifference]:
    """Judge the samples of every finished round by the verifier of the current settings.

    TaskError where no round is finished.
    """
    rounds = [
        i
        for i in range(1, run.config.rounds + 1)
        if run.manifest(iteration_scope(i), "verifications")
    ]
    if not rounds:
        run.need(iteration_scope(1), "verifications")
    with TemporaryDirectory() as folder:
        differences, now = [], {}
        for iteration in rounds:
            difference = RoundDifference(iteration_scope(iteration))
            for stage in round_stages(run.config.recipe):
                finished = run.manifest(difference.scope, stage.name) if stage.judges else None
                if finished is not None:
                    now[iteration, stage.name] = _judged_again(
                        run, iteration, stage, finished, difference, Path(folder)
                    )
            differences.append(difference)
        owing = {i for i, difference in zip(rounds, differences, strict=True) if difference.owed}
        for iteration, difference in zip(rounds, differences, strict=True):
            if owing.intersection(run.at(iteration).config.recipe.sample_rounds(iteration)):
                continue
            _compare_rows(run.at(iteration), iteration, difference, now)
    return differences


def _judged_again(
    run: Run,
    iteration: int,
    stage: StageSpec,
    finished: Manifest,
    difference: RoundDifference,
    folder: Path,
) -> StageVerdicts:
    """Judge the samples of a stage again, and add the verdicts that differ to `difference`."""
    assert stage.samples is not None
    assert stage.row_source is not None
    drawn = run.need(finished.scope, stage.samples)
    if drawn.digest not in finished.parents.values():
        raise TaskError(
            f"{run.name}: {finished.scope} has other {drawn.stage} than those its {finished.stage}"
            f" are on; `selftrain run {run.name}` judges them, then ask again"
        )
    verdicts = finished.result(VerificationsResult)
    policy = verdicts.policy
    judgements = folder / f"{finished.scope}-{finished.stage}.parquet"
    with run.store.workspace() as ws:
        samples, requests = ws.pool(run.store.samples(policy)), load_requests(ws, run, drawn)
        result = verify_missing(
            run, ws, requests, samples, policy, f"{finished.scope} {finished.stage} again", Clock()
        )
        ws.write(verdict_membership(ws, result), judgements)
        earlier = ws.pools(
            Verification,
            (run.store.verifications(name, policy) for name in verdicts.verifiers),
        )
        changed = ws.table(
            _ChangedVerdict,
            "verification.changed",
            planned=result.planned,
            verdicts=result.verdicts,
            membership=ws.read(VerdictMembership, [run.store.table(finished, finished.stage)]),
            earlier=earlier,
        )
        judged = ws.row(
            "verification.count_judged", planned=result.planned, verdicts=result.verdicts
        )[0]
        difference.judged += judged
        difference.owed += ws.count(result.planned) - judged
        of_changed = zip(
            ws.records(
                ws.view(Sample, "verification.changed_samples", changed=changed, records=samples)
            ),
            ws.records(
                ws.view(
                    Verification, "verification.verdicts_before", changed=changed, records=earlier
                )
            ),
            ws.records(
                ws.view(
                    Verification,
                    "verification.verdicts_now",
                    changed=changed,
                    records=result.verdicts,
                )
            ),
            strict=True,
        )
        difference.changed += [Changed(*records) for records in of_changed]
    return StageVerdicts(iteration, stage.row_source.name, judgements, run.store.samples(policy))


def _compare_rows(
    run: Run, iteration: int, difference: RoundDifference, now: dict[tuple[int, str], StageVerdicts]
) -> None:
    """Compare the rows that the recipe would select from the new verdicts with its dataset.

    Does nothing for recipes that do more than select.
    """
    frozen = run.manifest(difference.scope, "dataset")
    if frozen is None or run.config.recipe.selection is None:
        return
    with run.store.workspace() as ws:
        for i, stage in evidence_stages(run, iteration):
            run.need(iteration_scope(i), stage)
        rows = select_rows(
            run, ws, iteration, [now[place] for place in evidence_stages(run, iteration)]
        ).rows
        frozen_rows = ws.read(Row, [run.store.table(frozen, "rows")])
        difference.added = list(
            ws.records(ws.view(Row, "selection.rows_only_in", these=rows, others=frozen_rows))
        )
        difference.removed = list(
            ws.records(ws.view(Row, "selection.rows_only_in", these=frozen_rows, others=rows))
        )
    trained = run.manifest(difference.scope, "checkpoint")
    if trained is not None and trained.parents.get("dataset") == frozen.digest:
        difference.checkpoint = trained.digest
