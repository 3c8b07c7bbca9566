"""A sweep in Dagster: the graph of every point, their comparison as an asset, and the job that
does all of them."""

from contextlib import ExitStack
from types import SimpleNamespace

import dagster as dg
import pytest

from selftrain_assets.component import experiment_definitions
from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.dagster import sweep as sweeps
from selftrain_assets.dagster.partitions import latest_materialization
from selftrain_assets.dagster.resources import LaunchSettings, StoreResource
from selftrain_assets.operations.sweep.state import point_lease
from selftrain_assets.store.lease import lease
from tests import lab

STAGES = ["policy", "samples", "verifications", "dataset", "checkpoint", "evaluation"]


class Swept:
    """Definitions of an experiment with a sweep, over a store and an instance of their own."""

    def __init__(self, folder, instance, sweep, **changes):
        settings = lab.write_experiment(folder, **{"rounds": 1, "sweep": sweep} | changes)
        self.instance, self.resource = instance, StoreResource(root=str(folder / "runs"))
        resources = {"store": self.resource, "launch": LaunchSettings.configure_at_launch()}
        made = experiment_definitions("lab", parse_experiment(settings, "lab"))
        self.defs = dg.Definitions.merge(
            made, dg.Definitions(resources=resources, executor=dg.in_process_executor)
        )

    def job(self, name="lab_sweep"):
        return self.defs.resolve_job_def(name).execute_in_process(
            instance=self.instance, raise_on_error=False
        )

    def metadata(self):
        return latest_materialization(
            self.instance, dg.AssetKey(["lab", "sweep"]), None
        ).asset_materialization.metadata


@pytest.fixture
def swept(tmp_path, instance):
    return lambda sweep, **changes: Swept(tmp_path, instance, sweep, **changes)


def failure(result):
    (event,) = [e for e in result.all_events if e.is_step_failure]
    return event.step_failure_data.error.message


def made(result):
    return [
        (e.asset_key.to_user_string(), e.partition)
        for e in result.all_events
        if e.is_step_materialization
    ]


def test_every_point_has_its_graph_and_the_comparison_depends_on_their_reports(swept):
    defs = swept({"grid": {"recipe.cap": [1, 2]}, "seeds": "0-1"}).defs
    graph = defs.resolve_asset_graph()
    groups = {graph.get(key).group_name for key in graph.get_all_asset_keys()}
    runs = [f"lab_cap_{cap}_seed_{seed}" for cap in (1, 2) for seed in (0, 1)]
    assert groups == {"lab", *runs}
    assert graph.get(dg.AssetKey(["lab", "sweep"])).parent_keys == {
        dg.AssetKey([run, "report"]) for run in runs
    }
    of_one = {key.path[-1] for key in graph.get_all_asset_keys() if key.path[0] == runs[0]}
    assert of_one == {"problems", "base", *STAGES, "report"}
    assert {job.name for job in defs.resolve_all_job_defs()} >= {
        "lab_sweep",
        *(f"{run}_experiment" for run in runs),
    }


@pytest.mark.kills
def test_one_run_does_all_points_and_compares_those_that_do_not_fail(swept):
    lab_ = swept({"points": [{"trainer.steps": 2}, {"model": "./nowhere"}, {"trainer.steps": 3}]})
    result = lab_.job()
    each = [
        ("problems", None),
        ("base", None),
        *((stage, "iter-001") for stage in STAGES),
        ("report", None),
    ]
    assert made(result) == [
        (f"lab_steps_{n}/{stage}", scope) for n in (2, 3) for stage, scope in each
    ] + [("lab/sweep", None)]
    assert (
        "1 of 3 runs of the sweep failed, the others are done. lab-model-nowhere: model: there is"
        ' no directory "./nowhere"' in failure(result)
    )
    metadata, store = lab_.metadata(), lab_.resource.open()
    assert metadata["figure"].value.startswith("![figure](data:image/png;base64,")
    assert "| steps-3 |" in metadata["table"].value
    assert "lab-model-nowhere (no round is finished)" in metadata["terms"].value
    assert (metadata["points"].value, metadata["points left out"].value) == (2, 1)
    for n in (2, 3):
        measured = store.manifest(f"lab-steps-{n}", "iter-001", "evaluation").metrics[
            "greedy_accuracy"
        ]["mean"]
        assert metadata[f"test accuracy steps-{n}"].value == pytest.approx(measured, abs=1e-4)
    first, second = (store.manifest(f"lab-steps-{n}", "iter-001", "samples") for n in (2, 3))
    assert (first.digest, first.counts["reused"], second.counts["reused"]) == (
        second.digest,
        0,
        first.counts["samples"],
    )


def test_the_comparison_alone_says_where_there_is_nothing_to_compare(swept):
    lab_ = swept({"grid": {"recipe.cap": [1, 2]}})
    result = dg.materialize(
        [a for a in lab_.defs.assets if a.key.path == ["lab", "sweep"]],
        instance=lab_.instance,
        resources={"store": lab_.resource},
        raise_on_error=False,
    )
    assert (
        "lab: no round of any point of its sweep is finished; run `selftrain run lab --sweep` first"
        in failure(result)
    )


def test_a_point_that_another_process_works_on_is_looked_at_again(swept, monkeypatch):
    lab_ = swept({"grid": {"recipe.cap": [1, 2]}})
    done, held = [], ExitStack()

    def everything(context, run, rounds):
        done.append(run.name)
        yield from ()

    monkeypatch.setattr(sweeps, "everything", everything)
    monkeypatch.setattr(
        sweeps, "time", SimpleNamespace(sleep=lambda seconds: held.close() or done.append("slept"))
    )
    held.enter_context(lease(point_lease(lab_.resource.open(), "lab-cap-1"), "another process"))
    assert lab_.job().success
    assert done == ["lab-cap-2", "slept", "lab-cap-1"]


def test_without_a_sweep_nothing_changes(swept):
    plain = swept(None).defs
    assert "lab_round" in {job.name for job in plain.resolve_all_job_defs()}
    assert {key.path[0] for key in plain.resolve_asset_graph().get_all_asset_keys()} == {"lab"}
