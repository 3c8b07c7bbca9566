"""Checks of a finished stage, read off manifests: the same for the command line and for Dagster."""

from __future__ import annotations

from collections.abc import Sequence

from selftrain_assets.domain.errors import TaskError
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
from selftrain_assets.domain.waivers import Leak, Waiver, divided
from selftrain_assets.pipeline.results import PolicyResult
from selftrain_assets.pipeline.run import BASE, Run, iteration_scope
from selftrain_assets.store import SHORT, Manifest
from selftrain_assets.store.inspection import parents_of


def check(run: Run, manifest: Manifest) -> list[Check]:
    """Every check of this stage (domain/quality_checks.py lists them), those that stop a round
    first."""
    found = []
    match manifest.stage:
        case "problems":
            found = _leaks(
                run,
                manifest,
                sum(manifest.counts.get(split, 0) for split in ("train", "human", "source")),
            )
        case "policy":
            found = [_policy_edge(run, manifest)]
        case "samples":
            found = [cut_off(manifest.counts), thoughts_close(manifest.metrics.get("thoughts"))]
        case "verifications" | "rationalizations" | "translations":
            found = [infra_errors(manifest.counts), unscorable(manifest.counts)]
            found += [parse_failures(manifest.counts, manifest.detail.get("unparsed", ()))]
            if manifest.stage == "verifications":
                found += _drift(run, manifest)
        case "trajectories":
            found = [
                infra_errors({"verifications": manifest.counts["attempted"], **manifest.counts})
            ]
        case "dataset":
            concentration = manifest.detail.get("concentration", {})
            found = [] if _gold_alone(run, manifest) else [correct_samples(manifest.counts)]
            found += [*_leaks(run, manifest, manifest.counts["rows"])]
            found += [top_problems(concentration.get("share"), concentration.get("problems", ()))]
        case "checkpoint":
            found = [_next_edge(run, manifest)]
        case "evaluation":
            found = [
                not_below_base(manifest.metrics.get("gain_over_base")),
                thoughts_close(manifest.metrics.get("thoughts")),
            ]
    if "second_opinion" in manifest.metrics:
        found.append(second_opinion(manifest.metrics["second_opinion"]))
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


def _leaks(run: Run, manifest: Manifest, total: int) -> list[Check]:
    """Less those of problems that were retracted, which are neither trained on nor evaluated on,
    and those that are allowed."""
    left, allowed = leaks_of(run, manifest)
    looked_at, unseen = (
        manifest.detail.get("looked_at", "nothing was looked at"),
        manifest.detail.get("more_leaks", 0),
    )
    return [held_out_apart(left, looked_at, allowed, unseen), near_copies(left, total, looked_at)]


def leaks_of(run: Run, manifest: Manifest) -> tuple[list[Leak], list[tuple[Waiver, int]]]:
    """Held-out text that was found in what this stage made and that nothing excuses, and each
    waiver with what it allows of it."""
    retracted = {*run.retracted.values("problem")}
    found = [
        leak
        for leak in manifest.detail.get("leaks", ())
        if not {leak["problem_id"], leak["held_out_id"]} & retracted
    ]
    return divided(found, run.config.contamination.allow)


def _gold_alone(run: Run, dataset: Manifest) -> bool:
    """Is it meant to have no row of the policy's own?"""
    if not run.config.recipe.learns_from:
        return True
    ratio = dataset.settings.get("ratio") or {"correct": 1}
    return not ratio.get("correct") and not ratio.get("improved")


def _drift(run: Run, manifest: Manifest) -> list[Check]:
    """Against the first round, which has nothing to be compared with but itself."""
    started = run.manifest(iteration_scope(1), manifest.stage)
    now = manifest.metrics["solutions"]
    first = (started.metrics if started else {}).get("solutions", now)
    return [
        distinct_solutions(now, first, now["repeated"]),
        length_drift(now["mean_tokens"], first["mean_tokens"]),
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
