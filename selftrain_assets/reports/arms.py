"""What is compared: experiments by seed, and the measures that all of them have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.types import Improvement, Outcome, SampleMembership, Score
from selftrain_assets.pipeline.metrics import VOTE
from selftrain_assets.pipeline.run import BASE, Run, iteration_scope
from selftrain_assets.pipeline.sampling import SAMPLES_OF
from selftrain_assets.recipes import Diversification
from selftrain_assets.reports.summary import summarize

ANY, WHOLE, FIRST = "any", "accuracy", "first attempt"
FEW_GROUPS = 6  # that are told apart

Scores = dict[str, float]
"""By problem: is the greedy answer right, 1 or 0?"""


@dataclass(frozen=True)
class Asked:
    """What is compared beside the accuracy: methods that all arms have; first attempts, where an
    arm improves its answers; and, by split, groups of problems that all arms have (has-op and
    no-op), in recipe diversification."""

    methods: Sequence[str]
    first: bool
    groups: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, arms: Sequence[Arm], splits: Sequence[str]) -> Asked:
        methods = arms[0].methods if len({arm.methods for arm in arms}) == 1 else ()
        first = any("self_improvement" in s["baseline"] for arm in arms for s in arm.summaries)
        runs = [run for arm in arms for run in arm.runs]
        instructed = all(isinstance(run.config.recipe, Diversification) for run in runs)
        groups = {
            split: {tuple(sorted({p.group for p in run.split(split)})) for run in runs}
            for split in splits
            if instructed
        }
        alike = {split: of.pop() for split, of in groups.items() if len(of) == 1}
        return cls(
            methods,
            first,
            {split: names for split, names in alike.items() if 1 < len(names) <= FEW_GROUPS},
        )


@dataclass(frozen=True)
class Arm:
    """An experiment, by seed."""

    name: str
    runs: Sequence[Run]
    summaries: Sequence[dict[str, Any]]

    @classmethod
    def of(cls, name: str, runs: Sequence[Run]) -> Arm:
        """TaskError where no round is finished."""
        summaries = [summarize(run) for run in runs]
        for run, summary in zip(runs, summaries, strict=True):
            if not summary["iterations"]:
                raise TaskError(
                    f"{run.name}: no round is finished, so there is nothing to compare; run"
                    f" `selftrain run {run.name}` first"
                )
        return cls(name, runs, summaries)

    @property
    def rounds(self) -> int:
        """As far as every seed has come."""
        return min(len(s["iterations"]) for s in self.summaries)

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(m.name for m in self.runs[0].config.recipe.methods)

    def total(self, count: str) -> float:
        """Of all rounds, on average over seeds."""
        return fmean(
            sum(p["counts"][count] for p in s["iterations"][: self.rounds]) for s in self.summaries
        )

    def drawn(self) -> float:
        """Samples that its rounds learned from, hinted and translated ones, feedback and updates
        included, on average over seeds. Rounds that share a policy share samples, which count
        once."""
        own = self.runs[0].config.recipe.stages
        stages = [SAMPLES_OF[stage] for stage in own if stage in SAMPLES_OF]
        counts = []
        for run in self.runs:
            scopes = map(iteration_scope, range(1, self.rounds + 1))
            tables = [
                run.store.table(run.need(scope, stage), stage)
                for scope in scopes
                for stage in stages
            ]
            with run.store.workspace() as ws:
                counts.append(
                    ws.row("generation.count_keys", samples=ws.read(SampleMembership, tables))[0]
                )
            if "trajectories" in own:
                counts[-1] += sum(
                    run.need(iteration_scope(i), "trajectories").counts["drawn"]
                    for i in range(1, self.rounds + 1)
                )
        return fmean(counts)

    def scores(self, iteration: int, split: str, asked: Asked) -> dict[str, list[Scores]]:
        """By measure, for each seed, after a round; round 0 is the base. The measures are each
        of the methods, their vote, and whether any of them is right; or, without methods, the
        accuracy, that of groups, and that of first attempts."""
        found: dict[str, list[Scores]] = {}
        for run in self.runs:
            evaluation = run.need(iteration_scope(iteration) if iteration else BASE, "evaluation")
            by: dict[str | None, Scores] = {None: {}, **{name: {} for name in asked.methods}}
            groups: dict[str, Scores] = {name: {} for name in asked.groups.get(split, ())}
            for s in run.store.read_table(evaluation, "scores", Score):
                if s.split == split and s.method in by:
                    by[s.method][s.problem_id] = float(s.greedy)
                if s.split == split and s.method is None and s.group in groups:
                    groups[s.group][s.problem_id] = float(s.greedy)
            measures = (
                {name: by[name] for name in asked.methods}
                | {VOTE if asked.methods else WHOLE: by[None]}
                | groups
            )
            if asked.methods:
                measures[ANY] = {id: max(by[name][id] for name in asked.methods) for id in by[None]}
            if asked.first:
                own = (
                    run.store.read_table(evaluation, "improvements", Improvement)
                    if "improvements" in evaluation.files
                    else []
                )
                measures[FIRST] = by[None] | {
                    e.problem_id: float(e.direct == Outcome.PASS)
                    for e in own
                    if e.problem_id in by[None]
                }
            for name, scores in measures.items():
                found.setdefault(name, []).append(scores)
        return found
