"""policy, samples, verifications, rationalizations: the E-step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from selftrain_assets.domain.errors import TaskError, UserError, nearest
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.requests import Draws, plan_draws
from selftrain_assets.domain.types import (
    Sample,
    SampleMembership,
    VerdictMembership,
    Verification,
)
from selftrain_assets.domain.weights import ServedModel, WeightsRef
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.models.tokenization import check_tokenizer
from selftrain_assets.pipeline import second_opinion
from selftrain_assets.pipeline.diagnostics import VERSION, solutions, unparsed
from selftrain_assets.pipeline.generation import (
    generate_missing,
    is_drawn,
    load_requests,
    plan_requests,
)
from selftrain_assets.pipeline.results import (
    CheckpointResult,
    PolicyResult,
    SamplesResult,
    VerificationsResult,
)
from selftrain_assets.pipeline.run import BASE, INPUTS, Clock, Run, finish, iteration_scope
from selftrain_assets.pipeline.thoughts import thoughts
from selftrain_assets.pipeline.verification import (
    VerificationResult,
    count_outcomes,
    is_judged,
    verify_missing,
)
from selftrain_assets.pipeline.weights import model_weights, resolve
from selftrain_assets.recipes import MMST
from selftrain_assets.recipes.base import Rounds
from selftrain_assets.recipes.teachers import CheckpointOf, ServedTeacher, Teacher
from selftrain_assets.store import Manifest
from selftrain_assets.store.workspace import Relation, Workspace

SAMPLES_OF = {
    "verifications": "samples",
    "rationalizations": "hinted_samples",
    "translations": "translated_samples",
}
"""The stage, and table, whose samples a stage of verdicts is on."""


def policy(run: Run, iteration: int) -> Manifest:
    """Pin the weights that this round samples from. The digest is theirs: equal to the
    checkpoint's, it is the loop's edge."""
    clock, scope, recipe = Clock(), iteration_scope(iteration), run.config.recipe
    assert isinstance(recipe, Rounds)  # no other has this stage
    if recipe.teacher is not None:
        reference, origin = teacher(run, scope, "recipe.teacher", recipe.teacher), "teacher"
    else:
        source = recipe.policy_round(iteration)
        origin = iteration_scope(source) if source else BASE
        reference = run.need(origin, "checkpoint").result(CheckpointResult).weights
    weights = resolve(run.store, reference)
    for method in run.methods if weights.served is None else ():
        # says now, and not in the middle of the round, which method they are not for
        weights.by(method.name)
    pinned = recipe.teacher if isinstance(recipe.teacher, CheckpointOf) else None
    forks = tuple(fork for fork in run.config.forks if fork.iteration == iteration - 1)
    changed = [fork.model_dump(mode="json") for fork in forks]
    key, parents = (
        fingerprint("policy", origin, reference.digest, *changed),
        {f"{origin}/checkpoint": reference.digest},
    )
    return run.done(scope, "policy", key, parents) or finish(
        run,
        clock,
        scope,
        "policy",
        key=key,
        digest=reference.digest,
        parents=parents,
        result=PolicyResult(weights=reference, origin=origin, teacher=pinned, forks=forks),
    )


def teacher(run: Run, scope: str, setting: str, wanted: Teacher) -> WeightsRef:
    """The weights of a model, named by `setting`, that a round asks beside the policy or in its
    stead: the checkpoint of another experiment as it is now or, if that experiment is gone, as
    the round has pinned it. UserError, or TaskError for a checkpoint that was never made. A
    server is not asked: it is needed only where samples are owed."""
    if isinstance(wanted, ServedTeacher):
        return ServedModel(**wanted.identity, digest=wanted.digest)
    if not isinstance(wanted, CheckpointOf):
        check_tokenizer(resolve_model(str(wanted)))
        return model_weights(str(wanted))
    if wanted.experiment == run.name:
        own = (
            "leave teacher out to sample from its own policy"
            if setting == "recipe.teacher"
            else "set by: self to ask its own policy"
        )
        raise UserError(f"{setting}: an experiment cannot be its own teacher; {own}")
    made = run.store.manifest(wanted.experiment, iteration_scope(wanted.iteration), "checkpoint")
    if made is not None:
        return made.result(CheckpointResult).weights
    pinned = run.manifest(scope, "policy")
    if pinned is None or pinned.result(PolicyResult).teacher != wanted:
        known = sorted(
            {m.experiment for m in run.store.manifests() if m.stage == "checkpoint"} - {run.name}
        )
        misspelt = (
            nearest(wanted.experiment, known) if known and wanted.experiment not in known else ""
        )
        raise TaskError(
            f"{setting}: round {wanted.iteration} of {wanted.experiment} has no checkpoint yet;"
            f" make it first: selftrain run {wanted.experiment}{misspelt}"
        )
    return pinned.result(PolicyResult).weights


def samples(run: Run, iteration: int) -> Manifest:
    """Draw `samples_per_problem` completions of every training problem from the policy; right
    and wrong are kept."""
    scope = iteration_scope(iteration)
    return _draw_stage(run, scope, "samples", {})


def sample_draws(run: Run, scope: str, policy: str) -> list[Draws]:
    """Solutions of every training problem, by each method."""
    return [
        plan_draws(run.train_problems, m.prompt, m.sampling, policy, run.config.seed, m.name)
        for m in run.methods
        if m.sampled
    ]


def verifications(run: Run, iteration: int) -> Manifest:
    """Judge every sample of the round."""
    scope = iteration_scope(iteration)
    return _judge_stage(run, scope, "samples", "verifications")


def rationalizations(run: Run, iteration: int) -> Manifest:
    """STaR: draw again, with the answer as a hint, where no sample was right; judge those too."""
    scope = iteration_scope(iteration)
    _draw_stage(
        run, scope, "hinted_samples", {"verifications": run.need(scope, "verifications").digest}
    )
    return _judge_stage(run, scope, "hinted_samples", "rationalizations")


def hinted_draws(run: Run, scope: str, policy: str) -> list[Draws]:
    """Problems that nothing solved, with the answer as a hint."""
    solved = solved_problems(run, scope)
    unsolved = [p for p in run.train_problems if p.id not in solved]
    hinted = run.prompt(run.config.prompt, run.problems, hint=True)
    return [plan_draws(unsolved, hinted, run.methods[0].sampling, policy, run.config.seed)]


def translations(run: Run, iteration: int) -> Manifest:
    """MMST: ask for each correct solution again by every other method, given the solution; judge
    those too."""
    scope = iteration_scope(iteration)
    _draw_stage(
        run, scope, "translated_samples", {"verifications": run.need(scope, "verifications").digest}
    )
    return _judge_stage(run, scope, "translated_samples", "translations")


def translation_draws(run: Run, scope: str, policy: str) -> list[Draws]:
    """Each distinct correct solution that was not retracted, for every pair of methods that is
    on."""
    recipe, judged, problems = (
        run.config.recipe,
        run.need(scope, "verifications"),
        {p.id: p for p in run.train_problems},
    )
    assert isinstance(recipe, MMST)
    with run.store.workspace() as ws:
        correct = ws.rows(
            "generation.correct_answers",
            samples=open_samples(run, ws, run.need(scope, "samples")),
            verdicts=ws.read(VerdictMembership, [run.store.table(judged, "verifications")]),
            retracted=sorted(run.retracted.values("sample")),
        )
    sampling, seed = recipe.translation, run.config.seed
    by_name = {m.name: m for m in run.methods}
    asked: set[str] = set()
    plan = []
    for origin, method in recipe.pairs():
        prompts, keys = [], []
        for name, id, text, key in correct:
            if (
                name == origin
                and id in problems
                and (prompt := by_name[method].translate(problems[id], text)) not in asked
            ):
                # the same text by another method, or but for white space, is translated once
                asked.add(prompt)
                prompts.append((id, prompt))
                keys.append(key)
        plan.append(
            Draws(
                prompts,
                sampling.per_draw(),
                sampling.samples_per_problem,
                policy,
                seed,
                method,
                origin,
                keys,
            )
        )
    return plan


ASKED = {
    "samples": sample_draws,
    "hinted_samples": hinted_draws,
    "translated_samples": translation_draws,
}
"""What a round asks of its policy (run, scope, digest of the policy), by the stage that draws
it."""


def _draw_stage(run: Run, scope: str, stage: str, parents: dict[str, str]) -> Manifest:
    clock, from_policy = Clock(), run.need(scope, "policy")
    plan = ASKED[stage](run, scope, from_policy.digest)
    key = fingerprint("samples", [draws.identity() for draws in plan])
    parents = {
        "policy": from_policy.digest,
        "problems": run.need(INPUTS, "problems").digest,
        **parents,
    }
    if (current := run.done(scope, stage, key, parents)) and is_drawn(run, plan):
        return current
    with run.store.writing(run.name, scope, stage, run.owner), run.store.workspace() as ws:
        requests = plan_requests(ws, plan)
        drawn = generate_missing(
            run,
            ws,
            requests,
            resolve(run.store, from_policy.result(PolicyResult).weights),
            plan,
            f"{scope} {stage}",
            clock,
        )
        membership = ws.view(SampleMembership, "generation.membership", requests=requests)
        table, digest = run.store.write_relation(
            run.name, scope, stage, ws, membership, ["key", "problem_id"]
        )
        cut_off, engines = ws.row(
            "generation.cut_off_and_engines", requests=requests, samples=drawn.samples
        )
        problems = len({id for draws in plan for id, _ in draws.prompts})
        return finish(
            run,
            clock,
            scope,
            stage,
            key=key,
            digest=digest,
            result=SamplesResult(
                samples=drawn.requested,
                reused=drawn.reused,
                problems=problems,
                cut_off=cut_off,
                **thoughts(ws, requests, drawn.samples),
            ),
            tokens=drawn.tokens,
            parents=parents,
            settings=_drawn_by(run, stage),
            versions={"engine": engines or ""},
            files={stage: table},
        )


def _judge_stage(run: Run, scope: str, source: str, stage: str) -> Manifest:
    clock, drawn = Clock(), run.need(scope, source)
    policy, parents, verifiers = (
        drawn.parents["policy"],
        {source: drawn.digest},
        list(run.verifiers),
    )
    key = fingerprint(
        "verifications",
        drawn.digest,
        run.need(INPUTS, "problems").digest,
        verifiers,
        VERSION,
        *second_opinion.identity(run, run.verifiers),
    )
    current = run.done(scope, stage, key, parents)
    if (
        current
        and not current.result(VerificationsResult).infra_error
        and is_judged(run, policy, lambda ws: load_requests(ws, run, drawn))
    ):
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
            key=key,
            digest=digest,
            parents=parents,
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
    """What a stage of verdicts notes of them, in the order of its requests."""
    return ws.view(
        VerdictMembership,
        "verification.membership",
        planned=result.planned,
        verdicts=result.verdicts,
    )


def _yields(ws: Workspace, result: VerificationResult) -> dict[str, Any]:
    """{method asked for: {method the solution is from: samples, and how many are correct}},
    where there are several methods."""
    yields: dict[str, Any] = {}
    for method, origin, samples, correct in ws.rows(
        "verification.yields", planned=result.planned, verdicts=result.verdicts
    ):
        yields.setdefault(method, {})[origin] = {"samples": samples, "correct": correct}
    return {"yields": yields} if yields else {}


def _drawn_by(run: Run, stage: str) -> dict[str, Any]:
    if stage == "translated_samples" and isinstance(run.config.recipe, MMST):
        return run.config.recipe.translation.model_dump(mode="json")
    return _by_method({m.name: m.sampling for m in run.methods if m.sampled})


def _by_method(settings: dict[str | None, Any]) -> dict[str, Any]:
    """The settings of each method; where there is one without a name, just these."""
    dumped = {name: each.model_dump(mode="json") for name, each in settings.items()}
    return dumped.get(None, dumped)  # type: ignore[arg-type]


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
    """The verdicts of a finished stage, in that order."""
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
