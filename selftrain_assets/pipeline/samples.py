"""Draw samples, judge them, and open those of a finished stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.requests import Draws
from selftrain_assets.domain.types import (
    Outcome,
    Sample,
    SampleMembership,
    VerdictMembership,
    Verification,
)
from selftrain_assets.pipeline import second_opinion
from selftrain_assets.pipeline.diagnostics import VERSION, solutions, unparsed
from selftrain_assets.pipeline.generation import (
    generate_missing,
    is_drawn,
    load_requests,
    plan_requests,
)
from selftrain_assets.pipeline.results import PolicyResult, SamplesResult, VerificationsResult
from selftrain_assets.pipeline.run import INPUTS, Clock, Run, Wanted, finish
from selftrain_assets.pipeline.thoughts import thoughts
from selftrain_assets.pipeline.verification import (
    VerificationResult,
    count_outcomes,
    is_judged,
    verify_missing,
)
from selftrain_assets.pipeline.weights import resolve
from selftrain_assets.store import Manifest
from selftrain_assets.store.workspace import Relation, Workspace

Requests = Callable[[Run, str, str], list[Draws]]
"""What a stage asks of the policy: (run, scope, digest of the policy)."""


def drawing_wanted(run: Run, scope: str, plan: list[Draws], after: Sequence[str] = ()) -> Wanted:
    """The samples of a plan.

    Args:
        run: The run.
        scope: The scope of the round.
        plan: The draws.
        after: Stages of the round that the plan was made from.
    """
    parents = {
        "policy": run.need(scope, "policy").digest,
        "problems": run.need(INPUTS, "problems").digest,
        **{stage: run.need(scope, stage).digest for stage in after},
    }
    return Wanted(fingerprint("samples", [draws.identity() for draws in plan]), parents)


def draw_samples(
    run: Run,
    scope: str,
    stage: str,
    requests: Requests,
    settings: Mapping[str, Any],
    after: Sequence[str] = (),
) -> Manifest:
    """Draw the requested samples that the pool lacks, and record all of them in a manifest."""
    clock, from_policy = Clock(), run.need(scope, "policy")
    plan = requests(run, scope, from_policy.digest)
    wanted = drawing_wanted(run, scope, plan, after)
    if (current := run.finished(scope, stage, wanted)) and is_drawn(run, plan):
        return current
    with run.store.writing(run.name, scope, stage, run.owner), run.store.workspace() as ws:
        planned = plan_requests(ws, plan)
        drawn = generate_missing(
            run,
            ws,
            planned,
            resolve(run.store, from_policy.result(PolicyResult).weights),
            plan,
            f"{scope} {stage}",
            clock,
        )
        membership = ws.view(SampleMembership, "generation.membership", requests=planned)
        table, digest = run.store.write_relation(
            run.name, scope, stage, ws, membership, ["key", "problem_id"]
        )
        cut_off, engines = ws.row(
            "generation.cut_off_and_engines", requests=planned, samples=drawn.samples
        )
        problems = len({id for draws in plan for id, _ in draws.prompts})
        return finish(
            run,
            clock,
            scope,
            stage,
            key=wanted.key,
            digest=digest,
            result=SamplesResult(
                samples=drawn.requested,
                reused=drawn.reused,
                problems=problems,
                cut_off=cut_off,
                **thoughts(ws, planned, drawn.samples),
            ),
            tokens=drawn.tokens,
            parents=wanted.parents,
            settings=dict(settings),
            versions={"engine": engines or ""},
            files={stage: table},
        )


def judging_wanted(run: Run, scope: str, source: str) -> Wanted:
    """A verdict on every sample of the stage `source`."""
    drawn = run.need(scope, source)
    key = fingerprint(
        "verifications",
        drawn.digest,
        run.need(INPUTS, "problems").digest,
        list(run.verifiers),
        VERSION,
        *second_opinion.identity(run, run.verifiers),
    )
    return Wanted(key, {source: drawn.digest}, complete=nothing_failed)


def nothing_failed(manifest: Manifest) -> bool:
    """Whether every sample has a verdict; one that the infrastructure prevented is owed again."""
    return not manifest.counts[str(Outcome.INFRA_ERROR)]


def judge_samples(run: Run, scope: str, source: str, stage: str) -> Manifest:
    """Judge the samples of the stage `source`, and record their verdicts in a manifest."""
    clock, drawn = Clock(), run.need(scope, source)
    policy, verifiers = drawn.parents["policy"], list(run.verifiers)
    wanted = judging_wanted(run, scope, source)
    current = run.finished(scope, stage, wanted)
    if current and is_judged(run, policy, lambda ws: load_requests(ws, run, drawn)):
        return current
    with run.store.writing(run.name, scope, stage, run.owner), run.store.workspace() as ws:
        samples = ws.pool(run.store.samples(policy))
        result = verify_missing(
            run, ws, load_requests(ws, run, drawn), samples, policy, f"{scope} {stage}", clock
        )
        membership = verdict_membership(ws, result)
        table, digest = run.store.write_relation(
            run.name, scope, stage, ws, membership, ["key", "problem_id", "outcome", "reward"]
        )
        with clock.working():
            other = second_opinion.second_opinion(run, ws, result, run.verifiers)
        solved, judges = ws.row(
            "verification.solved_and_verifiers", planned=result.planned, verdicts=result.verdicts
        )
        return finish(
            run,
            clock,
            scope,
            stage,
            key=wanted.key,
            digest=digest,
            parents=wanted.parents,
            settings=_by_method({m.name: m.verifier for m in run.methods}),
            versions={"verifier": judges or ""},
            result=VerificationsResult(
                **count_outcomes(ws, result),
                reused=result.reused,
                problems_solved=solved,
                policy=policy,
                verifiers=tuple(verifiers),
                unparsed=unparsed(ws, result),
                solutions=solutions(ws, result),
                second_opinion=other,
                **_yields(ws, result),
            ),
            files={stage: table},
        )


def verdict_membership(ws: Workspace, result: VerificationResult) -> Relation[VerdictMembership]:
    """The table that a stage of verdicts stores, in the order of its requests."""
    return ws.view(
        VerdictMembership,
        "verification.membership",
        planned=result.planned,
        verdicts=result.verdicts,
    )


def _yields(ws: Workspace, result: VerificationResult) -> dict[str, Any]:
    """Count samples and correct ones by method, if there are several methods.

    Returns:
        {method asked for: {method the solution is from: samples, and how many are correct}}.
    """
    yields: dict[str, Any] = {}
    for method, origin, samples, correct in ws.rows(
        "verification.yields", planned=result.planned, verdicts=result.verdicts
    ):
        yields.setdefault(method, {})[origin] = {"samples": samples, "correct": correct}
    return {"yields": yields} if yields else {}


def drawn_by(run: Run) -> dict[str, Any]:
    """The sampling settings that are recorded in the manifest."""
    return _by_method({m.name: m.sampling for m in run.methods if m.sampled})


def _by_method(settings: dict[str | None, Any]) -> dict[str, Any]:
    """The settings of each method; with a single unnamed method, just its settings."""
    dumped: dict[str | None, Any] = {
        name: sampling.model_dump(mode="json") for name, sampling in settings.items()
    }
    return dict(dumped.get(None, dumped))


def open_samples(run: Run, ws: Workspace, manifest: Manifest) -> Relation[Sample]:
    """The samples of a finished stage, in the order of its requests."""
    samples = ws.pool(run.store.samples(manifest.parents["policy"]))
    return ws.view(
        Sample, "generation.members", requests=load_requests(ws, run, manifest), samples=samples
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    position: int
    key: str
    problem_id: str


def open_verdicts(run: Run, ws: Workspace, manifest: Manifest) -> Relation[Verification]:
    """The verdicts of a finished stage, in the order of its requests."""
    result = manifest.result(VerificationsResult)
    verdicts = ws.pools(
        Verification,
        (run.store.verifications(name, result.policy) for name in result.verifiers),
    )
    membership = ws.read(_Judged, [run.store.table(manifest, manifest.stage)])
    return ws.view(Verification, "verification.members", membership=membership, verdicts=verdicts)


def solved_problems(run: Run, scope: str) -> set[str]:
    """Ids of the training problems with a correct sample in this round."""
    judged = run.need(scope, "verifications")
    with run.store.workspace() as ws:
        verdicts = ws.read(VerdictMembership, [run.store.table(judged, "verifications")])
        return {
            problem for (problem,) in ws.stream("verification.solved_problems", verdicts=verdicts)
        }
