"""Stage `evaluation`: measure a policy on problems that no round trains on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.requests import Draws, plan_draws
from selftrain_assets.domain.selection import problem_subset
from selftrain_assets.domain.statistics import INTERVALS
from selftrain_assets.domain.types import Outcome, Score
from selftrain_assets.pipeline import checks, second_opinion
from selftrain_assets.pipeline.generation import generate_missing, is_drawn, plan_requests
from selftrain_assets.pipeline.metrics import CORRECT, VERSION, Ballots, Votes, measure, vote_of_all
from selftrain_assets.pipeline.recipe import implementation_of
from selftrain_assets.pipeline.results import CheckpointResult, EvaluationResult
from selftrain_assets.pipeline.run import (
    BASE,
    INPUTS,
    Clock,
    Run,
    Wanted,
    finish,
    iteration_scope,
)
from selftrain_assets.pipeline.samples import nothing_failed
from selftrain_assets.pipeline.stage import StageSpec, TableSpec
from selftrain_assets.pipeline.thoughts import thoughts
from selftrain_assets.pipeline.verification import count_outcomes, is_judged, verify_missing
from selftrain_assets.pipeline.weights import resolve
from selftrain_assets.store import Manifest
from selftrain_assets.trainers.tracking import figures, run_name


def evaluation_wanted(run: Run, scope: str) -> Wanted:
    """The evaluation of the checkpoint of a scope."""
    trained, base, config = run.need(scope, "checkpoint"), _base(run, scope), run.config
    answers = implementation_of(config.recipe).final_answers
    key = fingerprint(
        "evaluation",
        VERSION,
        trained.digest,
        run.need(INPUTS, "problems").digest,
        config.evaluation,
        [draws.identity() for draws in evaluation_draws(run, trained.digest)],
        list(run.all_verifiers),
        *second_opinion.identity(run, run.all_verifiers),
        base.digest if base else None,
        *(answers.identity(run) if answers and answers.applies(run) else ()),
        *sorted(run.retracted.values("problem")),
    )
    return Wanted(key, {"checkpoint": trained.digest}, complete=nothing_failed)


def _base(run: Run, scope: str) -> Manifest | None:
    """The evaluation that this one is compared with."""
    return run.manifest(BASE, "evaluation") if scope != BASE else None


def evaluation(run: Run, scope: str) -> Manifest:
    """Measure greedy accuracy on every held-out split, and pass@k and maj@k on the test split.

    Verdicts with outcome infra_error are left out.
    """
    clock, trained, base = Clock(), run.need(scope, "checkpoint"), _base(run, scope)
    config, plan = run.config, evaluation_draws(run, trained.digest)
    wanted = evaluation_wanted(run, scope)
    current = run.finished(scope, "evaluation", wanted)
    if (
        current
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
            opinion = second_opinion.second_opinion(run, ws, result, run.all_verifiers)
        _, engines = ws.row(
            "generation.cut_off_and_engines", requests=requests, samples=drawn.samples
        )
        counts = {
            "problems": len({s.problem_id for s in scores}),
            "samples": drawn.requested,
            "infra_error": count_outcomes(ws, result)[Outcome.INFRA_ERROR],
        }
        own, files, tokens = thoughts(ws, requests, drawn.samples), {}, drawn.tokens
        final = implementation_of(config.recipe).final_answers
        if final is not None and final.applies(run):
            first = ws.rows("generation.greedy_answers", requests=requests, samples=drawn.samples)
            label = f"{scope} {final.metric.replace('_', '-')}"
            answers, answer_tokens = final.answer(run, first, weights, label, clock)
            scores, tokens = final.final(scores, answers), tokens + answer_tokens
            own |= {final.metric: final.measure(answers)}
            problems_answered = sum(s.method is None and s.split != "suite" for s in scores)
            counts["infra_error"] += problems_answered - len(answers)
            table = final.table
            table_digest = fingerprint(
                table.name, wanted.key, [asdict(answer) for answer in answers]
            )
            files[table.name] = run.store.write_table(
                run.name, scope, table.name, table_digest, table.record, answers
            )
        digest = fingerprint("scores", wanted.key, [asdict(s) for s in scores])
        files["scores"] = run.store.write_table(run.name, scope, "scores", digest, Score, scores)
        before = run.store.read_table(base, "scores", Score) if base is not None else []
        metrics = measure(run, scores, votes, before) | {"second_opinion": opinion} | own
        finished = finish(
            run,
            clock,
            scope,
            "evaluation",
            key=wanted.key,
            digest=digest,
            parents=wanted.parents,
            result=EvaluationResult(**counts, **metrics),
            settings=config.evaluation.model_dump(mode="json"),
            versions={"engine": engines or ""},
            files=files,
            tokens=tokens,
        )
    _track(run, scope, trained)
    return finished


def _track(run: Run, scope: str, trained: Manifest) -> None:
    """Log the metrics of a round to the experiment trackers, in the run of its training."""
    trackers = run.config.execution.trackers
    if trackers.report_to:
        manifests = [
            manifest for manifest in run.store.manifests(run.name) if manifest.scope == scope
        ]
        with trackers.run(
            run_name(run.name, scope, trained.key), run.store.root, trained.settings
        ) as track:
            track(figures(manifests))


def evaluation_draws(run: Run, policy: str) -> list[Draws]:
    """Plan the completions of an evaluation.

    For each method these are one greedy completion of every held-out problem (and of as many
    training problems as `evaluation.train_problems` says), then several sampled ones of each test
    problem. The problems of each suite are treated likewise.
    """
    config = run.config
    known = (
        problem_subset(run.train_problems, config.evaluation.train_problems, config.seed)
        if config.evaluation.train_problems
        else []
    )
    held_out = [*run.split("test"), *run.split("validation"), *run.split("transfer")]
    plan = []
    for method in run.methods:
        sampled = config.evaluation.draws(method.sampling)
        plan.append(
            plan_draws(
                [*held_out, *known],
                method.prompt,
                method.sampling.greedy(),
                policy,
                config.seed,
                method.name,
                greedy=True,
            )
        )
        plan.append(
            plan_draws(run.split("test"), method.prompt, sampled, policy, config.seed, method.name)
        )
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
    run: Run, verdicts: Iterable[tuple[str | None, bool, str, str, str | None, float]]
) -> tuple[list[Score], Votes]:
    """Score the problems of an evaluation, overall and by method or suite.

    Returns:
        The scores, and the answers that vote in maj@k.
    """
    votes: dict[str | None, dict[str, Ballots]] = {name: defaultdict(Ballots) for name in run.ways}
    for method, greedy, problem, outcome, parsed, reward in verdicts:
        vote = CORRECT if outcome == Outcome.PASS else parsed
        ballots = votes[method][problem]
        (ballots.greedy if greedy else ballots.sampled).append(vote)
        if greedy:
            ballots.reward = reward
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


EVALUATION = StageSpec(
    name="evaluation",
    description=(
        "Held-out greedy accuracy, unbiased pass@k (arXiv 2107.03374) and maj@k, with intervals"
        f" over problems: {INTERVALS}."
    ),
    after=("checkpoint",),
    run=lambda run, iteration: evaluation(run, iteration_scope(iteration)),
    wanted=lambda run, iteration: evaluation_wanted(run, iteration_scope(iteration)),
    result=EvaluationResult,
    resource="gpu",
    kinds=("huggingface",),
    tables=(
        TableSpec(
            name="scores", record=Score, view="scores", identified_by=("problem_id", "method")
        ),
    ),
    checks=(checks.NOT_BELOW_BASE, checks.SECOND_OPINION, checks.THOUGHTS_CLOSE, checks.INTACT),
    every_round_alike=True,
)
