"""evaluation: how good a policy is on problems that no round trains on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.requests import Draws, plan_draws
from selftrain_assets.domain.selection import problem_subset
from selftrain_assets.domain.types import Improvement, Outcome, Score
from selftrain_assets.pipeline import second_opinion
from selftrain_assets.pipeline.generation import generate_missing, is_drawn, plan_requests
from selftrain_assets.pipeline.metrics import CORRECT, VERSION, Ballots, Votes, measure, vote_of_all
from selftrain_assets.pipeline.results import CheckpointResult, EvaluationResult
from selftrain_assets.pipeline.run import BASE, INPUTS, Clock, Run, finish
from selftrain_assets.pipeline.thoughts import thoughts
from selftrain_assets.pipeline.verification import count_outcomes, is_judged, verify_missing
from selftrain_assets.pipeline.weights import resolve
from selftrain_assets.recipes.tripost import self_improvement
from selftrain_assets.store import Manifest
from selftrain_assets.trainers.tracking import figures, run_name


def evaluation(run: Run, scope: str) -> Manifest:
    """Greedy accuracy on every held-out split, pass@k and maj@k on the test split; verdicts with
    infra_error are left out."""
    clock, trained = Clock(), run.need(scope, "checkpoint")
    base = run.manifest(BASE, "evaluation") if scope != BASE else None
    config = run.config
    plan = evaluation_draws(run, trained.digest)
    key = fingerprint(
        "evaluation",
        VERSION,
        trained.digest,
        run.need(INPUTS, "problems").digest,
        config.evaluation,
        [draws.identity() for draws in plan],
        list(run.all_verifiers),
        *second_opinion.identity(run, run.all_verifiers),
        base.digest if base else None,
        *self_improvement.identity(run),
        *sorted(run.retracted.values("problem")),
    )
    parents = {"checkpoint": trained.digest}
    current = run.done(scope, "evaluation", key, parents)
    if (
        current
        and not current.result(EvaluationResult).infra_error
        and is_drawn(run, plan)
        and is_judged(run, trained.digest, lambda ws: plan_requests(ws, plan))
    ):
        return current
    with run.store.writing(run.name, scope, "evaluation", run.owner), run.store.workspace() as ws:
        requests = plan_requests(ws, plan)
        weights = resolve(run.store, trained.result(CheckpointResult).weights)
        drawn = generate_missing(run, ws, requests, weights, plan, f"{scope} evaluation", clock)
        result = verify_missing(
            run, ws, requests, drawn.samples, trained.digest, f"{scope} evaluation", clock
        )
        scores, votes = _scores(
            run,
            ws.stream(
                "verification.votes",
                requests=requests,
                planned=result.planned,
                verdicts=result.verdicts,
            ),
        )
        with clock.working():
            other = second_opinion.second_opinion(run, ws, result, run.all_verifiers)
        _, engines = ws.row(
            "generation.cut_off_and_engines", requests=requests, samples=drawn.samples
        )
        counts = {
            "problems": len({s.problem_id for s in scores}),
            "samples": drawn.requested,
            "infra_error": count_outcomes(ws, result)[Outcome.INFRA_ERROR],
        }
        own, files, tokens = thoughts(ws, requests, drawn.samples), {}, drawn.tokens
        if self_improvement.improves(run):
            answers = ws.rows("generation.greedy_answers", requests=requests, samples=drawn.samples)
            improved, more = self_improvement.self_improvement(
                run, answers, weights, f"{scope} self-improvement", clock
            )
            scores, tokens = self_improvement.with_final_answers(scores, improved), tokens + more
            own |= {"self_improvement": self_improvement.measure(improved)}
            counts["infra_error"] += sum(
                s.method is None and s.split != "suite" for s in scores
            ) - len(improved)
            named = fingerprint("improvements", key, [asdict(each) for each in improved])
            files["improvements"] = run.store.write_table(
                run.name, scope, "improvements", named, Improvement, improved
            )
        digest = fingerprint("scores", key, [asdict(s) for s in scores])
        files["scores"] = run.store.write_table(run.name, scope, "scores", digest, Score, scores)
        before = run.store.read_table(base, "scores", Score) if base is not None else []
        metrics = measure(run, scores, votes, before) | {"second_opinion": other} | own
        finished = finish(
            run,
            clock,
            scope,
            "evaluation",
            key=key,
            digest=digest,
            parents=parents,
            result=EvaluationResult(**counts, **metrics),
            settings=config.evaluation.model_dump(mode="json"),
            versions={"engine": engines or ""},
            files=files,
            tokens=tokens,
        )
    _track(run, scope, trained)
    return finished


def _track(run: Run, scope: str, trained: Manifest) -> None:
    """Show the figures of the round in the trackers' run of its training."""
    trackers = run.config.execution.trackers
    if trackers.report_to:
        done = [each for each in run.store.manifests(run.name) if each.scope == scope]
        with trackers.run(
            run_name(run.name, scope, trained.key), run.store.root, trained.settings
        ) as track:
            track(figures(done))


def evaluation_draws(run: Run, policy: str) -> list[Draws]:
    """By each method, first one greedy completion of every held-out problem, then several of
    each test problem; of the problems of each suite likewise."""
    config = run.config
    known = (
        problem_subset(run.train_problems, config.evaluation.train_problems, config.seed)
        if config.evaluation.train_problems
        else []
    )
    held_out = [*run.split("test"), *run.split("validation"), *run.split("transfer")]
    plan = []
    for m in run.methods:
        sampled = config.evaluation.draws(m.sampling)
        plan.append(
            plan_draws(
                [*held_out, *known],
                m.prompt,
                m.sampling.greedy(),
                policy,
                config.seed,
                m.name,
                greedy=True,
            )
        )
        plan.append(plan_draws(run.split("test"), m.prompt, sampled, policy, config.seed, m.name))
    for name, suite in run.suites.items():
        problems = run.suite(name)
        plan.append(
            plan_draws(
                problems,
                suite.prompt,
                suite.sampling.greedy(),
                policy,
                config.seed,
                suite.name,
                greedy=True,
            )
        )
        plan.append(
            plan_draws(
                problems if suite.sampled else [],
                suite.prompt,
                suite.sampling,
                policy,
                config.seed,
                suite.name,
            )
        )
    return plan


def _scores(
    run: Run, verdicts: Iterable[tuple[str | None, bool, str, str, str | None]]
) -> tuple[list[Score], Votes]:
    """Scores of the problems that were asked, as a whole and by method or suite, and the votes
    of their completions."""
    votes: dict[str | None, dict[str, Ballots]] = {name: defaultdict(Ballots) for name in run.ways}
    for method, greedy, problem, outcome, parsed in verdicts:
        vote = CORRECT if outcome == Outcome.PASS else parsed
        ballots = votes[method][problem]
        (ballots.greedy if greedy else ballots.sampled).append(vote)
    scores = [
        Score(
            p.id,
            p.split,
            p.group,
            int(b.greedy == [CORRECT]),
            len(b.sampled),
            b.sampled.count(CORRECT),
            name,
        )
        for name in run.ways
        for p in run.problems
        if (b := votes[name].get(p.id)) and b.greedy
    ]
    own = [s for s in scores if s.split != "suite"]
    return [*vote_of_all(run, own, votes), *(s for s in scores if s.method is not None)], votes
