"""The store against Dagster's event log."""

import dagster as dg
import pytest

from selftrain_assets.dagster.audit import differences
from selftrain_assets.dagster.event_log import events
from selftrain_assets.dagster.partitions import STORE, identity
from selftrain_assets.pipeline.inputs import problems
from selftrain_assets.pipeline.run import INPUTS, Run
from selftrain_assets.store import Store

DATASET = dg.AssetKey(["lab", "dataset"])


@pytest.fixture
def made(laboratory):
    lab_ = laboratory(rounds=1)
    lab_.round("iter-001")
    return lab_, Run("lab", lab_.config, lab_.resource.open())


def sentences(lab_, run):
    return [f.sentence for f in differences(run, lab_.instance)]


def test_a_round_made_by_dagster_is_the_same_in_both_and_each_difference_is_named(made):
    lab_, run = made
    assert sentences(lab_, run) == []
    here = {STORE: dg.MetadataValue.path(identity(run.store.root))}
    event = dg.AssetMaterialization(
        DATASET, partition="iter-001", metadata=here, tags={"dagster/data_version": "0" * 32}
    )
    lab_.instance.report_runless_asset_event(event)
    (other,) = sentences(lab_, run)
    assert other.startswith(
        "Dagster's event log has lab/dataset of iter-001 with digest 000000000000, the store with"
        " digest"
    )
    lab_.instance.report_runless_asset_event(
        dg.AssetMaterialization(DATASET, partition="iter-001", metadata=here)
    )
    assert "with no digest" in sentences(lab_, run)[0]
    lab_.instance.wipe_assets([DATASET])
    (missing,) = sentences(lab_, run)
    assert missing.startswith(
        "the store has lab/dataset of iter-001, but Dagster's event log does not; run `selftrain"
        " run lab --sync`"
    )
    (run.store.scope("lab", "iter-001") / "dataset.json").unlink()
    assert sentences(lab_, run) == []
    (run.store.scope("lab", "iter-001") / "evaluation.json").unlink()
    (gone,) = sentences(lab_, run)
    assert gone.startswith(
        "Dagster's event log has lab/evaluation of iter-001, but the store does not"
    )


def test_what_another_store_holds_is_no_difference_from_this_one(made, tmp_path):
    lab_, run = made
    other = Run("lab", lab_.config, Store(tmp_path / "elsewhere"))
    assert sentences(lab_, other) == []
    problems(other)
    assert sentences(lab_, other) == []
    for event in events(other, lab_.instance, other.need(INPUTS, "problems")):  # of the same digest
        lab_.instance.report_runless_asset_event(event)
    assert (sentences(lab_, run), sentences(lab_, other)) == ([], [])
    (other.store.scope("lab", INPUTS) / "problems.json").unlink()
    assert sentences(lab_, run) == []
    assert [s.split(",")[0] for s in sentences(lab_, other)] == [
        "Dagster's event log has lab/problems"
    ]


def test_of_what_does_not_say_its_store_nothing_is_known(made):
    lab_, run = made
    lab_.instance.wipe_assets([DATASET])
    lab_.instance.report_runless_asset_event(dg.AssetMaterialization(DATASET, partition="iter-001"))
    assert sentences(lab_, run) == []
    # told again, with its store
    assert [*events(run, lab_.instance, run.need("iter-001", "dataset"))]


def test_what_is_not_finished_is_no_difference(laboratory):
    lab_ = laboratory()
    run = Run("lab", lab_.config, lab_.resource.open())
    assert sentences(lab_, run) == []
    problems(run)
    assert [s.split(",")[0] for s in sentences(lab_, run)] == ["the store has lab/problems"]
