"""A recipe of your own with a stage of its own: ReST-EM that counts how samples end.

python examples/own_recipe.py
"""

from collections import Counter
from typing import ClassVar

import selftrain_assets as st
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.pipeline.dataset import build_selected_dataset
from selftrain_assets.pipeline.recipe import RecipeImplementation
from selftrain_assets.pipeline.run import Clock, Run, Wanted, finish, iteration_scope
from selftrain_assets.pipeline.samples import open_samples
from selftrain_assets.recipes import RestEM
from selftrain_assets.store import Manifest
from selftrain_assets.store.results import Count, StageResult

SIZES = {"train": 16, "human": 16, "validation": 2, "test": 10, "transfer": 2}  # as a trial


class Watched(RestEM):
    """ReST-EM; after the verdicts, the endings of samples are counted."""

    implementation: ClassVar[str] = __name__

    @property
    def own_stages(self) -> tuple[str, ...]:
        return ("endings",)

    @property
    def learns_from(self) -> tuple[str, ...]:
        return ("verifications",)  # and not from its own stage, which has no samples


class EndingsResult(StageResult):
    """Samples of a round that stopped by themselves, and that were cut off."""

    stopped: Count
    cut_off: Count


def endings_wanted(run: Run, iteration: int) -> Wanted:
    """The key of the stage: it is done again where the samples are others."""
    samples = run.need(iteration_scope(iteration), "samples")
    return Wanted(fingerprint("endings", samples.digest), {"samples": samples.digest})


def count_endings(run: Run, iteration: int) -> Manifest:
    """The work of the stage."""
    clock, scope, wanted = Clock(), iteration_scope(iteration), endings_wanted(run, iteration)
    if current := run.finished(scope, "endings", wanted):
        return current
    with run.store.workspace() as ws:
        samples = ws.records(open_samples(run, ws, run.need(scope, "samples")))
        reasons = Counter(sample.finish_reason for sample in samples)
    result = EndingsResult(stopped=reasons["stop"], cut_off=reasons["length"])
    digest = fingerprint("endings", result.stopped, result.cut_off)
    with run.store.writing(run.name, scope, "endings", run.owner):
        return finish(
            run,
            clock,
            scope,
            "endings",
            key=wanted.key,
            digest=digest,
            parents=wanted.parents,
            result=result,
        )


ENDINGS = st.StageSpec(
    name="endings",
    description="How the samples of a round ended.",
    after=("verifications",),
    run=count_endings,
    wanted=endings_wanted,
    result=EndingsResult,
    numbers=lambda result: {"share cut off": result.cut_off / (result.stopped + result.cut_off)},
)
IMPLEMENTATION = RecipeImplementation(stages=(ENDINGS,), build_dataset=build_selected_dataset)


def main() -> None:
    """One round with the stage."""
    experiment = st.Experiment(
        model="embedded",
        rounds=1,
        task={"type": "word_problems", **SIZES},
        recipe=Watched(sampling={"samples_per_problem": 4, "max_tokens": 40}),
        base={"fine_tune": "human"},
        trainer={"steps": 30, "learning_rate": 0.002},
    )
    for event in st.open(experiment, name="own-recipe").rounds(1):
        print(event.iteration, event.stage, dict(event.counts))


if __name__ == "__main__":
    main()
