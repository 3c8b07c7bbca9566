"""policy, samples, verifications, rationalizations: the E-step."""

from __future__ import annotations

from dataclasses import replace

from selftrain_assets.core.identity import fingerprint
from selftrain_assets.core.plan import plan_requests
from selftrain_assets.core.prompts import build_prompt
from selftrain_assets.core.types import Drawing, Judgement, Outcome, Request, Sample, Verification
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.stages.evidence import Batch, belonging, draw, is_drawn, is_judged, judge
from selftrain_assets.stages.run import BASE, INPUTS, Clock, Run, finish, iteration_scope
from selftrain_assets.store import Manifest, place_of_model
from selftrain_assets.verifiers import verifier_fingerprint

SAMPLES_OF = {"verifications": "samples", "rationalizations": "hinted_samples"}
"""The stage, and table, whose samples a stage of verdicts is on."""


def policy(run: Run, iteration: int) -> Manifest:
    """Pin the weights that this round samples from. The digest is theirs: equal to the checkpoint's, it is the loop's edge."""
    clock, scope, recipe = Clock(), iteration_scope(iteration), run.config.recipe
    if recipe.teacher is not None:
        place, origin = place_of_model(recipe.teacher, resolve_model(recipe.teacher)), "teacher"
    else:
        source = recipe.policy_round(iteration)
        origin = iteration_scope(source) if source else BASE
        place = run.need(origin, "checkpoint").detail["place"]
    run.store.model(place)
    key = fingerprint("policy", origin, place["digest"])
    return run.done(scope, "policy", key) or finish(
        run,
        clock,
        scope,
        "policy",
        key=key,
        digest=place["digest"],
        parents={f"{origin}/checkpoint": place["digest"]},
        detail={"place": place, "origin": origin},
    )


def samples(run: Run, iteration: int) -> Manifest:
    """Draw `samples_per_problem` completions of every training problem from the policy; right and wrong are kept."""
    scope = iteration_scope(iteration)
    requests = sample_requests(run, run.need(scope, "policy").digest)
    return _draw_stage(run, scope, "samples", Batch(requests, run.config.recipe.sampling.per_draw()), {})


def sample_requests(run: Run, policy: str) -> list[Request]:
    """What a round asks of its policy."""
    return plan_requests(run.train_problems, run.prompt, run.config.recipe.sampling, policy, run.config.seed)


def verifications(run: Run, iteration: int) -> Manifest:
    """Judge every sample of the round."""
    scope = iteration_scope(iteration)
    return _judge_stage(run, scope, "samples", "verifications")


def rationalizations(run: Run, iteration: int) -> Manifest:
    """STaR: draw again, with the answer as a hint, where no sample was right; judge those too."""
    scope = iteration_scope(iteration)
    requests = hinted_requests(run, scope, run.need(scope, "policy").digest)
    parents = {"verifications": run.need(scope, "verifications").digest}
    _draw_stage(run, scope, "hinted_samples", Batch(requests, run.config.recipe.sampling.per_draw()), parents)
    return _judge_stage(run, scope, "hinted_samples", "rationalizations")


def hinted_requests(run: Run, scope: str, policy: str) -> list[Request]:
    """What a round asks with the answer as a hint."""
    solved = solved_problems(run, scope)
    unsolved = [p for p in run.train_problems if p.id not in solved]
    hinted = build_prompt(run.config.prompt, run.problems, hint=True)
    return plan_requests(unsolved, hinted, run.config.recipe.sampling, policy, run.config.seed)


def _draw_stage(run: Run, scope: str, stage: str, batch: Batch, parents: dict[str, str]) -> Manifest:
    clock, from_policy = Clock(), run.need(scope, "policy")
    digest = fingerprint("samples", [(r.key, r.problem_id) for r in batch.requests])
    if (current := run.done(scope, stage, digest)) and is_drawn(run, from_policy.digest, batch.requests):
        return current
    with run.store.writing(run.name, scope, stage, run.owner):
        drawn = draw(run, run.store.model(from_policy.detail["place"]), [batch], f"{scope} {stage}", clock)
        members = [Drawing(s.key, s.problem_id) for s in drawn.samples]
        table = run.store.write_table(run.name, scope, stage, digest, Drawing, members)
        counts = {
            "samples": len(members),
            "reused": drawn.reused,
            "problems": len({m.problem_id for m in members}),
            "cut_off": sum(s.finish_reason == "length" for s in drawn.samples),
        }
        return finish(
            run,
            clock,
            scope,
            stage,
            key=digest,
            digest=digest,
            counts=counts,
            tokens=drawn.tokens,
            parents={"policy": from_policy.digest, "problems": run.need(INPUTS, "problems").digest, **parents},
            settings=run.config.recipe.sampling.model_dump(mode="json"),
            versions={"engine": drawn.engines},
            files={stage: table},
        )


def _judge_stage(run: Run, scope: str, source: str, stage: str) -> Manifest:
    clock, drawn = Clock(), run.need(scope, source)
    verifier = verifier_fingerprint(run.config.verifier)
    key = fingerprint("verifications", drawn.digest, run.need(INPUTS, "problems").digest, verifier)
    members = [(m.key, m.problem_id) for m in run.store.read_table(drawn, source, Drawing)]
    current = run.done(scope, stage, key)
    if current and not current.counts[str(Outcome.INFRA_ERROR)] and is_judged(run, run.need(scope, "policy").digest, members):
        return current
    with run.store.writing(run.name, scope, stage, run.owner):
        found = read_samples(run, drawn)
        result = judge(run, run.need(scope, "policy").digest, found, f"{scope} {stage}", clock)
        judged = [v for v in result.verdicts if v.outcome != Outcome.INFRA_ERROR]
        digest = fingerprint("verifications", [(v.key, v.problem_id, v.outcome, v.reward) for v in judged])
        table = run.store.write_table(
            run.name, scope, stage, digest, Judgement, [Judgement(v.key, v.sample_key, v.problem_id) for v in judged]
        )
        counts = result.counts() | {"problems_solved": len({v.problem_id for v in judged if v.outcome == Outcome.PASS})}
        return finish(
            run,
            clock,
            scope,
            stage,
            key=key,
            digest=digest,
            parents={source: drawn.digest},
            counts=counts,
            settings=run.config.verifier.model_dump(mode="json"),
            versions={"verifier": ", ".join(sorted({v.verifier for v in judged}))},
            detail={"verifier": verifier, "policy": run.need(scope, "policy").digest},
            files={stage: table},
        )


def read_samples(run: Run, manifest: Manifest) -> list[Sample]:
    """Samples of a finished stage, in the order of its requests."""
    members = run.store.read_table(manifest, manifest.stage, Drawing)
    held = {s.key: s for s in run.store.samples(manifest.parents["policy"]).records({m.key for m in members})}
    return belonging(held, {m.key: m.problem_id for m in members})


def read_verifications(run: Run, manifest: Manifest) -> list[Verification]:
    """Verdicts of a finished stage."""
    members = run.store.read_table(manifest, manifest.stage, Judgement)
    pool = run.store.verifications(manifest.detail["verifier"], manifest.detail["policy"])
    held = {v.key: v for v in pool.records({m.key for m in members})}
    return [replace(held[m.key], problem_id=m.problem_id) for m in members]


def solved_problems(run: Run, scope: str) -> set[str]:
    """Ids of the training problems with a correct sample in this round."""
    return {v.problem_id for v in read_verifications(run, run.need(scope, "verifications")) if v.outcome == Outcome.PASS}
