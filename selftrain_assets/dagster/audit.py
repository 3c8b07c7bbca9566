"""Compare the store with Dagster's event log for every asset and partition."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from selftrain_assets.dagster.keys import asset_key
from selftrain_assets.dagster.partitions import data_version, latest_materialization
from selftrain_assets.dagster.specs import asset_specs
from selftrain_assets.operations.findings import Finding
from selftrain_assets.pipeline.loop import ALL_ROUNDS
from selftrain_assets.pipeline.run import BASE, INPUTS, Run, iteration_scope

# For each asset without partitions: the stage whose digest is its data version, and the stage
# after which it is reported.
WHOLE = {
    "problems": ((INPUTS, "problems"), (INPUTS, "problems")),
    "base": ((BASE, "checkpoint"), (BASE, "evaluation")),
    "human_only": ((ALL_ROUNDS, "checkpoint"), (ALL_ROUNDS, "evaluation")),
}


def compare_with_dagster(run: Run) -> list[Finding]:
    """Return every difference between the store and the Dagster instance in DAGSTER_HOME.

    The list is empty if there is no instance.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or "/nonexistent")
    if not ((home / "dagster.yaml").is_file() or (home / "history").is_dir()):
        return []
    with dg.DagsterInstance.get() as instance:
        return list(differences(run, instance))


def differences(run: Run, instance: dg.DagsterInstance) -> Iterator[Finding]:
    """Yield assets that only the store or only the event log has, or that differ in digest.

    The report is left out, since it has no digest. So are records of the log that were made in
    another store, or that do not name their store.
    """
    for spec in asset_specs(run.config):
        key = asset_key(run.name, spec.name)
        if spec.partitioned:
            scopes = {
                iteration_scope(i) for i in range(1, run.config.rounds + 1)
            } | instance.get_materialized_partitions(key)
            for scope in sorted(scopes):
                yield from _difference(
                    run, instance, key, scope, (scope, spec.name), (scope, spec.name)
                )
        elif spec.name in WHOLE:
            yield from _difference(run, instance, key, None, *WHOLE[spec.name])


def _difference(
    run: Run,
    instance: dg.DagsterInstance,
    key: dg.AssetKey,
    partition: str | None,
    version_of: tuple[str, str],
    reported_after: tuple[str, str],
) -> Iterator[Finding]:
    manifest = run.manifest(*version_of) if run.manifest(*reported_after) else None
    record = latest_materialization(instance, key, partition, run.store.root)
    if record is None and latest_materialization(instance, key, partition) is not None:
        return
    name = f"{key.to_user_string()}{f' of {partition}' if partition else ''}"
    command = f"selftrain run {run.name}"
    if manifest is None and record is None:
        return
    if manifest is None:
        yield Finding(
            "dagster",
            f"Dagster's event log has {name}, but the store does not; run `{command}`, which makes"
            " it again, or wipe that materialization in the UI",
        )
    elif record is None:
        yield Finding(
            "dagster",
            f"the store has {name}, but Dagster's event log does not; run `{command} --sync`, which"
            " reports it to Dagster",
        )
    elif (version := data_version(record)) != manifest.digest:
        logged = f"digest {version[:12]}" if version else "no digest"
        yield Finding(
            "dagster",
            f"Dagster's event log has {name} with {logged}, the store with digest"
            f" {manifest.digest[:12]}; run `{command} --sync`, which reports it to Dagster",
        )
