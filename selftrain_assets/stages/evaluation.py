"""evaluation: how good a policy is on problems that no round trains on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from selftrain_assets.core.identity import fingerprint
from selftrain_assets.core.plan import Draws, plan_draws
from selftrain_assets.core.sampling import Sampling
from selftrain_assets.core.selection import difficulty_bin, problem_subset
from selftrain_assets.core.statistics import bootstrap, maj_at_k, paired_bootstrap, pass_at_k
from selftrain_assets.core.types import Outcome, Problem, Score
from selftrain_assets.stages.evidence import draw, is_drawn, want
from selftrain_assets.stages.judging import is_judged, judge, outcomes
from selftrain_assets.stages.run import BASE, INPUTS, Clock, Run, finish
from selftrain_assets.store import Manifest
from selftrain_assets.store.database import Database
from selftrain_assets.verifiers import verifier_fingerprint

Votes = dict[str, list[str | None]]
CORRECT = "correct"  # the vote of every answer that the verifier passes


def evaluation(run: Run, scope: str) -> Manifest:
    """Greedy accuracy on every held-out split, pass@k and maj@k on the test split; verdicts with infra_error are left out."""
    clock, trained = Clock(), run.need(scope, "checkpoint")
    base = run.manifest(BASE, "evaluation") if scope != BASE else None
    config = run.config
    key = fingerprint(
        "evaluation",
        trained.digest,
        run.need(INPUTS, "problems").digest,
        config.evaluation,
        config.prompt,
        config.greedy(),
        config.sampled_evaluation(),
        config.seed,
        verifier_fingerprint(config.verifier),
        base.digest if base else None,
        *sorted(run.retracted.values("problem")),
    )
    plan = evaluation_draws(run, trained.digest)
    parents = {"checkpoint": trained.digest}
    current = run.done(scope, "evaluation", key, parents)
    if current and not current.counts[str(Outcome.INFRA_ERROR)] and is_drawn(run, plan) and _is_judged(run, plan):
        return current
    with run.store.writing(run.name, scope, "evaluation", run.owner), run.store.database() as db:
        want(db, plan)
        drawn = draw(run, db, run.store.model(trained.detail["place"]), plan, f"{scope} evaluation", clock)
        judge(run, db, trained.digest, f"{scope} evaluation", clock)
        scores, votes = _scores(run.problems, db.stream(VERDICTS))
        engines = db.execute("SELECT string_agg(DISTINCT engine, ', ' ORDER BY engine) FROM members JOIN sample_pool USING (key)")[0][0]
        digest = fingerprint("scores", key, [asdict(s) for s in scores])
        table = run.store.write_table(run.name, scope, "scores", digest, Score, scores)
        metrics = _metrics(run, scores, votes)
        if base is not None:
            metrics |= _against_base(run, scores, run.store.read_table(base, "scores", Score))
        counts = {"problems": len(scores), "samples": drawn.wanted, "infra_error": outcomes(db)[Outcome.INFRA_ERROR]}
        return finish(
            run,
            clock,
            scope,
            "evaluation",
            key=key,
            digest=digest,
            parents=parents,
            counts=counts,
            metrics=metrics,
            settings=config.evaluation.model_dump(mode="json"),
            versions={"engine": engines or ""},
            files={"scores": table},
            tokens=drawn.tokens,
        )


GREEDY = 0  # the first kind of what follows
VERDICTS = (
    "SELECT kind, m.problem_id, outcome, parsed FROM members AS m JOIN judgements AS j USING (place) "
    "JOIN verdict_pool AS v ON v.key = j.key ORDER BY place"
)


def evaluation_draws(run: Run, policy: str) -> tuple[Draws, Draws]:
    """One greedy completion of every held-out problem, and several of each test problem."""
    config = run.config
    known = problem_subset(run.split("train"), config.evaluation.train_problems, config.seed) if config.evaluation.train_problems else []
    held_out = [*run.split("test"), *run.split("validation"), *run.split("transfer")]
    once = Sampling(**config.greedy().model_dump(), samples_per_problem=1)
    many = Sampling(**config.sampled_evaluation().model_dump(), samples_per_problem=config.evaluation.samples_per_problem)
    return (
        plan_draws([*held_out, *known], run.prompt, once, policy, config.seed),
        plan_draws(run.split("test"), run.prompt, many, policy, config.seed),
    )


def _is_judged(run: Run, plan: tuple[Draws, ...]) -> bool:
    policy = plan[GREEDY].policy

    def members(db: Database) -> None:
        want(db, plan)
        run.store.samples(policy).open(db, "sample_pool")

    return is_judged(run, policy, members)


def _scores(problems: Sequence[Problem], verdicts: Iterable[tuple[int, str, str, str | None]]) -> tuple[list[Score], Votes]:
    """Scores of the problems that were asked, and the votes of their samples."""
    first: dict[str, int] = {}
    votes: Votes = defaultdict(list)
    for kind, problem, outcome, parsed in verdicts:
        passed = outcome == Outcome.PASS
        if kind == GREEDY:
            first[problem] = int(passed)
        else:
            votes[problem].append(CORRECT if passed else parsed)
    return [
        Score(p.id, p.split, p.group, first[p.id], len(votes[p.id]), votes[p.id].count(CORRECT)) for p in problems if p.id in first
    ], votes


def _metrics(run: Run, scores: Sequence[Score], votes: Votes) -> dict[str, Any]:
    settings = run.config.evaluation
    test = [s for s in scores if s.split == "test"]
    programs = {p.id for p in run.problems if p.tests is not None}  # they have no answer that a vote could be on
    voted = [s for s in test if s.problem_id not in programs]

    def estimate(values: list[float]) -> dict[str, Any]:
        return asdict(bootstrap(values, settings.confidence, settings.resamples))

    return {
        "greedy_accuracy": estimate([float(s.greedy) for s in test]),
        "pass_at_k": {str(k): estimate([pass_at_k(s.samples, s.correct, k) for s in test]) for k in settings.pass_at},
        "maj_at_k": {
            str(k): estimate([maj_at_k(votes[s.problem_id], CORRECT, k, settings.ties) for s in voted])
            for k in settings.majority_at
            if voted
        },
    } | {
        f"{split}_accuracy": estimate([float(s.greedy) for s in scores if s.split == split])
        for split in ("train", "validation", "transfer")
        if any(s.split == split for s in scores)
    }


def _against_base(run: Run, scores: Sequence[Score], base: Sequence[Score]) -> dict[str, Any]:
    """Paired difference on the test split, and accuracy by the base's difficulty bins (ReST-EM section 5.3)."""
    settings, before = run.config.evaluation, {s.problem_id: s for s in base}
    pairs = [(before[s.problem_id], s) for s in scores if s.split == "test" and s.problem_id in before]
    gain = paired_bootstrap(
        [float(b.greedy) for b, _ in pairs], [float(s.greedy) for _, s in pairs], settings.confidence, settings.resamples
    )
    bins: dict[str, list[tuple[Score, Score]]] = defaultdict(list)
    for b, s in pairs:
        if b.samples:
            bins[difficulty_bin(b.correct / b.samples)].append((b, s))
    by_bin = {
        name: {
            "problems": len(group),
            "base": sum(b.greedy for b, _ in group) / len(group),
            "now": sum(s.greedy for _, s in group) / len(group),
        }
        for name, group in bins.items()
    }
    return {"gain_over_base": asdict(gain), "by_difficulty": by_bin}
