"""The order of stages, said once: the command line walks it, and Dagster's assets are made from
it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from itertools import chain

from selftrain_assets.pipeline import dataset, sampling, training
from selftrain_assets.pipeline.checks import check, require
from selftrain_assets.pipeline.evaluation import evaluation
from selftrain_assets.pipeline.inputs import problems
from selftrain_assets.pipeline.run import BASE, Run, iteration_scope
from selftrain_assets.recipes.base import Recipe
from selftrain_assets.recipes.tripost import stages
from selftrain_assets.store import Manifest

ONE_ROUND, ALL_ROUNDS = "human-one-round", "human-all-rounds"
Stage = Callable[[Run, int], Manifest]


STAGES: dict[str, Stage] = {
    "policy": sampling.policy,
    "samples": sampling.samples,
    "verifications": sampling.verifications,
    "rationalizations": sampling.rationalizations,
    "translations": sampling.translations,
    "trajectories": stages.trajectories,
    "dataset": dataset.dataset,
    "checkpoint": training.checkpoint,
}


def round_stages(recipe: Recipe) -> dict[str, Stage]:
    """The stages of one round of a recipe, in order. Each has the settings of its round, but for
    the evaluation, which measures all rounds alike."""
    return {
        name: _measured if name == "evaluation" else _in_its_round(STAGES[name])
        for name in recipe.stages
    }


def _measured(run: Run, iteration: int) -> Manifest:
    return evaluation(run, iteration_scope(iteration))


def _in_its_round(stage: Stage) -> Stage:
    """With the settings that the round has."""

    @wraps(stage)
    def do(run: Run, iteration: int) -> Manifest:
        return stage(run.at(iteration), iteration)

    return do


def prepare(run: Run) -> Iterator[Manifest]:
    """Problems, base, and the base's evaluation, each when it is asked for."""
    yield problems(run)
    yield training.base(run)
    yield evaluation(run, BASE)


def human_only(run: Run) -> list[Manifest]:
    """The controls: human rows alone, with the optimizer steps of one round and of all rounds
    together."""
    done = []
    for scope, rounds in ((ONE_ROUND, 1), (ALL_ROUNDS, run.config.rounds)):
        done += [training.human_only(run, scope, rounds), evaluation(run, scope)]
    return done


def controls(run: Run) -> Iterator[Manifest]:
    """The human-only controls, where the experiment has them and all of its rounds are done."""
    if run.config.human_only and all(
        run.manifest(iteration_scope(i), "checkpoint") for i in range(1, run.config.rounds + 1)
    ):
        yield from human_only(run)


def walk(run: Run, iterations: Iterable[int]) -> Iterator[Manifest]:
    """Do what is owed of these rounds, stage after stage; TaskError after the first whose
    blocking check fails."""
    iterations = list(iterations)
    if run.manifest(iteration_scope(iterations[-1]) if iterations else BASE, "evaluation") is None:
        _build_images(run)
    for manifest in chain(prepare(run), _rounds(run, iterations)):
        yield manifest
        require(manifest, check(run, manifest))


def _build_images(run: Run) -> None:
    """Before anything is sampled: InfraError if the packages or the compilers that programs are
    to have cannot be had."""
    sandbox = run.config.execution.sandbox
    for languages in {verifier.languages for verifier in run.config.code_verifiers()}:
        if languages or sandbox.packages:
            sandbox.build(languages)


def _rounds(run: Run, iterations: Iterable[int]) -> Iterator[Manifest]:
    for iteration in iterations:
        for stage in round_stages(run.config.recipe).values():
            yield stage(run, iteration)


def run_rounds(run: Run, iterations: Iterable[int]) -> None:
    """`walk` to the end."""
    for _ in walk(run, iterations):
        pass
