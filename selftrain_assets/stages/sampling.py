"""policy, samples, verifications, rationalizations: the E-step."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from selftrain_assets.core.identity import fingerprint
from selftrain_assets.core.plan import Draws, plan_draws
from selftrain_assets.core.prompts import build_prompt
from selftrain_assets.core.types import Judgement, Outcome, Sample, Verification
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.stages.evidence import draw, is_drawn, recall, want
from selftrain_assets.stages.judging import is_judged, judge, outcomes
from selftrain_assets.stages.run import BASE, INPUTS, Clock, Run, finish, iteration_scope
from selftrain_assets.store import Manifest, place_of_model
from selftrain_assets.store.database import Database, parquet
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
    key, parents = fingerprint("policy", origin, place["digest"]), {f"{origin}/checkpoint": place["digest"]}
    return run.done(scope, "policy", key, parents) or finish(
        run,
        clock,
        scope,
        "policy",
        key=key,
        digest=place["digest"],
        parents=parents,
        detail={"place": place, "origin": origin},
    )


def samples(run: Run, iteration: int) -> Manifest:
    """Draw `samples_per_problem` completions of every training problem from the policy; right and wrong are kept."""
    scope = iteration_scope(iteration)
    return _draw_stage(run, scope, "samples", sample_draws(run, run.need(scope, "policy").digest), {})


def sample_draws(run: Run, policy: str) -> Draws:
    """What a round asks of its policy."""
    return plan_draws(run.train_problems, run.prompt, run.config.recipe.sampling, policy, run.config.seed)


def verifications(run: Run, iteration: int) -> Manifest:
    """Judge every sample of the round."""
    scope = iteration_scope(iteration)
    return _judge_stage(run, scope, "samples", "verifications")


def rationalizations(run: Run, iteration: int) -> Manifest:
    """STaR: draw again, with the answer as a hint, where no sample was right; judge those too."""
    scope = iteration_scope(iteration)
    plan = hinted_draws(run, scope, run.need(scope, "policy").digest)
    _draw_stage(run, scope, "hinted_samples", plan, {"verifications": run.need(scope, "verifications").digest})
    return _judge_stage(run, scope, "hinted_samples", "rationalizations")


def hinted_draws(run: Run, scope: str, policy: str) -> Draws:
    """What a round asks with the answer as a hint."""
    solved = solved_problems(run, scope)
    unsolved = [p for p in run.train_problems if p.id not in solved]
    hinted = build_prompt(run.config.prompt, run.problems, hint=True)
    return plan_draws(unsolved, hinted, run.config.recipe.sampling, policy, run.config.seed)


MEMBERS = "SELECT key, problem_id FROM members ORDER BY place"
JUDGED = "SELECT key, j.sample_key, j.problem_id, outcome, reward FROM judgements AS j JOIN verdict_pool USING (key) ORDER BY place"


def _draw_stage(run: Run, scope: str, stage: str, plan: Draws, parents: dict[str, str]) -> Manifest:
    clock, from_policy = Clock(), run.need(scope, "policy")
    key = fingerprint("samples", plan.identity())
    parents = {"policy": from_policy.digest, "problems": run.need(INPUTS, "problems").digest, **parents}
    if (current := run.done(scope, stage, key, parents)) and is_drawn(run, [plan]):
        return current
    with run.store.writing(run.name, scope, stage, run.owner), run.store.database() as db:
        want(db, [plan])
        drawn = draw(run, db, run.store.model(from_policy.detail["place"]), [plan], f"{scope} {stage}", clock)
        table, digest = run.store.write_query(run.name, scope, stage, db, MEMBERS, ["key", "problem_id"])
        cut_off, engines = db.execute(
            "SELECT count(*) FILTER (finish_reason = 'length'), string_agg(DISTINCT engine, ', ' ORDER BY engine) "
            "FROM members JOIN sample_pool USING (key)"
        )[0]
        return finish(
            run,
            clock,
            scope,
            stage,
            key=key,
            digest=digest,
            counts={"samples": len(plan), "reused": drawn.reused, "problems": len(plan.prompts), "cut_off": cut_off},
            tokens=drawn.tokens,
            parents=parents,
            settings=run.config.recipe.sampling.model_dump(mode="json"),
            versions={"engine": engines or ""},
            files={stage: table},
        )


def _judge_stage(run: Run, scope: str, source: str, stage: str) -> Manifest:
    clock, drawn = Clock(), run.need(scope, source)
    policy, parents, verifier = drawn.parents["policy"], {source: drawn.digest}, verifier_fingerprint(run.config.verifier)
    key = fingerprint("verifications", drawn.digest, run.need(INPUTS, "problems").digest, verifier)
    current = run.done(scope, stage, key, parents)
    if current and not current.counts[str(Outcome.INFRA_ERROR)] and is_judged(run, policy, lambda db: recall(db, run, drawn)):
        return current
    with run.store.writing(run.name, scope, stage, run.owner), run.store.database() as db:
        recall(db, run, drawn)
        reused = judge(run, db, policy, f"{scope} {stage}", clock)
        table, digest = run.store.write_query(run.name, scope, stage, db, JUDGED, ["key", "problem_id", "outcome", "reward"])
        solved, verifiers = db.execute(
            "SELECT count(DISTINCT j.problem_id) FILTER (outcome = 'pass'), string_agg(DISTINCT verifier, ', ' ORDER BY verifier) "
            "FROM judgements AS j JOIN verdict_pool USING (key)"
        )[0]
        return finish(
            run,
            clock,
            scope,
            stage,
            key=key,
            digest=digest,
            parents=parents,
            counts=outcomes(db) | {"reused": reused, "problems_solved": solved},
            settings=run.config.verifier.model_dump(mode="json"),
            versions={"verifier": verifiers or ""},
            detail={"verifier": verifier, "policy": policy},
            files={stage: table},
        )


def open_samples(run: Run, db: Database, manifest: Manifest) -> str:
    """Relation with the samples of a finished stage, in the order of its draws."""
    run.store.samples(manifest.parents["policy"]).open(db, "sample_pool")
    return _belonging("sample_pool", Sample, run.store.table(manifest, manifest.stage))


def open_verdicts(run: Run, db: Database, manifest: Manifest) -> str:
    """Relation with the verdicts of a finished stage, in that order."""
    run.store.verifications(manifest.detail["verifier"], manifest.detail["policy"]).open(db, "verdict_pool")
    return _belonging("verdict_pool", Verification, run.store.table(manifest, manifest.stage))


def _belonging(pool: str, record: type, members: Path) -> str:
    """Under the problem ids of this experiment: the pool knows prompts, and another experiment may have drawn from the same
    prompt under another id."""
    columns = ", ".join("m.problem_id" if f.name == "problem_id" else f'p."{f.name}"' for f in fields(record))
    return (
        f"(SELECT {columns} FROM {parquet([members], 'file_row_number = true')} AS m JOIN {pool} AS p USING (key) "
        "ORDER BY m.file_row_number)"
    )


def solved_problems(run: Run, scope: str) -> set[str]:
    """Ids of the training problems with a correct sample in this round."""
    judged = run.need(scope, "verifications")
    with run.store.database() as db:
        db.view("frozen", Judgement, [run.store.table(judged, "verifications")])
        return {problem for (problem,) in db.stream("SELECT DISTINCT problem_id FROM frozen WHERE outcome = 'pass'")}
