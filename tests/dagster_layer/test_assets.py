"""Rounds through Dagster: order, lineage, checks, metadata, the guard and the sensor."""

import dagster as dg
import pytest

from selftrain_assets.dagster.partitions import wait_for_previous
from selftrain_assets.pipeline.run import Run
from tests import lab
from tests.dagster_layer.conftest import Lab

CHECKPOINT = dg.AssetKey(["lab", "checkpoint"])


def tick(lab_):
    context = dg.build_sensor_context(instance=lab_.instance, definitions=lab_.defs)
    return lab_.sensor.evaluate_tick(context).run_requests


@pytest.fixture(scope="module")
def two_rounds(tmp_path_factory):
    """Two rounds, to be looked at, and what the sensor asked for before, between and after."""
    with dg.DagsterInstance.ephemeral() as instance:
        lab_ = Lab(tmp_path_factory.mktemp("rounds"), instance)
        requests = [tick(lab_)]
        for scope in ("iter-001", "iter-002"):
            assert lab_.round(scope).success
            requests.append(tick(lab_))
        yield lab_, requests


def test_rounds_in_order_and_the_loop_edge_is_an_equal_data_version(two_rounds):
    lab_, _ = two_rounds
    assert lab_.version("policy", "iter-001") == lab_.version("base")
    assert lab_.version("policy", "iter-002") == lab_.version("checkpoint", "iter-001")
    assert lab_.version("checkpoint", "iter-002") not in (
        None,
        lab_.version("checkpoint", "iter-001"),
    )


def test_metadata_holds_the_numbers_that_the_ui_plots(two_rounds):
    lab_, _ = two_rounds
    from selftrain_assets.dagster.partitions import latest_materialization

    def metadata(asset):
        return latest_materialization(
            lab_.instance, dg.AssetKey(["lab", asset]), "iter-001"
        ).asset_materialization.metadata

    assert 0 <= metadata("evaluation")["greedy_accuracy"].value <= 1
    assert metadata("samples")["dagster/row_count"].value == 48
    assert metadata("dataset")["dagster/row_count"].value == metadata("dataset")["rows"].value
    assert (
        1
        <= metadata("dataset")["effective solutions"].value
        <= metadata("dataset")["distinct solutions"].value
    )
    assert 0 < metadata("dataset")["near duplicate share"].value <= 1
    assert "prompt" in {c.name for c in metadata("dataset")["dagster/column_schema"].schema.columns}
    assert "differs from the reference" in metadata("verifications")["preview"].value
    lineage = metadata("checkpoint")["lineage"].value
    for digest in (
        metadata(stage)["digest"].value for stage in ("checkpoint", "dataset", "samples", "policy")
    ):
        assert digest[:16] in lineage
    assert "selftrain lineage checkpoint lab 1 --row 1" in lineage
    assert metadata("policy")["from iteration"].value == "base"


def test_every_asset_says_what_it_is(laboratory):
    for asset in laboratory(human_only=True).assets:
        (spec,) = asset.specs
        assert spec.description
        assert spec.group_name == "lab"
        assert spec.owners
        assert spec.kinds
        assert spec.code_version


def test_one_asset_of_one_round_can_be_made_again_alone(laboratory):
    lab_ = laboratory()
    lab_.round("iter-001")
    before = lab_.version("dataset", "iter-001")
    again = dg.materialize(
        lab_.assets,
        selection=[dg.AssetKey(["lab", "dataset"])],
        partition_key="iter-001",
        instance=lab_.instance,
        resources=lab_.resources,
    )
    assert [e.asset_key.path[-1] for e in again.get_asset_materialization_events()] == ["dataset"]
    assert lab_.version("dataset", "iter-001") == before


def test_a_round_without_correct_samples_stops_at_a_blocking_check(laboratory):
    lab_ = laboratory(texts={})
    result = lab_.round("iter-001", raise_on_error=False)
    assert not result.success
    (check,) = [
        e for e in result.get_asset_check_evaluations() if e.check_name == "correct_samples"
    ]
    assert not check.passed
    assert "nothing to learn from" in check.description
    made = {e.asset_key.path[-1] for e in result.get_asset_materialization_events()}
    assert "dataset" in made
    assert "checkpoint" not in made


def test_a_round_before_its_time_fails_with_a_sentence(laboratory):
    lab_ = laboratory()
    result = lab_.round("iter-002", raise_on_error=False)
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert (
        "iter-001 has no finished checkpoint yet" in failure.step_failure_data.error_display_string
    )
    assert not any(e.is_step_up_for_retry for e in result.all_events)


def test_the_guard_waits_for_a_live_run_of_the_round_before(laboratory, instance):
    lab_ = laboratory()
    lab_.round("iter-001")  # an older checkpoint is there: the guard must wait all the same
    job = lab_.defs.resolve_job_def("lab_round")
    instance.create_run_for_job(
        job,
        tags={"dagster/partition": "iter-001"},
        status=dg.DagsterRunStatus.STARTED,
        asset_selection=frozenset({CHECKPOINT}),
    )
    run = Run("lab", lab_.config, lab_.resource.open())
    with pytest.raises(dg.RetryRequested):
        wait_for_previous(instance, run, 2, CHECKPOINT, "own run")


def test_the_guard_lets_the_first_round_and_a_finished_one_pass(two_rounds):
    lab_, _ = two_rounds
    run = Run("lab", lab_.config, lab_.resource.open())
    for iteration in (1, 2):
        wait_for_previous(lab_.instance, run, iteration, CHECKPOINT, "own run")


def test_the_guard_waits_while_the_command_line_trains(laboratory, instance):
    lab_ = laboratory()
    run = Run("lab", lab_.config, lab_.resource.open())
    with (
        run.store.writing("lab", "iter-001", "checkpoint", "selftrain run lab"),
        pytest.raises(dg.RetryRequested),
    ):
        wait_for_previous(instance, run, 2, CHECKPOINT, "own run")


def test_the_sensor_starts_the_next_round_once_per_weights(two_rounds):
    lab_, (before, between, after) = two_rounds
    assert lab_.sensor.default_status == dg.DefaultSensorStatus.STOPPED
    assert not before  # round 1 is started by hand
    (request,) = between
    assert request.partition_key == "iter-002"
    assert request.run_key == f"lab/iter-002@{lab_.version('checkpoint', 'iter-001')}"
    assert not after


@pytest.mark.kills
def test_controls_and_report_close_an_experiment(laboratory):
    lab_ = laboratory(human_only=True)
    lab_.round("iter-001")
    lab_.round("iter-002")
    result = lab_.defs.resolve_job_def("lab_report").execute_in_process(instance=lab_.instance)
    report = next(
        e for e in result.get_asset_materialization_events() if e.asset_key.path[-1] == "report"
    ).materialization
    assert report.metadata["overview"].value.startswith("![figure](data:image/png;base64,")
    assert "human rows alone" in report.metadata["findings"].value


def test_an_experiment_with_a_dash_loads(tmp_path, instance):
    built = Lab(tmp_path, instance, "my-lab")
    assert {a.key.path[0] for a in built.assets} == {"my_lab"}


def test_star_shows_its_own_stage_in_the_graph(laboratory):
    lab_ = laboratory(recipe={"preset": "star", "sampling": lab.SETTINGS["recipe"]["sampling"]})
    dataset = next(a for a in lab_.assets if a.key.path[-1] == "dataset")
    assert dg.AssetKey(["lab", "rationalizations"]) in {
        d.asset_key for spec in dataset.specs for d in spec.deps
    }
