"""A stage as one object. The loop, Dagster, checks, audit, catalog, lineage, garbage collection,
retraction, reports and export read here what they need of it; none of them knows a stage by name
that only one recipe has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.quality_checks import Check
from selftrain_assets.domain.requests import Draws
from selftrain_assets.pipeline.run import Run, Wanted
from selftrain_assets.store import Manifest, Store

Resource = Literal["cpu", "sandbox", "gpu", "network"]


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """A table that the manifest of a stage lists.

    Attributes:
        name: Its name in the manifest.
        record: Dataclass of its records; its fields are the columns.
        view: Relation that unites it over experiments and rounds in `selftrain sql`.
        identified_by: Columns whose values together occur once.
        columns: What each column says, where domain/columns.py does not say it.
        main: Is it what the stage is about, and not a table beside that one?
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
    """A question about a finished stage.

    Attributes:
        name: As the UI and the command line show it.
        blocking: Does a failure stop the round before the next stage?
        description: What it asks, in one clause.
        evaluate: Answers it for a manifest; None where it does not apply.
    """

    name: str
    blocking: bool
    description: str
    evaluate: Callable[[Run, Manifest], Check | None]


@dataclass(frozen=True, kw_only=True)
class RowSource:
    """Where rows of a dataset come from.

    Attributes:
        name: As the column `source` has it.
        meaning: What such a row is, in one clause; the dataset card says it.
    """

    name: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class RowPart:
    """A part of a row that has a story of its own, with the samples that it was drawn as."""

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
    """A table for people, as plain data; long texts are cut where it is shown."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


Preview = Mapping[str, Bars | Records]
"""What a person looks at first, by the name under which it is shown."""


@dataclass(frozen=True, kw_only=True)
class StageSpec:
    """One stage of a round.

    Attributes:
        name: Of the stage, its manifest and its asset.
        description: What it makes, with the paper that it comes from.
        after: Stages that it is made from. The order of a round follows from these.
        run: Makes it, or finds it made; (run, iteration) to its manifest.
        wanted: What it has to make; pure, and raises TaskError where an earlier stage is missing.
        resource: What it occupies while it runs; Dagster has a pool for each but cpu.
        kinds: What the UI shows on its asset.
        tables: What its manifest lists, the main one first.
        shown_as: Record and view that stand for the main table where people look at it, if that
            only names what lies in a pool.
        samples: The stage whose table names the samples that it draws or judges: itself, one
            before it, or one that it draws first, together with the verdicts.
        requests: What it asks of the policy, if it draws: (run, scope, digest of the policy).
        samples_table: Which samples it draws first, where it judges them too.
        samples_wanted: What it has to draw first; pure, as `wanted` is.
        row_source: What its results are as rows of a dataset.
        derived_as: What a sample of its own is of the sample that it was made from, as lineage
            says it.
        rows_with: Where its results hold samples beside the one that a row is named by: (store,
            manifest, keys of samples) to the sample keys of the rows that hold one of them.
        row_parts: What lineage shows of a row beside its sample: (store, manifest, row).
        right_rows: Where a row can be right though the verdict on its sample is not: (store,
            manifest) to sample key and problem id of those that are.
        checks: Questions about a finished one.
        preview: Records and figures of a finished one.
        numbers: Numbers of its own that the UI plots over the rounds.
        every_round_alike: Do all rounds have the settings of the first, as measurements do?
    """

    name: str
    description: str
    after: tuple[str, ...]
    run: Callable[[Run, int], Manifest]
    wanted: Callable[[Run, int], Wanted]
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
    numbers: Callable[[Manifest], Mapping[str, float]] | None = None
    every_round_alike: bool = False

    @property
    def judges(self) -> bool:
        """Does it keep verdicts on samples, in the form of every stage of verdicts?"""
        return self.samples is not None and self.samples != self.name

    @property
    def draws_first(self) -> str | None:
        """The stage of samples that it draws itself, before it judges them."""
        return self.samples if self.judges and self.requests is not None else None

    def do(self, run: Run, iteration: int) -> Manifest:
        """Make it, or find it made, with the settings of its round."""
        return self.run(self.in_round(run, iteration), iteration)

    def in_round(self, run: Run, iteration: int) -> Run:
        """The run with the settings that this stage has in a round."""
        return run if self.every_round_alike else run.at(iteration)

    def check(self, run: Run, manifest: Manifest) -> list[Check]:
        """Every check that applies, those that stop a round first."""
        answers = [spec.evaluate(run, manifest) for spec in self.checks]
        return sorted(
            (answer for answer in answers if answer is not None), key=lambda c: not c.blocking
        )


def in_order(stages: Sequence[StageSpec]) -> tuple[StageSpec, ...]:
    """These stages, each behind all that it comes after; of several orders the one nearest to
    the given one.

    Raises:
        TaskError: Stages come after one another in a circle, or two have one name.
    """
    names = [stage.name for stage in stages]
    if twice := [name for name in names if names.count(name) > 1]:
        raise TaskError(f'two stages are called "{twice[0]}"; each needs a name of its own')
    ordered: list[StageSpec] = []
    waiting = list(stages)
    while waiting:
        done = {stage.name for stage in ordered}
        ready = (s for s in waiting if done >= {name for name in s.after if name in names})
        if (following := next(ready, None)) is None:
            raise TaskError(
                f"{', '.join(s.name for s in waiting)}: each comes after another of them"
            )
        ordered.append(following)
        waiting.remove(following)
    return tuple(ordered)
