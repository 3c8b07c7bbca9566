"""evaluation: how good a policy is on problems that no round trains on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from selftrain_assets.core.identity import fingerprint
from selftrain_assets.core.plan import plan_requests
from selftrain_assets.core.sampling import Sampling
from selftrain_assets.core.selection import difficulty_bin, problem_subset
from selftrain_assets.core.statistics import bootstrap, maj_at_k, paired_bootstrap, pass_at_k
from selftrain_assets.core.types import Outcome, Problem, Score, Verification
from selftrain_assets.stages.evidence import Batch, draw, is_drawn, is_judged, judge
from selftrain_assets.stages.run import BASE, INPUTS, Clock, Run, finish
from selftrain_assets.store import Manifest
from selftrain_assets.verifiers import verifier_fingerprint

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
    greedy, sampled = batches(run, trained.digest)
    if (current := run.done(scope, "evaluation", key)) and not current.counts[str(Outcome.INFRA_ERROR)]:
        requests = [*greedy.requests, *sampled.requests]
        pairs = ((r.key, r.problem_id) for r in requests)
        if is_drawn(run, trained.digest, requests) and is_judged(run, trained.digest, pairs):
            return current
    with run.store.writing(run.name, scope, "evaluation", run.owner):
        drawn = draw(run, run.store.model(trained.detail["place"]), [greedy, sampled], f"{scope} evaluation", clock)
        verdicts = judge(run, trained.digest, drawn.samples, f"{scope} evaluation", clock).verdicts
        judged = [v for v in verdicts if v.outcome != Outcome.INFRA_ERROR]
        greedy_keys = {r.key for r in greedy.requests}
        scores, votes = _scores(run.problems, judged, greedy_keys)
        table = run.store.write_table(run.name, scope, "scores", key, Score, scores)
        metrics = _metrics(run, scores, votes)
        if base is not None:
            metrics |= _against_base(run, scores, run.store.read_table(base, "scores", Score))
        counts = {"problems": len(scores), "samples": len(drawn.samples), "infra_error": len(verdicts) - len(judged)}
        return finish(
            run,
            clock,
            scope,
            "evaluation",
            key=key,
            digest=key,
            parents={"checkpoint": trained.digest},
            counts=counts,
            metrics=metrics,
            settings=config.evaluation.model_dump(mode="json"),
            versions={"engine": drawn.engines},
            files={"scores": table},
            tokens=drawn.tokens,
        )


def batches(run: Run, policy: str) -> tuple[Batch, Batch]:
    """One greedy completion of every held-out problem, and several of each test problem."""
    config = run.config
    known = problem_subset(run.split("train"), config.evaluation.train_problems, config.seed) if config.evaluation.train_problems else []
    held_out = [*run.split("test"), *run.split("validation"), *run.split("transfer")]
    greedy, sampled = config.greedy(), config.sampled_evaluation()
    once = Sampling(**greedy.model_dump(), samples_per_problem=1)
    many = Sampling(**sampled.model_dump(), samples_per_problem=config.evaluation.samples_per_problem)
    return (
        Batch(plan_requests([*held_out, *known], run.prompt, once, policy, config.seed), greedy),
        Batch(plan_requests(run.split("test"), run.prompt, many, policy, config.seed), sampled),
    )


def _scores(
    problems: Sequence[Problem], verdicts: Sequence[Verification], greedy: set[str]
) -> tuple[list[Score], dict[str, list[str | None]]]:
    """Scores of the problems that were asked, and the votes of their samples."""
    first: dict[str, int] = {}
    votes: dict[str, list[str | None]] = defaultdict(list)
    for v in verdicts:
        passed = v.outcome == Outcome.PASS
        if v.sample_key in greedy:
            first[v.problem_id] = int(passed)
        else:
            votes[v.problem_id].append(CORRECT if passed else v.parsed)
    return [
        Score(p.id, p.split, p.group, first[p.id], len(votes[p.id]), votes[p.id].count(CORRECT)) for p in problems if p.id in first
    ], votes


def _metrics(run: Run, scores: Sequence[Score], votes: dict[str, list[str | None]]) -> dict[str, Any]:
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
