"""What is launched besides assets: a whole experiment in one run, settings of a launch, an
audit."""

import dagster as dg
import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.dagster.partitions import STORE, identity
from selftrain_assets.dagster.resources import LaunchSettings
from selftrain_assets.domain.errors import UserError
from tests import lab

LAUNCH = {"resources": {"launch": {"config": {"shard_size": 5}}}}


def config_of(**changes):
    return parse_experiment(
        lab.SETTINGS | {"engine": {"type": "scripted", "path": "answers.json"}} | changes, "lab"
    )


def failure(result):
    (event,) = [e for e in result.all_events if e.is_step_failure]
    return event.step_failure_data.error.message


def test_a_whole_experiment_is_one_run_with_every_asset_and_check(laboratory):
    lab_ = laboratory(human_only=True)
    job = lab_.defs.resolve_job_def("lab_experiment")
    result = job.execute_in_process(instance=lab_.instance, run_config=LAUNCH)
    made = [
        (e.asset_key.path[-1], e.partition) for e in result.all_events if e.is_step_materialization
    ]
    stages = ["policy", "samples", "verifications", "dataset", "checkpoint", "evaluation"]
    rounds = [(stage, scope) for scope in ("iter-001", "iter-002") for stage in stages]
    assert made == [
        ("problems", None),
        ("base", None),
        *rounds,
        ("human_only", None),
        ("report", None),
    ]
    assert lab_.version("policy", "iter-002") == lab_.version("checkpoint", "iter-001")
    checks = {
        e.asset_check_evaluation_data.check_name
        for e in result.all_events
        if e.event_type_value == "ASSET_CHECK_EVALUATION"
    }
    assert {"held_out_apart", "loop_edge", "distinct_solutions", "intact"} <= checks
    again = job.execute_in_process(instance=lab_.instance)
    assert [e.asset_key.path[-1] for e in again.all_events if e.is_step_materialization] == [
        "report"
    ]


def test_rounds_of_a_launch_are_within_the_experiment(laboratory):
    lab_ = laboratory()
    job = lab_.defs.resolve_job_def("lab_experiment")
    wanted = {"ops": {"lab_all_rounds": {"config": {"rounds": "2-9"}}}}
    result = job.execute_in_process(instance=lab_.instance, run_config=wanted, raise_on_error=False)
    assert (
        'rounds "2-9": give a round or a range between 1 and the experiment\'s rounds: 2'
        in failure(result)
    )


def test_settings_of_a_launch_change_how_it_runs_and_nothing_else():
    config = config_of()
    assert LaunchSettings().applied(config) is config
    launched = LaunchSettings(shard_size=5, shard_seconds=0, workers=3).applied(config)
    assert (
        launched.execution.shard_size,
        launched.execution.shard_seconds,
        launched.execution.sandbox.workers,
    ) == (5, 0, 3)
    assert launched.model_copy(update={"execution": config.execution}) == config
    embedded = config_of(engine={"type": "transformers", "dtype": "float32"})
    assert LaunchSettings(batch_size=7).applied(embedded).engine == embedded.engine.model_copy(
        update={"batch_size": 7}
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"shard_size": 0},
            "launch: execution.shard_size: should be greater than or equal to 1, not 0",
        ),
        (
            {"workers": 0},
            "launch: execution.sandbox.workers: should be greater than or equal to 1, not 0",
        ),
        ({"batch_size": 8}, "launch.batch_size: engine scripted has no such setting; leave it out"),
    ],
)
def test_a_setting_that_does_not_fit_is_one_sentence(laboratory, settings, sentence):
    with pytest.raises(UserError) as told:
        LaunchSettings(**settings).applied(config_of())
    assert str(told.value) == sentence
    lab_ = laboratory()
    job, config = (
        lab_.defs.resolve_job_def("lab_round"),
        {"resources": {"launch": {"config": settings}}},
    )
    result = job.execute_in_process(
        partition_key="iter-001", instance=lab_.instance, run_config=config, raise_on_error=False
    )
    assert sentence in failure(result)


@pytest.mark.kills
def test_the_audit_of_a_report_says_what_is_lost(laboratory):
    lab_ = laboratory(rounds=1)
    lab_.round("iter-001")

    def audited():
        (check,) = (
            lab_.defs.resolve_job_def("lab_report")
            .execute_in_process(instance=lab_.instance)
            .get_asset_check_evaluations()
        )
        return check

    assert audited().passed
    assert audited().description.endswith("nothing lost, nothing duplicated")
    store = lab_.resource.open()
    file, _, _ = store.manifest("lab", "iter-001", "dataset").files["rows"]
    (store.scope("lab", "iter-001") / file).unlink()
    found = audited()
    assert not found.passed
    assert file in found.description
    assert "restore it from a copy" in found.metadata["findings"].value


@pytest.mark.kills
def test_policy_and_checkpoint_agree_in_the_event_log_too(laboratory):
    lab_ = laboratory()
    lab_.round("iter-001")
    here = {STORE: dg.MetadataValue.path(identity(lab_.resource.open().root))}
    tags = {"dagster/data_version": "0" * 32}
    other = dg.AssetMaterialization(
        dg.AssetKey(["lab", "checkpoint"]), partition="iter-001", metadata=here, tags=tags
    )
    lab_.instance.report_runless_asset_event(other)
    result = lab_.round("iter-002")
    (edge,) = [
        c
        for c in result.get_asset_check_evaluations()
        if (c.asset_key.path[-1], c.check_name) == ("policy", "loop_edge")
    ]
    assert not edge.passed
    assert edge.description.startswith(
        "Dagster's event log has iter-001 checkpoint with data version 0000000000000000, the store"
        " with digest"
    )
