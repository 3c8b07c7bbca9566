"""Definitions of small experiments, built as the component builds them."""

import dagster as dg
import pytest

from selftrain_assets.component import experiment_definitions
from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.dagster.partitions import data_version, latest_materialization
from selftrain_assets.dagster.resources import LaunchSettings, StoreResource
from tests import lab


class Lab:
    """One experiment's definitions over a store and an instance of their own."""

    def __init__(self, folder, instance, name="lab", **changes):
        self.name, self.instance = name, instance
        self.config = parse_experiment(lab.write_experiment(folder, name, **changes), name)
        self.resource = StoreResource(root=str(folder / "runs"))
        self.resources = {"store": self.resource, "launch": LaunchSettings.configure_at_launch()}
        shared = dg.Definitions(resources=self.resources, executor=dg.in_process_executor)
        self.defs = dg.Definitions.merge(experiment_definitions(name, self.config), shared)
        self.assets = list(self.defs.assets)
        (self.sensor,) = self.defs.sensors

    def round(self, scope, raise_on_error=True):
        """One round, as the job of the UI does it."""
        job = self.defs.resolve_job_def(f"{self.name}_round")
        return job.execute_in_process(
            partition_key=scope, instance=self.instance, raise_on_error=raise_on_error
        )

    def version(self, asset, scope=None):
        """The recorded data version."""
        return data_version(
            latest_materialization(self.instance, dg.AssetKey([self.name, asset]), scope)
        )


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def laboratory(tmp_path, instance):
    def build(name="lab", **changes) -> Lab:
        return Lab(tmp_path, instance, name, **changes)

    return build
