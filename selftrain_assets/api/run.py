"""An experiment that is open in a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from selftrain_assets.api.events import StageFinished
from selftrain_assets.config.experiment import Experiment
from selftrain_assets.pipeline import run as pipeline
from selftrain_assets.pipeline.run import BASE, INPUTS, Progress, iteration_scope, silent
from selftrain_assets.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

    from selftrain_assets.operations.catalog import View
    from selftrain_assets.operations.findings import Audit
    from selftrain_assets.reports.summary import Summary
    from selftrain_assets.store.database import FileFormat


class Run:
    """An experiment that is open in a store, as `st.open` returns it.

    Work that is finished is never repeated, whether it was done here, by `selftrain run` or in the
    Dagster UI. It can be interrupted at any moment: rounds go on where they ended.

    Attributes:
        name: Name of the experiment.
        experiment: Its settings.
        store: The folder of the store.
    """

    def __init__(
        self, name: str, experiment: Experiment, store: Path, progress: bool | None = None
    ) -> None:
        self.name, self.experiment, self.store = name, experiment, store
        self._progress = progress

    def in_pipeline(self, progress: Progress = silent) -> pipeline.Run:
        """The run as stages take it, which reads the store anew."""
        owner = f"Python, {self.name}"
        return pipeline.Run(self.name, self.experiment, Store(self.store), progress, owner)

    # -- work --------------------------------------------------------------------------------------

    def rounds(self, rounds: int | str | None = None) -> Iterator[StageFinished]:
        """Do what is owed of the first rounds, stage by stage, while the iterator is read.

        Args:
            rounds: The last round, or a range as in "2-3"; 0 is the base and its evaluation alone,
                None all rounds of the experiment.

        Yields:
            An event for each stage, once it is finished or found finished.

        Raises:
            SelftrainError: A stage cannot be done; the message says why and what to do.
        """
        from selftrain_assets.api.progress import ProgressBar
        from selftrain_assets.api.working import work

        if isinstance(rounds, int):
            rounds = f"1-{rounds}" if rounds > 1 else str(rounds)
        with ProgressBar(self._progress) as bar:
            run = self.in_pipeline(bar.update)
            before = {(m.scope, m.stage): m for m in run.store.manifests(self.name)}
            for manifest in work(run, rounds, setting="rounds"):
                reused = before.get((manifest.scope, manifest.stage)) == manifest
                yield StageFinished.of(manifest, reused)

    def finish(self, rounds: int | str | None = None) -> Summary:
        """Do what is owed of the first rounds and return the report.

        Args:
            rounds: As those of the method `rounds`.
        """
        for _ in self.rounds(rounds):
            pass
        return self.report()

    # -- results -----------------------------------------------------------------------------------

    def problems(self) -> pa.Table:
        """The problems of the experiment, one per row."""
        return self._table("problems", INPUTS, "problems")

    def samples(self, iteration: int) -> pa.Table:
        """What was sampled in a round, with prompts, completions and seeds.

        Args:
            iteration: The round, from 1.

        Raises:
            SelftrainError: The round has no samples, or not yet.
        """
        return self._table("samples", iteration_scope(iteration), "samples")

    def verdicts(self, iteration: int) -> pa.Table:
        """The samples of a round with outcome, parsed answer and reason.

        Args:
            iteration: The round, from 1.

        Raises:
            SelftrainError: The round has no verdicts, or not yet.
        """
        return self._table("verdicts", iteration_scope(iteration), "verifications")

    def rows(self, iteration: int) -> pa.Table:
        """The rows that a round was trained on.

        Args:
            iteration: The round, from 1.

        Raises:
            SelftrainError: The round has no rows yet.
        """
        return self._table("rows", iteration_scope(iteration), "dataset")

    def _table(self, view: View, scope: str, stage: str) -> pa.Table:
        from selftrain_assets.operations.catalog import arrow_table

        run = self.in_pipeline()
        run.need(scope, stage)
        return arrow_table(run.store, view, self.name, scope)

    def report(self) -> Summary:
        """The numbers of the base and of every finished round, with intervals."""
        from selftrain_assets.reports import summarize

        return summarize(self.in_pipeline())

    def audit(self) -> Audit:
        """Compare manifests, files and Dagster's event log; `clean` says whether all is well."""
        from selftrain_assets.api.auditing import audit_runs

        run = self.in_pipeline()
        return audit_runs(run.store, [run])

    def export(
        self,
        path: str | Path | None = None,
        iteration: int | None = None,
        *,
        merge: bool = False,
        rows: FileFormat | None = "parquet",
    ) -> Path:
        """Write the model of a round and its training rows as Hugging Face folders with cards.

        Args:
            path: The folder, with `model` and `dataset` in it; None is exports/ in the store. It
                is replaced if it is an earlier export, and refused if it is anything else.
            iteration: The round, from 1; 0 is the base, None the last finished round.
            merge: Merge a LoRA adapter into the weights.
            rows: File format of the rows; None leaves them out.

        Returns:
            The folder.
        """
        from selftrain_assets.operations.export import export

        run = self.in_pipeline()
        if iteration is None:
            iteration = self._finished_rounds(run)
        scope = iteration_scope(iteration) if iteration else BASE
        folder = Path(path).absolute() if path else run.store.export(self.name, scope)
        export(run, iteration, folder, merge=merge, rows=rows)
        return folder

    # -- itself ------------------------------------------------------------------------------------

    def _finished_rounds(self, run: pipeline.Run) -> int:
        finished = 0
        while run.manifest(iteration_scope(finished + 1), "evaluation") is not None:
            finished += 1
        return finished

    def __repr__(self) -> str:
        run = self.in_pipeline()
        accuracy = ""
        if run.manifest(BASE, "evaluation") is not None:
            values = [f"{estimate.mean:.3f}" for estimate in self.report().accuracy]
            accuracy = f"; held-out accuracy {', '.join(values)}"
        return (
            f"<Run {self.name}: {self._finished_rounds(run)} of {self.experiment.rounds} rounds of"
            f" {self.experiment.recipe.type} finished in {self.store}{accuracy}>"
        )
