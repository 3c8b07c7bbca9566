"""Find the weights that a reference names, and check that they have its digest."""

from __future__ import annotations

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.random_init import ScratchModel
from selftrain_assets.domain.weights import (
    ModelWeights,
    PerMethod,
    PretrainedModel,
    RandomInit,
    ServedModel,
    StoredCheckpoint,
    WeightsRef,
)
from selftrain_assets.models.digests import weights_digest
from selftrain_assets.models.loading import ModelRef, Policy, resolve_model
from selftrain_assets.store import Store


def model_weights(model: str | ScratchModel) -> PretrainedModel | RandomInit:
    """A reference to a model outside the store, with its present digest.

    Raises:
        UserError: There is no such model.
    """
    digest = resolve_model(model).digest
    if isinstance(model, ScratchModel):
        return RandomInit(settings=model, digest=digest)
    return PretrainedModel(model=model, digest=digest)


def resolve(store: Store, weights: WeightsRef) -> Policy:
    """Find the weights that a reference names.

    Raises:
        IntegrityError: A checkpoint is missing, or its weights are not those of the reference.
        UserError: A model outside the store is not where it was.
    """
    match weights:
        case ServedModel():
            return Policy(weights.digest, {}, served=weights.model)
        case PerMethod():
            return Policy(
                weights.digest,
                {method: _checked(store, own) for method, own in weights.methods.items()},
            )
        case _:
            return Policy(weights.digest, {None: _checked(store, weights)})


def _checked(store: Store, weights: ModelWeights) -> ModelRef:
    ref = _located(store, weights)
    if ref.digest != weights.digest:
        raise IntegrityError(
            f"the weights in {ref.adapter or ref.directory} are not those this round was made with"
            f" (digest {ref.digest[:12]}, recorded {weights.digest[:12]}); restore them, or start a"
            " new experiment"
        )
    return ref


def _located(store: Store, weights: ModelWeights) -> ModelRef:
    match weights:
        case PretrainedModel():
            return resolve_model(weights.model)
        case RandomInit():
            return resolve_model(weights.settings)
        case StoredCheckpoint():
            directory = store.checkpoint(weights.key)
            if not directory.is_dir():
                raise IntegrityError(
                    f"{directory} is gone; restore it, or materialize its round again"
                )
            digest = weights_digest(directory)
            if weights.adapter_on is None:
                return ModelRef(directory, digest)
            below = _located(store, weights.adapter_on)
            return ModelRef(
                below.directory, fingerprint("adapter", below.digest, digest), adapter=directory
            )
