"""The specification of a stage as one object.

The loop, Dagster, checks, audit, catalog, lineage, garbage collection, retraction, reports and
export read from it what they need, so that none of them has to know a recipe's stages by name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from graphlib import CycleError, TopologicalSorter
from typing import Any

from selftrain_assets.domain.errors import TaskError, nearest
from selftrain_assets.domain.quality_checks import Check
from selftrain_assets.domain.requests import Draws
from selftrain_assets.domain.types import Resource
from selftrain_assets.pipeline.run import Run, Wanted
from selftrain_assets.store import Manifest, Store
from selftrain_assets.store.results import StageResult


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """A table that the manifest of a stage lists.

    Attributes:
        name: Its name in the manifest.
        record: Dataclass of its records; its fields are the columns.
        view: Relation that unites it over experiments and rounds in `selftrain sql`.
        identified_by: Columns that together identify a record.
        columns: Descriptions of columns that domain/columns.py does not describe.
        main: Whether it is the stage's main table, not an additional one.
    """

    name: str
    record: type
    view: str
    identified_by: tuple[str, ...] = ("key",)
    columns: Mapping[str, str] = field(default_factory=dict)
    main: bool = True

    def __post_init__(self) -> None:
        names = [column.name for column in fields(self.record)]
        if unknown := [name for name in self.identified_by if name not in names]:
            raise TypeError(f"table {self.name}: {self.record.__name__} has no field {unknown[0]}")


@dataclass(frozen=True, kw_only=True)
class CheckSpec:
    """A check of a finished stage.

    Attributes:
        name: Name in the UI and on the command line.
        blocking: Whether a failure stops the round before the next stage.
        description: What it checks, in one clause.
        evaluate: Evaluates it: (run, manifest, the stage's result) to the check, or None if it does
            not apply.
    """

    name: str
    blocking: bool
    description: str
    evaluate: Callable[[Run, Manifest, Any], Check | None]


@dataclass(frozen=True, kw_only=True)
class RowSource:
    """A source of rows of a dataset.

    Attributes:
        name: Value of the column `source`.
        meaning: What such a row is, in one clause, for the dataset card.
    """

    name: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class RowPart:
    """A part of a row that lineage shows separately, with the samples that it was drawn as."""

    kind: str
    name: str
    facts: Mapping[str, Any]
    samples: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Bars:
    """A bar chart, as plain data."""

    title: str
    values: Mapping[str, float]
    axis: str


@dataclass(frozen=True, kw_only=True)
class Records:
    """A table for display, as plain data; long texts are shortened where it is displayed."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


Preview = Mapping[str, Bars | Records]
"""What a person looks at first, by the name under which it is shown."""


@dataclass(frozen=True, kw_only=True)
class StageSpec:
    """One stage of a round.

    Attributes:
        name: Name of the stage, its manifest and its asset.
        description: What it makes, with the paper that it comes from.
        after: Stages that it depends on. The order of a round follows from these.
        run: Does the work unless it is done: (run, iteration) to the manifest.
        wanted: The work it has to do; free of side effects. Raises TaskError if an earlier stage is
            missing.
        result: What its manifest records, besides keys and tables.
        resource: The resource it occupies while it runs; Dagster has a pool for each but cpu. One
            that judges occupies what its verifiers need, too.
        kinds: Kinds that the UI shows on its asset.
        tables: Tables that its manifest lists, the main one first.
        shown_as: Record and view that are displayed instead of the main table, if that only names
            records of a pool.
        samples: The stage whose table names the samples that it draws or judges: itself, an earlier
            one, or one that it draws first, together with the verdicts.
        requests: Plans what it asks of the policy, if it draws: (run, scope, digest of the policy).
        samples_table: Table of the samples it draws first, if it also judges them.
        samples_wanted: The samples it has to draw first; free of side effects, as `wanted` is.
        row_source: The source of rows made from its results.
        derived_as: The relation of its samples to those that they were made from, for lineage.
        rows_with: If its results contain samples besides the one that names a row: (store,
            manifest, sample keys) to the sample keys of the rows that contain one of them.
        row_parts: What lineage shows of a row besides its sample: (store, manifest, row).
        right_rows: If a row can be right although the verdict on its sample is not: (store,
            manifest) to sample key and problem id of those that are.
        checks: Checks of a finished stage.
        preview: Records and figures of a finished stage.
        numbers: Numbers of its own that the UI plots over the rounds, from its result.
        every_round_alike: Whether all rounds use the settings of the first, as measurements do.
    """

    name: str
    description: str
    after: tuple[str, ...]
    run: Callable[[Run, int], Manifest]
    wanted: Callable[[Run, int], Wanted]
    result: type[StageResult] = StageResult
    resource: Resource = "cpu"
    kinds: tuple[str, ...] = ("parquet",)
    tables: tuple[TableSpec, ...] = ()
    shown_as: tuple[type, str] | None = None
    samples: str | None = None
    requests: Callable[[Run, str, str], list[Draws]] | None = None
    row_source: RowSource | None = None
    samples_table: TableSpec | None = None
    samples_wanted: Callable[[Run, int], Wanted] | None = None
    derived_as: str = "made from"
    rows_with: Callable[[Store, Manifest, Collection[str]], set[str]] | None = None
    row_parts: Callable[[Store, Manifest, Mapping[str, Any]], list[RowPart]] | None = None
    right_rows: Callable[[Store, Manifest], list[tuple[str, str]]] | None = None
    checks: tuple[CheckSpec, ...] = ()
    preview: Callable[[Run, Manifest], Preview] | None = None
    numbers: Callable[[Any], Mapping[str, float]] | None = None
    every_round_alike: bool = False

    @property
    def judges(self) -> bool:
        """Whether it stores verdicts on samples in the common form."""
        return self.samples is not None and self.samples != self.name

    @property
    def draws_first(self) -> str | None:
        """The name of the samples that it draws itself before it judges them, or None."""
        return self.samples if self.judges and self.requests is not None else None

    def do(self, run: Run, iteration: int) -> Manifest:
        """Do the stage's work with the settings of its round, unless it is done already.

        Args:
            run: The experiment in its store.
            iteration: The round, from 1; 0 for the base.
        """
        return self.run(self.in_round(run, iteration), iteration)

    def in_round(self, run: Run, iteration: int) -> Run:
        """The run with the settings that this stage has in a round.

        Args:
            run: The experiment in its store.
            iteration: The round, from 1; 0 for the base.
        """
        return run if self.every_round_alike else run.at(iteration)

    def check(self, run: Run, manifest: Manifest) -> list[Check]:
        """Evaluate every check that applies, blocking ones first.

        Args:
            run: The experiment in its store.
            manifest: Of the finished stage.
        """
        result = manifest.result(self.result)
        checks = [spec.evaluate(run, manifest, result) for spec in self.checks]
        return sorted(filter(None, checks), key=lambda check: not check.blocking)


def in_order(stages: Sequence[StageSpec], absent: Collection[str] = ()) -> tuple[StageSpec, ...]:
    """Sort stages so that each follows those it depends on, close to the given order.

    Args:
        stages: The stages of a round.
        absent: Names that a stage may depend on although the round has no such stage.

    Raises:
        TaskError: Two stages have one name, one depends on a stage that is not known, or stages
            depend on one another in a circle.
    """
    names = [stage.name for stage in stages]
    if twice := [name for name in names if names.count(name) > 1]:
        raise TaskError(f'two stages are called "{twice[0]}"; each needs a name of its own')
    for stage in stages:
        if unknown := [name for name in stage.after if name not in names and name not in absent]:
            raise TaskError(
                f'stage {stage.name} comes after "{unknown[0]}", which no stage is called'
                f"{nearest(unknown[0], {*names, *absent} - {stage.name})}"
            )
    before = {stage.name: {*stage.after} & {*names} for stage in stages}
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        circle = " after ".join(reversed(error.args[1]))
        raise TaskError(f"stages depend on one another in a circle: {circle}") from error
    ordered: list[StageSpec] = []
    waiting = list(stages)
    while waiting:
        done = {stage.name for stage in ordered}
        following = next(stage for stage in waiting if before[stage.name] <= done)
        ordered.append(following)
        waiting.remove(following)
    return tuple(ordered)
