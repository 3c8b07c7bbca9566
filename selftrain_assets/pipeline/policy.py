"""Stage `policy`: record which weights a round samples from."""

from __future__ import annotations

from selftrain_assets.domain.errors import TaskError, UserError, nearest
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.weights import ServedModel, WeightsRef
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.models.tokenization import check_tokenizer
from selftrain_assets.pipeline import checks
from selftrain_assets.pipeline.results import CheckpointResult, PolicyResult
from selftrain_assets.pipeline.run import BASE, Clock, Run, Wanted, finish, iteration_scope
from selftrain_assets.pipeline.stage import StageSpec
from selftrain_assets.pipeline.weights import model_weights, resolve
from selftrain_assets.recipes.teachers import CheckpointOf, ServedTeacher, Teacher
from selftrain_assets.store import Manifest


def policy(run: Run, iteration: int) -> Manifest:
    """Record the weights that this round samples from.

    The data version is their digest, which equals that of the checkpoint before.
    """
    clock, scope = Clock(), iteration_scope(iteration)
    pinned = _pinned(run, iteration)
    weights = resolve(run.store, pinned.weights)
    for method in run.methods if weights.served is None else ():
        # Fails now, not in the middle of the round, for a method without weights.
        weights.by(method.name)
    wanted = _policy_wanted(pinned)
    return run.finished(scope, "policy", wanted) or finish(
        run,
        clock,
        scope,
        "policy",
        key=wanted.key,
        digest=pinned.weights.digest,
        parents=wanted.parents,
        result=pinned,
    )


def _pinned(run: Run, iteration: int) -> PolicyResult:
    """The weights that a round samples from according to the settings."""
    scope, recipe = iteration_scope(iteration), run.config.recipe
    settings = recipe.sampled_teacher
    if settings is not None:
        weights, origin = teacher(run, scope, "recipe.teacher", settings), "teacher"
    else:
        source = recipe.policy_round(iteration)
        origin = iteration_scope(source) if source else BASE
        weights = run.need(origin, "checkpoint").result(CheckpointResult).weights
    return PolicyResult(
        weights=weights,
        origin=origin,
        teacher=settings if isinstance(settings, CheckpointOf) else None,
        forks=tuple(fork for fork in run.config.forks if fork.iteration == iteration - 1),
    )


def _policy_wanted(pinned: PolicyResult) -> Wanted:
    changed = [fork.model_dump(mode="json") for fork in pinned.forks]
    digest = pinned.weights.digest
    key = fingerprint("policy", pinned.origin, digest, *changed)
    return Wanted(key, {f"{pinned.origin}/checkpoint": digest})


def teacher(run: Run, scope: str, setting: str, wanted: Teacher) -> WeightsRef:
    """The weights of a model that a round samples beside the policy or in its place.

    The checkpoint of another experiment is taken as it is now or, if that experiment is gone, as
    the round recorded it. A server is not contacted: it is needed only where samples are missing.

    Args:
        run: The run.
        scope: The scope of the round.
        setting: The setting that names the model.
        wanted: The value of that setting.

    Raises:
        UserError: The model cannot be found.
        TaskError: The checkpoint was never made.
    """
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


POLICY = StageSpec(
    name="policy",
    description=(
        "The weights that this round samples from: the base, or the checkpoint of an earlier round."
        " Its data version is the digest of those weights; equal to that checkpoint's, it is the"
        " loop's edge."
    ),
    after=("base",),
    run=policy,
    wanted=lambda run, iteration: _policy_wanted(_pinned(run, iteration)),
    result=PolicyResult,
    kinds=("huggingface",),
    checks=(checks.POLICY_EDGE,),
)
