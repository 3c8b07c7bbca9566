"""Checks of a finished stage, computed from manifests for the command line and for Dagster."""

from __future__ import annotations

from collections.abc import Sequence

from selftrain_assets.domain import quality_checks
from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.measurements import Leak, Solutions
from selftrain_assets.domain.quality_checks import (
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
from selftrain_assets.domain.waivers import Waiver, divide
from selftrain_assets.pipeline.results import (
    CheckpointResult,
    DatasetResult,
    EvaluationResult,
    LeaksFound,
    PolicyResult,
    ProblemsResult,
    SamplesResult,
    VerificationsResult,
)
from selftrain_assets.pipeline.run import BASE, Run, iteration_of, iteration_scope
from selftrain_assets.pipeline.stage import CheckSpec
from selftrain_assets.store import SHORT, Manifest
from selftrain_assets.store.inspection import parents_of
from selftrain_assets.store.results import StageResult


def require(manifest: Manifest, checks: Sequence[Check]) -> None:
    """Raise TaskError at the first blocking check that failed."""
    for check in checks:
        if check.blocking and not check.passed:
            raise TaskError(
                f"{manifest.experiment}: {manifest.scope} stops at the check {check.name} of"
                f" {manifest.stage}: {check.message}"
            )


def leaks_of(run: Run, result: LeaksFound) -> tuple[list[Leak], list[tuple[Waiver, int]]]:
    """The held-out text in what a stage made that no waiver allows, and what each waiver allows.

    Returns:
        The leaks without a waiver, and each waiver with the number of leaks that it allows.
    """
    retracted = {*run.retracted.values("problem")}
    leaks = [
        leak for leak in result.leaks if not {leak["problem_id"], leak["held_out_id"]} & retracted
    ]
    return divide(leaks, run.config.contamination.allow)


def _policy_edge(run: Run, manifest: Manifest, policy: PolicyResult) -> Check:
    """Check that the policy has the weights of the checkpoint that it comes from."""
    digest = manifest.digest[:SHORT]
    # A teacher has no such manifest: the manifest of the policy records its weights.
    checkpoint = run.manifest(policy.origin, "checkpoint")
    fault = None
    if checkpoint is not None and checkpoint.digest != manifest.digest:
        fault = (
            f"the policy has digest {digest} and the {policy.origin} checkpoint has digest"
            f" {checkpoint.digest[:SHORT]}; materialize the policy again"
        )
    origin = f"the checkpoint of {policy.origin}" if checkpoint is not None else "the teacher"
    if policy.origin == BASE:
        origin = "the base"
    return loop_edge(fault, f"these are the weights of {origin}, digest {digest}", True)


def _next_edge(run: Run, manifest: Manifest, checkpoint: CheckpointResult) -> Check:
    """Check that the rounds that sample from this checkpoint used its present weights."""
    policies = (run.manifest(iteration_scope(i), "policy") for i in range(1, run.config.rounds + 1))
    following = [
        p for p in policies if p is not None and p.result(PolicyResult).origin == manifest.scope
    ]
    stale = [p.scope for p in following if p.digest != manifest.digest]
    fault = None
    if stale:
        fault = (
            f"{', '.join(stale)} sampled from weights that this round no longer has; materialize"
            f" {stale[0]} from its policy on, or run `selftrain run {run.name}`, which does what is"
            " owed"
        )
    count = len(following) or "no"
    return loop_edge(fault, f"{count} later rounds sample from it, all from these weights", False)


def _fault(run: Run, manifest: Manifest) -> str | None:
    """Say why a manifest is damaged or outdated; None if it is neither."""
    again = f"run `selftrain run {run.name}`, which makes it again"
    if not run.store.is_intact(manifest):
        return (
            f"a table of {manifest.scope} {manifest.stage} is missing or not as it was committed;"
            f" {again}"
        )
    for name, digest in manifest.parents.items():
        places = [] if name in ("start", "teacher/checkpoint") else parents_of(manifest, name)
        parents = [parent for place in places if (parent := run.manifest(*place))]
        if parents and all(parent.digest != digest for parent in parents):
            return (
                f"{manifest.scope} {manifest.stage} was made from other {name} than is there now;"
                f" {again}"
            )
    return None


def _intact(run: Run, manifest: Manifest, result: StageResult) -> Check:
    return intact(_fault(run, manifest))


INTACT = CheckSpec(
    name=quality_checks.INTACT,
    blocking=True,
    description="its tables are as they were committed, and made from what is there now",
    evaluate=_intact,
)


def _held_out_apart(run: Run, manifest: Manifest, result: LeaksFound) -> Check:
    leaks, allowed = leaks_of(run, result)
    return held_out_apart(leaks, result.looked_at, allowed, result.more_leaks)


def _near_copies(run: Run, manifest: Manifest, result: ProblemsResult | DatasetResult) -> Check:
    leaks, _ = leaks_of(run, result)
    return near_copies(leaks, result.trained_on, result.looked_at)


APART = (
    CheckSpec(
        name=quality_checks.HELD_OUT_APART,
        blocking=True,
        description="nothing that is trained on holds a whole held-out question",
        evaluate=_held_out_apart,
    ),
    CheckSpec(
        name=quality_checks.NEAR_COPIES,
        blocking=False,
        description=(
            f"at most {quality_checks.NEAR_COPY_LIMIT:.0%} of what is trained on has most of its"
            " words, in a row, from held-out text"
        ),
        evaluate=_near_copies,
    ),
)


def _second_opinion(
    run: Run, manifest: Manifest, result: EvaluationResult | VerificationsResult
) -> Check | None:
    return second_opinion(result.second_opinion) if result.second_opinion else None


SECOND_OPINION = CheckSpec(
    name=quality_checks.SECOND_OPINION,
    blocking=False,
    description=(
        "of the samples that are wrong or malformed, another reading would not surely pass more"
        f" than {quality_checks.SECOND_OPINION_LIMIT:.0%}"
    ),
    evaluate=_second_opinion,
)


def _thoughts_close(
    run: Run, manifest: Manifest, result: EvaluationResult | SamplesResult
) -> Check:
    return thoughts_close(result.thoughts)


def _cut_off(run: Run, manifest: Manifest, samples: SamplesResult) -> Check:
    return cut_off(samples.cut_off, samples.samples)


def _infra_errors(run: Run, manifest: Manifest, verdicts: VerificationsResult) -> Check:
    return infra_errors(verdicts.infra_error, verdicts.verifications)


def _unscorable(run: Run, manifest: Manifest, verdicts: VerificationsResult) -> Check:
    return unscorable(verdicts.unscorable, verdicts.verifications)


def _parse_failures(run: Run, manifest: Manifest, verdicts: VerificationsResult) -> Check:
    return parse_failures(verdicts.malformed, verdicts.verifications, verdicts.unparsed)


THOUGHTS_CLOSE = CheckSpec(
    name=quality_checks.THOUGHTS_CLOSE,
    blocking=False,
    description=(
        "of the thoughts of a model that thinks, all but"
        f" {quality_checks.UNCLOSED_LIMIT:.0%} come to an end"
    ),
    evaluate=_thoughts_close,
)
CUT_OFF = CheckSpec(
    name=quality_checks.CUT_OFF,
    blocking=False,
    description=f"all but {quality_checks.CUT_OFF_LIMIT:.0%} of the samples came to an end",
    evaluate=_cut_off,
)
INFRA_ERRORS = CheckSpec(
    name=quality_checks.INFRA_ERROR,
    blocking=True,
    description=(
        f"at most {quality_checks.INFRA_ERROR_LIMIT:.0%} of the samples could not be judged for"
        " reasons of infrastructure"
    ),
    evaluate=_infra_errors,
)
JUDGED = (
    INTACT,
    INFRA_ERRORS,
    CheckSpec(
        name=quality_checks.UNSCORABLE,
        blocking=False,
        description=(
            "the tests of the problems can judge all but"
            f" {quality_checks.UNSCORABLE_LIMIT:.0%} of the samples"
        ),
        evaluate=_unscorable,
    ),
    CheckSpec(
        name=quality_checks.MALFORMED,
        blocking=False,
        description=(
            "an answer could be read out of all but"
            f" {quality_checks.MALFORMED_LIMIT:.0%} of the samples"
        ),
        evaluate=_parse_failures,
    ),
    SECOND_OPINION,
)
"""Of every stage of verdicts."""


def _drift(
    run: Run, manifest: Manifest, verdicts: VerificationsResult
) -> tuple[Solutions, Solutions]:
    """Statistics of the correct solutions of this round and of the first.

    The first round is compared with itself.
    """
    first_round = run.manifest(iteration_scope(1), manifest.stage)
    now = verdicts.solutions or Solutions()
    first = first_round.result(VerificationsResult).solutions if first_round else None
    return now, first or now


def _distinct(run: Run, manifest: Manifest, verdicts: VerificationsResult) -> Check:
    return distinct_solutions(*_drift(run, manifest, verdicts))


def _length(run: Run, manifest: Manifest, verdicts: VerificationsResult) -> Check:
    now, first = _drift(run, manifest, verdicts)
    return length_drift(now.get("mean_tokens"), first.get("mean_tokens"))


COLLAPSE = (
    CheckSpec(
        name=quality_checks.DISTINCT,
        blocking=True,
        description=(
            "correct solutions are as distinct as in the first round: a warning below"
            f" {quality_checks.WARN_BELOW:.0%} of its share, a stop below"
            f" {quality_checks.BLOCK_BELOW:.0%}"
        ),
        evaluate=_distinct,
    ),
    CheckSpec(
        name=quality_checks.LENGTH,
        blocking=False,
        description=(
            f"correct completions are between {quality_checks.LENGTH_RANGE[0]:.0%} and"
            f" {quality_checks.LENGTH_RANGE[1]:.0%} as long as in the first round"
        ),
        evaluate=_length,
    ),
)


def _correct_samples(run: Run, manifest: Manifest, rows: DatasetResult) -> Check | None:
    if not run.at(iteration_of(manifest.scope)).config.recipe.learns_own_samples:
        return None
    return correct_samples(rows.own, rows.problems, rows.verified, rows.cut_off or 0)


def _top_problems(run: Run, manifest: Manifest, rows: DatasetResult) -> Check:
    return top_problems(rows.concentration)


ROWS = (
    CheckSpec(
        name=quality_checks.CORRECT_SAMPLES,
        blocking=True,
        description="the round has at least one correct sample to learn from",
        evaluate=_correct_samples,
    ),
    *APART,
    CheckSpec(
        name=quality_checks.TOP_PROBLEMS,
        blocking=False,
        description=(
            f"the {quality_checks.TOP_SHARE:.0%} of the problems with most rows hold at most"
            f" {quality_checks.TOP_LIMIT:.0%} of them"
        ),
        evaluate=_top_problems,
    ),
    INTACT,
)
"""Of a dataset."""
NOT_BELOW_BASE = CheckSpec(
    name=quality_checks.NOT_BELOW_BASE,
    blocking=False,
    description="held-out greedy accuracy is not clearly below the base's",
    evaluate=lambda run, manifest, result: not_below_base(result.gain_over_base),
)

POLICY_EDGE = CheckSpec(
    name=quality_checks.LOOP_EDGE,
    blocking=True,
    description=(
        "it is the checkpoint that it says it is: data versions agree along the loop's edge"
    ),
    evaluate=_policy_edge,
)
NEXT_EDGE = CheckSpec(
    name=quality_checks.LOOP_EDGE,
    blocking=False,
    description="the rounds that sample from it sample from these weights",
    evaluate=_next_edge,
)
