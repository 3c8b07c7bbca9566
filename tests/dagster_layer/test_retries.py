"""Whatever fails, Dagster tries it once: a retry is asked for by the guard of rounds alone, and
it has an end."""

from pathlib import Path

import dagster as dg
import pytest
import yaml

import selftrain_assets
from selftrain_assets.dagster import partitions
from selftrain_assets.domain.errors import InfraError
from selftrain_assets.engines.scripted import ScriptedSettings

ROOT = Path(selftrain_assets.__file__).parents[1]


@pytest.mark.parametrize("error", [InfraError("the engine went away"), OSError("no route to host")])
def test_a_stage_that_fails_is_tried_once(laboratory, monkeypatch, error):
    opened = []

    def failing(self, ref):
        opened.append(ref)
        raise error

    monkeypatch.setattr(ScriptedSettings, "open", failing)
    result = laboratory().round("iter-001", raise_on_error=False)
    assert not result.success
    assert len(opened) == 1
    [failure] = [e for e in result.all_events if e.is_step_failure]
    assert str(error) in failure.step_failure_data.error_display_string
    assert not [e for e in result.all_events if e.is_step_up_for_retry or e.is_step_restarted]


def test_neither_stages_nor_jobs_nor_the_instance_have_a_retry_policy(laboratory):
    made = laboratory()
    repository = made.defs.get_repository_def()
    nodes = [node for job in repository.get_all_jobs() for node in job.nodes]
    assert {asset.op.name for asset in made.assets} <= {node.definition.name for node in nodes}
    assert (
        {node.retry_policy for node in nodes}
        == {node.definition.retry_policy for node in nodes}
        == {None}
    )
    assert {
        (job._op_retry_policy, job.tags.get("dagster/max_retries"))
        for job in repository.get_all_jobs()
    } == {(None, None)}
    assert yaml.safe_load((ROOT / "dagster.yaml").read_text())["run_retries"] == {"enabled": False}


def test_the_guard_asks_again_so_many_times_and_no_more(laboratory, instance):
    made = laboratory()
    run = partitions.Run("lab", made.config, made.resource.open())
    with (
        run.store.writing("lab", "iter-001", "checkpoint", "selftrain run lab"),
        pytest.raises(dg.RetryRequested) as asked,
    ):
        partitions.wait_for_previous(
            instance, run, 2, dg.AssetKey(["lab", "checkpoint"]), "own run"
        )
    assert (asked.value.max_retries, asked.value.seconds_to_wait) == (
        partitions.MAX_RETRIES,
        partitions.SECONDS_BETWEEN,
    )
    source = "".join(path.read_text() for path in (ROOT / "selftrain_assets").rglob("*.py"))
    assert source.count("RetryRequested(") == 1
    assert "RetryPolicy" not in source
