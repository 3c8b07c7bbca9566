"""The arms of a comparison: experiments with one or several seeds, and their measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.types import SampleMembership, Score
from selftrain_assets.pipeline.metrics import VOTE
from selftrain_assets.pipeline.run import BASE, Run, iteration_scope
from selftrain_assets.pipeline.stages import round_stages
from selftrain_assets.reports.reading import summarize
from selftrain_assets.reports.recipes import RecipeReport, Scores, report_of
from selftrain_assets.reports.summary import Summary
from selftrain_assets.store import Manifest

ANY, WHOLE = "any", "accuracy"
FEW_GROUPS = 6  # that are told apart


@dataclass(frozen=True)
class Arm:
    """An experiment to be compared, with one run for each seed."""

    name: str
    runs: Sequence[Run]
    summaries: Sequence[Summary]

    @classmethod
    def of(cls, name: str, runs: Sequence[Run]) -> Arm:
        """Read the numbers of the runs of an experiment.

        Raises:
            TaskError: A run has no finished round.
        """
        summaries = [summarize(run) for run in runs]
        for run, summary in zip(runs, summaries, strict=True):
            if not summary.iterations:
                raise TaskError(
                    f"{run.name}: no round is finished, so there is nothing to compare; run"
                    f" `selftrain run {run.name}` first"
                )
        return cls(name, runs, summaries)

    @property
    def rounds(self) -> int:
        """Number of rounds that are finished for every seed."""
        return min(len(summary.iterations) for summary in self.summaries)

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(method.name for method in self.runs[0].config.recipe.methods)

    @property
    def report(self) -> RecipeReport:
        return report_of(self.runs[0].config.recipe)

    def optimizer_steps(self) -> float:
        """Return the optimizer steps of all rounds, averaged over seeds."""
        by_seed = [
            [point.counts.optimizer_steps for point in summary.iterations[: self.rounds]]
            for summary in self.summaries
        ]
        return fmean(sum(steps) for steps in by_seed)

    def drawn(self) -> float:
        """Return the number of samples that its rounds learned from, averaged over seeds.

        Feedback and updates are included. Rounds that share a policy share samples, which count
        once.
        """
        return fmean(self._drawn(run) for run in self.runs)

    def _drawn(self, run: Run) -> int:
        tables, further = [], 0
        for scope in map(iteration_scope, range(1, self.rounds + 1)):
            for stage in round_stages(run.config.recipe):
                manifest = run.need(scope, stage.name)
                if stage.judges and stage.samples is not None:
                    drawing = run.need(scope, stage.samples)
                    tables.append(run.store.table(drawing, stage.samples))
                further += manifest.counts.get("drawn", 0)
        with run.store.workspace() as ws:
            samples = ws.read(SampleMembership, tables)
            return further + ws.row("generation.count_keys", samples=samples)[0]

    def evaluation(self, run: Run, iteration: int) -> Manifest:
        """Return the manifest of the evaluation after a round; round 0 is the base."""
        return run.need(iteration_scope(iteration) if iteration else BASE, "evaluation")

    def scores(self, iteration: int, split: str, measures: Measures) -> dict[str, list[Scores]]:
        """Return the scores of each measure after a round, one for each seed.

        The measures are each of the methods, their vote, and whether any of them is right; or,
        without methods, the accuracy, that of each group, and the recipe's own measures.

        Args:
            iteration: The round; 0 is the base.
            split: Split of the problems, such as `test`.
            measures: The measures that the comparison asks for.
        """
        by_measure: dict[str, list[Scores]] = {}
        for run in self.runs:
            for name, scores in self._scores(run, iteration, split, measures).items():
                by_measure.setdefault(name, []).append(scores)
        return by_measure

    def _scores(
        self, run: Run, iteration: int, split: str, measures: Measures
    ) -> dict[str, Scores]:
        evaluation = self.evaluation(run, iteration)
        whole: Scores = {}
        methods: dict[str, Scores] = {name: {} for name in measures.methods}
        groups: dict[str, Scores] = {name: {} for name in measures.groups.get(split, ())}
        for score in run.store.read_table(evaluation, "scores", Score):
            if score.split != split:
                continue
            right = float(score.greedy)
            if score.method in methods:
                methods[score.method][score.problem_id] = right
            if score.method is None:
                whole[score.problem_id] = right
                if score.group in groups:
                    groups[score.group][score.problem_id] = right
        by_measure = methods | {VOTE if measures.methods else WHOLE: whole} | groups
        if measures.methods:
            by_measure[ANY] = {id: max(scores[id] for scores in methods.values()) for id in whole}
        own = self.report.scores(run, evaluation)
        for name in measures.own:
            by_measure[name] = {
                id: own.get(name, whole).get(id, right) for id, right in whole.items()
            }
        return by_measure


@dataclass(frozen=True)
class Measures:
    """The measures of a comparison other than the accuracy.

    Attributes:
        methods: Methods that all arms have.
        own: Measures that the recipe of some arm has; an arm without one shows its accuracy
            instead.
        groups: By split, groups of problems that all arms have (has-op and no-op), if every recipe
            reports by group.
    """

    methods: Sequence[str]
    own: Sequence[str]
    groups: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, arms: Sequence[Arm], splits: Sequence[str]) -> Measures:
        same_methods = len({arm.methods for arm in arms}) == 1
        own: dict[str, None] = {}
        for arm in arms:
            for run in arm.runs:
                own |= dict.fromkeys(arm.report.scores(run, arm.evaluation(run, 0)))
        groups = {}
        for split in splits if all(arm.report.by_group for arm in arms) else ():
            by_run = {
                frozenset(problem.group for problem in run.split(split))
                for arm in arms
                for run in arm.runs
            }
            names = sorted(next(iter(by_run)))
            if len(by_run) == 1 and 1 < len(names) <= FEW_GROUPS:
                groups[split] = names
        return cls(arms[0].methods if same_methods else (), list(own), groups)
