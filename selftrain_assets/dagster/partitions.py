"""How rounds are represented as Dagster partitions; no other module knows.

A round is a static partition, iter-001 and so on. The edge back from checkpoint[i-1] to policy[i]
cannot be declared: Dagster refuses cycles between asset keys under every partition mapping. It is
an equality instead, the data version of policy[i] being the digest of the weights it pins; and a
guard keeps rounds in order.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from selftrain_assets.pipeline.run import Run, iteration_scope

ALIVE = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)
MAX_RETRIES, SECONDS_BETWEEN = 100_000, 5
STORE = "store"  # the name of its metadata
RECORDS = 100  # newest records of an asset that are searched for one of a store


def partitions(rounds: int) -> dg.StaticPartitionsDefinition:
    """Return one partition for each round."""
    return dg.StaticPartitionsDefinition([iteration_scope(i) for i in range(1, rounds + 1)])


def wait_for_previous(
    instance: dg.DagsterInstance, run: Run, iteration: int, checkpoint: dg.AssetKey, own_run: str
) -> None:
    """Retry later while another run is making the checkpoint that this round samples from.

    This is checked before the checkpoint itself is read: in a backfill over rounds that exist
    already, an older checkpoint is still there.

    Raises:
        RetryRequested: The checkpoint is being made.
    """
    recipe = run.at(iteration).config.recipe
    source = recipe.policy_round(iteration)
    if not source or recipe.sampled_teacher is not None:
        return
    scope = iteration_scope(source)
    if run.store.is_being_written(run.name, scope, "checkpoint") or _live_run_makes(
        instance, checkpoint, scope, own_run
    ):
        raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=SECONDS_BETWEEN)


def _live_run_makes(
    instance: dg.DagsterInstance, checkpoint: dg.AssetKey, scope: str, own_run: str
) -> bool:
    """Return whether a live run will materialize this checkpoint and has not done so yet."""
    latest = latest_materialization(instance, checkpoint, scope)
    made_by = latest.run_id if latest else None
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": scope}, statuses=list(ALIVE)))
    return any(
        r.run_id not in (made_by, own_run)
        and r.asset_selection is not None
        and checkpoint in r.asset_selection
        for r in runs
    )


def latest_materialization(
    instance: dg.DagsterInstance, key: dg.AssetKey, scope: str | None, store: Path | None = None
) -> dg.EventLogRecord | None:
    """Return the newest materialization of an asset, or of one of its partitions.

    Args:
        instance: The Dagster instance.
        key: The asset.
        scope: The partition; None for an asset without partitions.
        store: Only materializations that were made in this store; None is any.
    """
    wanted = dg.AssetRecordsFilter(
        asset_key=key, asset_partitions=None if scope is None else [scope]
    )
    for limit in (1,) if store is None else (1, RECORDS):
        records = instance.fetch_materializations(wanted, limit=limit).records
        for record in records:
            if store is None or made_in(record) == identity(store):
                return record
    return None


def identity(store: Path) -> str:
    """Return the name of a store in the event log, which may have records of several stores."""
    return str(store.resolve())


def made_in(record: dg.EventLogRecord) -> str | None:
    """Return the store that a materialization was made in; None if an older version made it."""
    event = record.event_log_entry.asset_materialization
    store = event.metadata.get(STORE) if event else None
    return str(store.value) if store else None


def data_version(record: dg.EventLogRecord | None) -> str | None:
    """Return the digest that a materialization was recorded with."""
    event = record.event_log_entry.asset_materialization if record else None
    return (event.tags or {}).get("dagster/data_version") if event else None
