"""Retract bad evidence: mark it, list the datasets and checkpoints affected, and repair them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from selftrain_assets.domain.errors import UserError, by_likeness, nearest
from selftrain_assets.domain.retraction import Kind, Retraction, Retractions
from selftrain_assets.domain.types import Row
from selftrain_assets.operations.lineage import Lineage
from selftrain_assets.pipeline.results import PolicyResult
from selftrain_assets.pipeline.run import BASE, INPUTS, Run, iteration_scope
from selftrain_assets.pipeline.stages import round_stages, row_sources
from selftrain_assets.store import Manifest


@dataclass
class Affected:
    """The datasets and checkpoints that a retraction affects.

    `scopes` has the number of affected rows of each scope; everything from the scope `first` on is
    owed again.
    """

    scopes: dict[str, int] = field(default_factory=dict)
    checkpoints: list[str] = field(default_factory=list)
    first: str | None = None
    superseded: list[str] = field(default_factory=list)
    taught: list[str] = field(default_factory=list)  # experiments whose teacher was trained on it
    # Experiments that are forked from this one and learnt from the retracted evidence.
    forks: list[str] = field(default_factory=list)


def retract(run: Run, kind: Kind, value: str, reason: str) -> Affected:
    """Retract a problem, sample or source in this experiment.

    Raises:
        UserError: It does not exist, or was retracted before.
    """
    lineage = Lineage(run.store)
    value = _existing(run, lineage, kind, value)
    if (where := _retracted_in(run, kind, value)) is not None:
        raise UserError(f"{kind} {value} of {where} was retracted before{_inherited(run, where)}")
    mark = Retraction(kind, value, reason, datetime.now(UTC).isoformat(timespec="seconds"))
    affected = _affected(run, lineage, Retractions((mark,)))
    run.store.write_retractions(
        run.name, Retractions((*run.store.retractions(run.name).listed, mark))
    )
    return affected


def take_back(run: Run, kind: Kind, value: str) -> None:
    """Undo a retraction.

    Raises:
        UserError: There is none, or it belongs to an experiment that this one is forked from.
    """
    where, listed = _retracted_in(run, kind, value), run.store.retractions(run.name).listed
    if where not in (None, run.name):
        command = f"selftrain retract {where} --{kind} {value} --undo"
        raise UserError(
            f"{kind} {value} was retracted in {where}{_inherited(run, where)}; undo it there:"
            f" {command}"
        )
    left = tuple(r for r in listed if (r.kind, r.value) != (kind, value))
    if len(left) == len(listed):
        known = [f"{r.kind} {r.value}" for r in listed]
        raise UserError(
            f"{kind} {value} of {run.name} was not"
            f" retracted{nearest(f'{kind} {value}', known) if known else ''}"
        )
    run.store.write_retractions(run.name, Retractions(left))


def _retracted_in(run: Run, kind: Kind, value: str) -> str | None:
    """Return the experiment, this one or one it is forked from, where it was retracted before."""
    names = [run.name, *(fork.experiment for fork in run.config.forks)]
    return next((name for name in names if value in run.store.retractions(name).values(kind)), None)


def _inherited(run: Run, where: str | None) -> str:
    return "" if where == run.name else f", which {run.name} is forked from"


def _existing(run: Run, lineage: Lineage, kind: Kind, value: str) -> str:
    if kind == "sample":
        return lineage.sample(value).name
    if kind == "problem":
        ids = [p.id for p in run.all_problems]
        if value not in ids:
            raise UserError(
                f'there is no problem "{value}"; the ids most like it are'
                f" {', '.join(by_likeness(value, ids)[:3])}"
            )
        return value
    # what the policy drew itself is taken back by round, or by sample
    sources = [name for name in row_sources() if name != "self"]
    begun = {m.scope for m in lineage.of("policy", experiment=run.name)}
    rounds = sorted(begun.union(map(iteration_scope, range(1, run.config.rounds + 1))))
    if value not in (*sources, *rounds):
        raise UserError(
            f'{run.name} has no source or round "{value}"; known: {", ".join(sources)}, and the'
            f" rounds {rounds[0]} to {rounds[-1]}"
        )
    if value == "human" and run.config.base.fine_tune == "human":
        raise UserError(
            "the base itself was trained on the human rows: retract single problems, or set"
            " base.fine_tune: none"
        )
    return value


def _affected(run: Run, lineage: Lineage, marked: Retractions) -> Affected:
    """Find the datasets with retracted rows and the checkpoints that were trained on them.

    The base is affected if it was fine-tuned on a retracted problem.
    """
    affected = Affected()
    human = {p.id for p in run.all_problems if p.split == "human" and (p.solution or p.solutions)}
    if (
        run.config.base.fine_tune == "human"
        and (count := len(human & marked.values("problem")))
        and run.manifest(BASE, "checkpoint")
    ):
        affected.scopes[BASE] = count
        affected.checkpoints.append(run.need(BASE, "checkpoint").digest)
    for dataset in lineage.of("dataset", experiment=run.name):
        count = _count_retracted(run, dataset, marked)
        if not count:
            continue
        if not lineage.is_current(dataset):
            affected.superseded.append(dataset.digest)
            continue
        affected.scopes[dataset.scope] = count
        trained = lineage.of("checkpoint", experiment=run.name, scope=dataset.scope)
        affected.checkpoints += [
            m.digest
            for m in trained
            if m.parents.get("dataset") == dataset.digest and lineage.is_current(m)
        ]
    affected.first = min(affected.scopes, key=lambda scope: (scope != BASE, scope), default=None)
    policies = [m for m in lineage.of("policy") if lineage.is_current(m)]
    affected.taught = sorted(
        {m.experiment for m in policies if _is_taught_by(m, run.name, affected.first)}
    )
    forks = sorted(
        {
            m.experiment
            for m in policies
            if any(fork.experiment == run.name for fork in m.result(PolicyResult).forks)
        }
    )
    current = [m for m in lineage.of("dataset") if m.experiment in forks and lineage.is_current(m)]
    learnt = {m.experiment for m in current if _count_retracted(run, m, marked)}
    affected.forks = [name for name in forks if affected.first == BASE or name in learnt]
    return affected


def _count_retracted(run: Run, dataset: Manifest, marked: Retractions) -> int:
    """Count the rows of a dataset that come from retracted evidence."""
    stages = {stage.name: stage for stage in round_stages(run.config.recipe)}
    held: dict[str, set[str]] = {}
    for name in dataset.parents:
        scope, _, stage = name.partition("/")
        spec = stages.get(stage)
        if spec is not None and spec.rows_with is not None and (made := run.manifest(scope, stage)):
            held[scope] = spec.rows_with(run.store, made, marked.values("sample"))
    rows = (
        (row, iteration_scope(row.iteration)) for row in run.store.read_table(dataset, "rows", Row)
    )
    return sum(
        marked.touches(row, scope) or row.sample_key in held.get(scope, ()) for row, scope in rows
    )


def _is_taught_by(policy: Manifest, experiment: str, first: str | None) -> bool:
    """Return whether the round is taught by a checkpoint that the retraction will change."""
    teacher = policy.result(PolicyResult).teacher
    if teacher is None or first is None or teacher.experiment != experiment:
        return False
    return first == BASE or iteration_scope(teacher.iteration) >= first


def repair(run: Run, affected: Affected) -> str:
    """Say in one sentence what to run so that nothing depends on retracted evidence."""
    others = "".join(
        f"; then `selftrain run {name}`, whose teacher it is" for name in affected.taught
    )
    others += "".join(
        f"; then `selftrain run {name}`, which is forked from it" for name in affected.forks
    )
    if run.manifest(INPUTS, "problems") is None or not affected.scopes:
        return (
            f"no dataset of {run.name} holds it; `selftrain run {run.name}` only brings evaluations"
            f" up to date, if it was held out{others}"
        )
    last = max((s for s in affected.scopes if s != BASE), default=BASE)
    done = [
        s
        for s in map(iteration_scope, range(1, run.config.rounds + 1))
        if run.manifest(s, "checkpoint")
    ]
    rounds = [s for s in done if affected.first == BASE or s >= str(affected.first)]
    span = f"{rounds[0]} to {rounds[-1]}" if len(rounds) > 1 else "".join(rounds) or last
    before = "base, then " if affected.first == BASE else ""
    return (
        f"`selftrain run {run.name}`, or a backfill of {before}{span} in the UI: earlier rounds"
        f" stay as they are, the samples of {affected.first} are not drawn again, later rounds"
        f" follow from other weights{others}"
    )
