"""References to weights, as manifests keep them: where weights come from, and their digest.

A reference is data. What it refers to is found and checked by pipeline/weights.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.random_init import ScratchModel

NOTES_FILE = "selftrain.json"
"""Notes of our own beside published weights. They are no part of the weights, and enter no
digest."""


class _Reference(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    digest: str

    def parents(self) -> tuple[WeightsRef, ...]:
        """References to the weights that these are made of: below an adapter, or of each method."""
        return ()

    def with_parents(self) -> Iterator[WeightsRef]:
        """This reference and all that it is composed of."""
        yield self  # type: ignore[misc]  # every subclass is a member of the union
        for parent in self.parents():
            yield from parent.with_parents()


class PretrainedModel(_Reference):
    """A model outside the store, by its name in the experiment.

    That is a hub name, a directory, or a shipped model.
    """

    kind: Literal["pretrained"] = "pretrained"
    model: str


class RandomInit(_Reference):
    """A model of random weights, which its settings make again."""

    kind: Literal["random_init"] = "random_init"
    settings: ScratchModel


class StoredCheckpoint(_Reference):
    """Weights in the store, under the key of the training that made them.

    An adapter names the full model that it belongs on.
    """

    kind: Literal["checkpoint"] = "checkpoint"
    key: str
    adapter_on: ModelWeights | None = None

    @classmethod
    def of(cls, key: str, weights: str, adapter_on: ModelWeights | None) -> StoredCheckpoint:
        """A checkpoint by its training and the digest of its files.

        Args:
            key: The key of the training.
            weights: Digest of the files that the training wrote.
            adapter_on: The model below, where these are an adapter. The digest of the reference
                then covers both.
        """
        digest = fingerprint("adapter", adapter_on.digest, weights) if adapter_on else weights
        return cls(key=key, digest=digest, adapter_on=adapter_on)

    def parents(self) -> tuple[WeightsRef, ...]:
        return (self.adapter_on,) if self.adapter_on else ()


class ServedModel(_Reference):
    """A model that only a server has.

    Its weights are not here, so its digest is that of the name and settings that it is asked for
    by.
    """

    kind: Literal["served"] = "served"
    model: str
    api: str
    revision: str = ""


class PerMethod(_Reference):
    """Weights of each method, by its name."""

    kind: Literal["per_method"] = "per_method"
    methods: dict[str, ModelWeights]

    @classmethod
    def of(cls, methods: Mapping[str, ModelWeights]) -> PerMethod:
        """The digest covers the weights of all methods, in their order."""
        digest = fingerprint(
            "methods", [[method, weights.digest] for method, weights in methods.items()]
        )
        return cls(methods=dict(methods), digest=digest)

    def parents(self) -> tuple[WeightsRef, ...]:
        return tuple(self.methods.values())


def _of_format_1(value: Any) -> Any:
    """A reference of format 1 as it is written today.

    Stores before format 2 have no `kind`: their keys say which reference it is.
    """
    if not isinstance(value, Mapping) or "kind" in value:
        return value
    digest = {"digest": value.get("digest")}
    if "model" in value:
        return {"kind": "pretrained", "model": value["model"], **digest}
    if "scratch" in value:
        return {"kind": "random_init", "settings": value["scratch"], **digest}
    if "checkpoint" in value:
        return {
            "kind": "checkpoint",
            "key": value["checkpoint"],
            "adapter_on": value.get("adapter_on"),
            **digest,
        }
    if "served" in value:
        return {"kind": "served", **value["served"], **digest}
    if "methods" in value:
        return {"kind": "per_method", "methods": value["methods"], **digest}
    return value


ModelWeights = Annotated[
    Annotated[PretrainedModel | RandomInit | StoredCheckpoint, Field(discriminator="kind")],
    BeforeValidator(_of_format_1),
]
"""A reference to the weights of one model, which can be loaded."""
WeightsRef = Annotated[
    Annotated[
        PretrainedModel | RandomInit | StoredCheckpoint | ServedModel | PerMethod,
        Field(discriminator="kind"),
    ],
    BeforeValidator(_of_format_1),
]
"""A reference to whatever is sampled from or trained on."""

StoredCheckpoint.model_rebuild()
PerMethod.model_rebuild()
