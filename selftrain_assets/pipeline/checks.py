"""Checks of a finished stage, read off manifests: the same for the command line and for Dagster."""

from __future__ import annotations

from collections.abc import Sequence

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.measurements import Leak, Solutions
from selftrain_assets.domain.quality_checks import (
    CHECKS,
    Check,
    correct_samples,
    cut_off,
    distinct_solutions,
    held_out_apart,
    infra_errors,
    intact,
    length_drift,
    loop_edge,
    near_copies,
    not_below_base,
    parse_failures,
    second_opinion,
    thoughts_close,
    top_problems,
    unscorable,
)
from selftrain_assets.domain.waivers import Waiver, divided
from selftrain_assets.pipeline.results import (
    DatasetResult,
    EvaluationResult,
    LeaksFound,
    PolicyResult,
    ProblemsResult,
    SamplesResult,
    VerificationsResult,
)
from selftrain_assets.pipeline.run import BASE, Run, iteration_scope
from selftrain_assets.recipes.tripost.results import TrajectoriesResult
from selftrain_assets.store import SHORT, Manifest
from selftrain_assets.store.inspection import parents_of


def check(run: Run, manifest: Manifest) -> list[Check]:
    """Every check of this stage (domain/quality_checks.py lists them), those that stop a round
    first."""
    found = []
    match manifest.stage:
        case "problems":
            problems = manifest.result(ProblemsResult)
            found = _leaks(run, problems, problems.train + problems.human + problems.source)
        case "policy":
            found = [_policy_edge(run, manifest)]
        case "samples":
            samples = manifest.result(SamplesResult)
            found = [cut_off(samples.cut_off, samples.samples), thoughts_close(samples.thoughts)]
        case "verifications" | "rationalizations" | "translations":
            verdicts = manifest.result(VerificationsResult)
            found = [
                infra_errors(verdicts.infra_error, verdicts.verifications),
                unscorable(verdicts.unscorable, verdicts.verifications),
                parse_failures(verdicts.malformed, verdicts.verifications, verdicts.unparsed),
            ]
            if manifest.stage == "verifications":
                found += _drift(run, verdicts)
            found += _second_opinion(verdicts)
        case "trajectories":
            made = manifest.result(TrajectoriesResult)
            found = [infra_errors(made.infra_error, made.attempted)]
        case "dataset":
            rows = manifest.result(DatasetResult)
            if not _gold_alone(run, manifest):
                found = [correct_samples(rows.own, rows.problems, rows.verified, rows.cut_off or 0)]
            found += _leaks(run, rows, rows.rows)
            found.append(top_problems(rows.concentration))
        case "checkpoint":
            found = [_next_edge(run, manifest)]
        case "evaluation":
            measured = manifest.result(EvaluationResult)
            found = [not_below_base(measured.gain_over_base), thoughts_close(measured.thoughts)]
            found += _second_opinion(measured)
    if manifest.stage in CHECKS and manifest.stage != "policy":  # a policy has no tables
        found.append(intact(_fault(run, manifest)))
    return sorted(found, key=lambda c: not c.blocking)


def require(manifest: Manifest, checks: Sequence[Check]) -> None:
    """TaskError at the first failed blocking check."""
    for found in checks:
        if found.blocking and not found.passed:
            raise TaskError(
                f"{manifest.experiment}: {manifest.scope} stops at the check {found.name} of"
                f" {manifest.stage}: {found.message}"
            )


def _second_opinion(result: VerificationsResult | EvaluationResult) -> list[Check]:
    return [second_opinion(result.second_opinion)] if result.second_opinion else []


def _leaks(run: Run, result: LeaksFound, total: int) -> list[Check]:
    """Less those of problems that were retracted, which are neither trained on nor evaluated on,
    and those that are allowed."""
    left, allowed = leaks_of(run, result)
    return [
        held_out_apart(left, result.looked_at, allowed, result.more_leaks),
        near_copies(left, total, result.looked_at),
    ]


def leaks_of(run: Run, result: LeaksFound) -> tuple[list[Leak], list[tuple[Waiver, int]]]:
    """Held-out text that was found in what this stage made and that nothing excuses, and each
    waiver with what it allows of it."""
    retracted = {*run.retracted.values("problem")}
    found = [
        leak for leak in result.leaks if not {leak["problem_id"], leak["held_out_id"]} & retracted
    ]
    return divided(found, run.config.contamination.allow)


def _gold_alone(run: Run, dataset: Manifest) -> bool:
    """Is it meant to have no row of the policy's own?"""
    if not run.config.recipe.learns_from:
        return True
    ratio = dataset.settings.get("ratio") or {"correct": 1}
    return not ratio.get("correct") and not ratio.get("improved")


def _drift(run: Run, verdicts: VerificationsResult) -> list[Check]:
    """Against the first round, which has nothing to be compared with but itself."""
    first_round = run.manifest(iteration_scope(1), "verifications")
    now = verdicts.solutions or Solutions()
    first = (first_round.result(VerificationsResult).solutions if first_round else None) or now
    return [
        distinct_solutions(now, first),
        length_drift(now.get("mean_tokens"), first.get("mean_tokens")),
    ]


def _policy_edge(run: Run, manifest: Manifest) -> Check:
    """Is the policy the checkpoint that it is said to be?"""
    origin = manifest.result(PolicyResult).origin
    # none of a teacher, whose weights its own manifest pins
    made = run.manifest(origin, "checkpoint")
    same = made is None or made.digest == manifest.digest
    said = f"{origin} checkpoint has digest {made.digest[:SHORT] if made else ''}"
    fault = (
        None
        if same
        else (
            f"the policy has digest {manifest.digest[:SHORT]} and the {said}; materialize the"
            " policy again"
        )
    )
    where = (
        "the base"
        if origin == BASE
        else "the teacher"
        if made is None
        else f"the checkpoint of {origin}"
    )
    return loop_edge(
        fault, f"these are the weights of {where}, digest {manifest.digest[:SHORT]}", True
    )


def _next_edge(run: Run, manifest: Manifest) -> Check:
    """Do the rounds that sample from this checkpoint have the weights that it holds now?"""
    policies = (run.manifest(iteration_scope(i), "policy") for i in range(1, run.config.rounds + 1))
    following = [
        p for p in policies if p is not None and p.result(PolicyResult).origin == manifest.scope
    ]
    stale = [p.scope for p in following if p.digest != manifest.digest]
    fault = (
        f"{', '.join(stale)} sampled from weights that this round no longer has; materialize"
        f" {stale[0]} from its policy on, or run `selftrain run {run.name}`, which does what is"
        " owed"
        if stale
        else None
    )
    return loop_edge(
        fault,
        f"{len(following) or 'no'} later rounds sample from it, all from these weights",
        False,
    )


def _fault(run: Run, manifest: Manifest) -> str | None:
    """What of a manifest is not true any more."""
    again = f"run `selftrain run {run.name}`, which makes it again"
    if not run.store.is_intact(manifest):
        return (
            f"a table of {manifest.scope} {manifest.stage} is missing or not as it was committed;"
            f" {again}"
        )
    for name, digest in manifest.parents.items():
        places = [] if name in ("start", "teacher/checkpoint") else parents_of(manifest, name)
        found = [parent for place in places if (parent := run.manifest(*place))]
        if found and all(parent.digest != digest for parent in found):
            return (
                f"{manifest.scope} {manifest.stage} was made from other {name} than is there now;"
                f" {again}"
            )
    return None
