"""The training loop: do all missing work of an experiment, stage after stage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain

from selftrain_assets.pipeline import training
from selftrain_assets.pipeline.checks import require
from selftrain_assets.pipeline.evaluation import evaluation, evaluation_wanted
from selftrain_assets.pipeline.inputs import problems, problems_wanted
from selftrain_assets.pipeline.run import BASE, INPUTS, Run, Wanted, iteration_scope
from selftrain_assets.pipeline.stage import StageSpec
from selftrain_assets.pipeline.stages import check, round_stages
from selftrain_assets.store import Manifest

ONE_ROUND, ALL_ROUNDS = "human-one-round", "human-all-rounds"


def prepare(run: Run) -> Iterator[Manifest]:
    """Make the problems, the base, and the base's evaluation, one at a time."""
    yield problems(run)
    yield training.base(run)
    yield evaluation(run, BASE)


def control_rounds(run: Run) -> dict[str, int]:
    """The number of rounds whose optimizer steps each control has, by the control's scope."""
    return {ONE_ROUND: 1, ALL_ROUNDS: run.config.rounds}


def human_only(run: Run) -> list[Manifest]:
    """Train the controls: human rows alone, for the optimizer steps of one and of all rounds."""
    done = []
    for scope, rounds in control_rounds(run).items():
        done += [training.human_only(run, scope, rounds), evaluation(run, scope)]
    return done


def controls(run: Run) -> Iterator[Manifest]:
    """Train the human-only controls, if the experiment has them and all its rounds are done."""
    if run.config.human_only and all(
        run.manifest(iteration_scope(i), "checkpoint") for i in range(1, run.config.rounds + 1)
    ):
        yield from human_only(run)


def walk(run: Run, iterations: Iterable[int]) -> Iterator[Manifest]:
    """Run the unfinished stages of these rounds in order.

    Raises:
        TaskError: A blocking check of a stage failed.
    """
    iterations = list(iterations)
    if run.manifest(iteration_scope(iterations[-1]) if iterations else BASE, "evaluation") is None:
        _build_images(run)
    for manifest in chain(prepare(run), _rounds(run, iterations)):
        yield manifest
        require(manifest, check(run, manifest))


def _build_images(run: Run) -> None:
    """Build the sandbox images before anything is sampled.

    Raises:
        InfraError: Packages or compilers that programs need are not available.
    """
    sandbox = run.config.execution.sandbox
    for languages in {verifier.languages for verifier in run.config.code_verifiers()}:
        if languages or sandbox.packages:
            sandbox.build(languages)


def _rounds(run: Run, iterations: Iterable[int]) -> Iterator[Manifest]:
    for iteration in iterations:
        for stage in round_stages(run.config.recipe):
            yield stage.do(run, iteration)


def run_rounds(run: Run, iterations: Iterable[int]) -> None:
    """Run `walk` to its end."""
    for _ in walk(run, iterations):
        pass


WantedOf = Callable[[Run], Wanted]


def everything_wanted(run: Run) -> dict[tuple[str, str], WantedOf]:
    """All work that the settings require, in order.

    Returns:
        By (scope, stage), a function that returns what is required. It raises TaskError while an
        earlier stage is missing.
    """
    wanted: dict[tuple[str, str], WantedOf] = {
        (INPUTS, "problems"): problems_wanted,
        (BASE, "checkpoint"): training.base_wanted,
        (BASE, "evaluation"): partial(evaluation_wanted, scope=BASE),
    }
    for iteration in range(1, run.config.rounds + 1):
        scope = iteration_scope(iteration)
        for stage in round_stages(run.config.recipe):
            if stage.draws_first is not None:
                wanted[scope, stage.draws_first] = partial(
                    _samples_wanted, stage=stage, iteration=iteration
                )
            wanted[scope, stage.name] = partial(_stage_wanted, stage=stage, iteration=iteration)
    if run.config.human_only:
        for scope, rounds in control_rounds(run).items():
            wanted[scope, "checkpoint"] = partial(
                training.human_only_wanted, scope=scope, rounds=rounds
            )
            wanted[scope, "evaluation"] = partial(evaluation_wanted, scope=scope)
    return wanted


def _stage_wanted(run: Run, stage: StageSpec, iteration: int) -> Wanted:
    return stage.wanted(stage.in_round(run, iteration), iteration)


def _samples_wanted(run: Run, stage: StageSpec, iteration: int) -> Wanted:
    assert stage.samples_wanted is not None
    return stage.samples_wanted(stage.in_round(run, iteration), iteration)
