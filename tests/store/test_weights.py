"""References to weights, as they are written today and as stores before format 2 have them."""

import pytest
from pydantic import TypeAdapter, ValidationError

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.random_init import ScratchModel
from selftrain_assets.domain.weights import (
    PerMethod,
    PretrainedModel,
    RandomInit,
    ServedModel,
    StoredCheckpoint,
    WeightsRef,
)
from selftrain_assets.store.manifest import Manifest

EMBEDDED = PretrainedModel(model="embedded", digest="e")
ADAPTER = StoredCheckpoint.of("key", "w", EMBEDDED)
SMALL = ScratchModel(layers=1, width=8, heads=1)
OLD_ADAPTER = {
    "checkpoint": "key",
    "digest": ADAPTER.digest,
    "adapter_on": {"model": "embedded", "digest": "e"},
}
KINDS = [
    (EMBEDDED, {"model": "embedded", "digest": "e"}),
    (RandomInit(settings=SMALL, digest="r"), {"scratch": SMALL.model_dump(), "digest": "r"}),
    (
        StoredCheckpoint.of("key", "w", None),
        {"checkpoint": "key", "digest": "w", "adapter_on": None},
    ),
    (ADAPTER, OLD_ADAPTER),
    (
        ServedModel(model="m", api="chat", revision="2", digest="s"),
        {"served": {"model": "m", "api": "chat", "revision": "2"}, "digest": "s"},
    ),
    (
        PerMethod.of({"text": ADAPTER, "code": EMBEDDED}),
        {
            "methods": {"text": OLD_ADAPTER, "code": {"model": "embedded", "digest": "e"}},
            "digest": fingerprint("methods", [["text", ADAPTER.digest], ["code", "e"]]),
        },
    ),
]


def manifest(**detail):
    return Manifest("checkpoint", "e", "base", "k", "d", {}, {}, {}, detail=detail)


@pytest.mark.parametrize(("weights", "old"), KINDS)
def test_a_reference_is_read_as_it_is_written_and_as_it_was_before(weights, old):
    read = TypeAdapter(WeightsRef).validate_python
    assert read(weights.model_dump(mode="json")) == weights
    assert read(old) == weights
    assert (
        manifest(place=old).references.weights
        == manifest(weights=weights.model_dump()).references.weights
        == weights
    )
    assert manifest(places={"improver": old}).references.asked == {"improver": weights}


@pytest.mark.parametrize(
    "value", [{}, {"digest": "d"}, {"kind": "elsewhere", "digest": "d"}, "embedded"]
)
def test_what_is_no_reference_is_refused(value):
    with pytest.raises(ValidationError):
        TypeAdapter(WeightsRef).validate_python(value)


def test_all_that_weights_are_composed_of_is_named():
    assert [*KINDS[-1][0].with_parents()] == [KINDS[-1][0], ADAPTER, EMBEDDED, EMBEDDED]
    assert [*EMBEDDED.with_parents()] == [EMBEDDED]


def test_the_digest_of_an_adapter_covers_the_model_below():
    assert ADAPTER.digest == fingerprint("adapter", "e", "w")
    assert (
        len(
            {
                ADAPTER.digest,
                StoredCheckpoint.of("key", "w", None).digest,
                StoredCheckpoint.of("key", "v", EMBEDDED).digest,
            }
        )
        == 3
    )
