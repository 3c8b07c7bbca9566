"""How an iteration is encoded for Dagster: the only place that knows.

A round is a static partition, iter-001 and so on. The loop's back edge, checkpoint[i-1] ->
policy[i], cannot be declared: Dagster refuses key-level cycles under every partition mapping. It is
an equality instead, the data version of policy[i] being the digest of the weights it pins; and a
guard keeps rounds in order.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from selftrain_assets.pipeline.run import Run, iteration_scope

ALIVE = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)
WAITS, SECONDS_BETWEEN = 100_000, 5
STORE = "store"  # the name of its metadata
RECORDS = 100  # of an asset that are looked through for one of a store


def partitions(rounds: int) -> dg.StaticPartitionsDefinition:
    """One partition per round."""
    return dg.StaticPartitionsDefinition([iteration_scope(i) for i in range(1, rounds + 1)])


def wait_for_previous(
    instance: dg.DagsterInstance, run: Run, iteration: int, checkpoint: dg.AssetKey, own_run: str
) -> None:
    """The guard: while somebody is making the checkpoint that this round samples from, step back
    and look again later.

    Asked before the checkpoint itself is looked at, because in a backfill over rounds that exist
    already an older checkpoint is still there.
    """
    recipe = run.at(iteration).config.recipe
    source = recipe.policy_round(iteration)
    if not source or recipe.sampled_teacher is not None:
        return
    scope = iteration_scope(source)
    if run.store.is_being_written(run.name, scope, "checkpoint") or _live_run_makes(
        instance, checkpoint, scope, own_run
    ):
        raise dg.RetryRequested(max_retries=WAITS, seconds_to_wait=SECONDS_BETWEEN)


def _live_run_makes(
    instance: dg.DagsterInstance, checkpoint: dg.AssetKey, scope: str, own_run: str
) -> bool:
    """Is a live run going to materialize this checkpoint, and has not yet?"""
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
    """The newest record of an asset, or of one of its partitions; of those that were made in
    `store`, if one is named."""
    wanted = dg.AssetRecordsFilter(
        asset_key=key, asset_partitions=None if scope is None else [scope]
    )
    for limit in (1,) if store is None else (1, RECORDS):
        records = instance.fetch_materializations(wanted, limit=limit).records
        if found := next(
            (record for record in records if store is None or made_in(record) == identity(store)),
            None,
        ):
            return found
    return None


def identity(store: Path) -> str:
    """What a store is known by in the event log, which may hold the work of several."""
    return str(store.resolve())


def made_in(record: dg.EventLogRecord) -> str | None:
    """The store that a materialization was made in; None for one of a version that did not say
    it."""
    event = record.event_log_entry.asset_materialization
    said = event.metadata.get(STORE) if event else None
    return str(said.value) if said else None


def data_version(record: dg.EventLogRecord | None) -> str | None:
    """The digest that a materialization was recorded with."""
    event = record.event_log_entry.asset_materialization if record else None
    return (event.tags or {}).get("dagster/data_version") if event else None
