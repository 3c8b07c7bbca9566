"""Stages `base` and `checkpoint`: training, the M-step."""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.requests import plan_draws
from selftrain_assets.domain.seeds import derive_seed
from selftrain_assets.domain.types import Exchange, Outcome, Problem, Row
from selftrain_assets.domain.weights import PerMethod, ServedModel, StoredCheckpoint, WeightsRef
from selftrain_assets.models.digests import weights_digest
from selftrain_assets.pipeline import checks
from selftrain_assets.pipeline.checks import require
from selftrain_assets.pipeline.dataset import DATASET
from selftrain_assets.pipeline.fitness import require_fit
from selftrain_assets.pipeline.references import human_rows
from selftrain_assets.pipeline.results import CheckpointResult
from selftrain_assets.pipeline.run import (
    BASE,
    INPUTS,
    Clock,
    Run,
    Wanted,
    finish,
    iteration_scope,
)
from selftrain_assets.pipeline.stage import StageSpec
from selftrain_assets.pipeline.weights import model_weights, resolve
from selftrain_assets.runtime.files import needs_room, remove_folder
from selftrain_assets.store import Manifest
from selftrain_assets.store.lease import lease
from selftrain_assets.trainers import Trainer
from selftrain_assets.trainers.protocol import TrainingJob
from selftrain_assets.trainers.tracking import run_name
from selftrain_assets.verifiers import verdicts


def checkpoint(run: Run, iteration: int) -> Manifest:
    """Train on the dataset of a round, from the weights that the recipe declares."""
    frozen = run.need(iteration_scope(iteration), "dataset")
    require(frozen, DATASET.check(run, frozen))
    return _train(run, _plan_checkpoint(run, iteration))


def _plan_checkpoint(run: Run, iteration: int) -> _Plan:
    scope, recipe = iteration_scope(iteration), run.config.recipe
    frozen = run.need(scope, "dataset")
    if recipe.init_from == "pretrained":
        start: WeightsRef = model_weights(run.config.model)
    else:
        origin = (
            iteration_scope(iteration - 1)
            if recipe.init_from == "previous" and iteration > 1
            else BASE
        )
        start = run.need(origin, "checkpoint").result(CheckpointResult).weights
    rows = run.store.read_table(frozen, "rows", Row)
    trainers = _trainers(run, run.config.trainer)
    return _plan(run, scope, rows, {"dataset": frozen.digest}, start, trainers)


def base_wanted(run: Run) -> Wanted:
    """The policy of round 1."""
    if run.config.base.fine_tune == "human":
        return _plan_base(run).wanted
    return Wanted(model_weights(run.config.model).digest, {})


def base(run: Run) -> Manifest:
    """Make the policy of round 1: the model as it is, or fine-tuned on the human rows."""
    if run.config.base.fine_tune == "human":
        return _train(run, _plan_base(run))
    wanted, clock = base_wanted(run), Clock()
    return run.finished(BASE, "checkpoint", wanted) or finish(
        run,
        clock,
        BASE,
        "checkpoint",
        key=wanted.key,
        digest=wanted.key,
        parents=wanted.parents,
        result=CheckpointResult(weights=model_weights(run.config.model)),
    )


def _plan_base(run: Run) -> _Plan:
    pretrained = model_weights(run.config.model)
    trainers = _trainers(run, run.config.base.trainer or run.config.trainer)
    parents = {"problems": run.need(INPUTS, "problems").digest}
    return _plan(run, BASE, human_rows(run, 0), parents, pretrained, trainers)


def human_only_wanted(run: Run, scope: str, rounds: int) -> Wanted:
    """The control with the optimizer steps of this many rounds."""
    return _plan_human_only(run, scope, rounds).wanted


def human_only(run: Run, scope: str, rounds: int) -> Manifest:
    """Train the control on the human rows alone.

    It starts from the same base and takes as many optimizer steps as `rounds` rounds took.
    """
    return _train(run, _plan_human_only(run, scope, rounds))


def _plan_human_only(run: Run, scope: str, rounds: int) -> _Plan:
    steps: Counter[str | None] = Counter()
    for iteration in range(1, rounds + 1):
        steps.update(_steps(run.need(iteration_scope(iteration), "checkpoint")))
    rows, trainer = human_rows(run, 0), run.config.trainer
    trainers = {method: trainer.for_steps(count) for method, count in steps.items()}
    start = run.need(BASE, "checkpoint").result(CheckpointResult).weights
    parents = {"problems": run.need(INPUTS, "problems").digest}
    return _plan(run, scope, rows, parents, start, trainers)


def _steps(trained: Manifest) -> Mapping[str | None, int]:
    """Optimizer steps of a checkpoint, by method if each has weights of its own."""
    result = trained.result(CheckpointResult)
    return result.optimizer_steps_by_method or {None: result.optimizer_steps or 0}  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class _Training:
    """The training of one set of weights: its rows, its start, and the key of the result."""

    method: str | None
    rows: list[Row]
    start: WeightsRef
    trainer: Trainer
    seed: int
    key: str


Trainers = dict[str | None, Trainer]
"""By the method whose weights they train; None trains one model for all rows."""


def _trainers(run: Run, trainer: Trainer) -> Trainers:
    return dict.fromkeys(run.config.recipe.trained, trainer)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The trainings that make a checkpoint, and the rows that they use."""

    scope: str
    rows: list[Row]
    start: WeightsRef
    trainings: list[_Training]
    wanted: Wanted


def _plan(
    run: Run,
    scope: str,
    rows: list[Row],
    parents: dict[str, str],
    start: WeightsRef,
    trainers: Trainers,
) -> _Plan:
    trainings = [
        _training(run, scope, method, rows, start, trainer) for method, trainer in trainers.items()
    ]
    key = (
        trainings[0].key
        if trainings[0].method is None
        else fingerprint("checkpoint", [[training.method, training.key] for training in trainings])
    )
    return _Plan(scope, rows, start, trainings, Wanted(key, {**parents, "start": start.digest}))


def _train(run: Run, plan: _Plan) -> Manifest:
    """Train unless the same training is done; the weights are stored under the training's key."""
    clock, scope, wanted, trainings = Clock(), plan.scope, plan.wanted, plan.trainings
    rows, start, key, parents = plan.rows, plan.start, wanted.key, wanted.parents
    is_single = trainings[0].method is None
    current = run.finished(scope, "checkpoint", wanted)
    if current and all(run.store.checkpoint_facts(training.key) for training in trainings):
        return current
    # Until the manifest is committed, nobody else knows that the weights are needed.
    with ExitStack() as stack:
        stack.enter_context(run.store.writing(run.name, scope, "checkpoint", run.owner))
        for training in trainings:
            stack.enter_context(
                lease(run.store.scratch(training.key).with_suffix(".lease"), run.owner)
            )
        tracker_run = run_name(run.name, scope, key)
        published = {
            training.method: _publish(run, scope, training, clock, tracker_run)
            for training in trainings
        }
        facts = [method_facts for _, method_facts in published.values()]
        by_method = {str(method): stored for method, (stored, _) in published.items()}
        weights = published[None][0] if is_single else PerMethod.of(by_method)
        steps_by_method = {
            str(method): method_facts["optimizer_steps"]
            for method, (_, method_facts) in published.items()
        }
        return finish(
            run,
            clock,
            scope,
            "checkpoint",
            key=key,
            digest=weights.digest,
            parents=parents,
            tokens=sum(method_facts["tokens"] for method_facts in facts),
            settings=trainings[0].trainer.model_dump(mode="json"),
            versions=facts[0]["versions"],
            result=CheckpointResult(
                weights=weights,
                start=start,
                seed=trainings[0].seed,
                rows=len(rows),
                steps=sum(method_facts["steps"] for method_facts in facts),
                optimizer_steps=sum(method_facts["optimizer_steps"] for method_facts in facts),
                optimizer_steps_by_method=None if is_single else steps_by_method,
                losses=_concatenate("losses", facts),
                validation=_concatenate("validation", facts),
            ),
        )


def _training(
    run: Run,
    scope: str,
    method: str | None,
    rows: list[Row],
    start: WeightsRef,
    trainer: Trainer,
) -> _Training:
    early_stopping, seed = (
        run.config.recipe.early_stopping,
        derive_seed(run.config.seed, "train") % 2**32,
    )
    # Rows of another source have no method: all methods learn them.
    own = [r for r in rows if method is None or r.method in (method, None)]
    if method is not None and not own:
        raise TaskError(
            f"{scope} checkpoint: there is no row of method {method}, whose weights are trained on"
            " its own rows alone"
        )
    below = (
        start.methods[method] if isinstance(start, PerMethod) and method in start.methods else start
    )
    validation = [p.id for p in _validation(run)]
    key = fingerprint(
        "checkpoint", [r.key for r in own], below.digest, trainer, early_stopping, validation, seed
    )
    return _Training(method, own, below, trainer, seed, key)


def _concatenate(name: str, facts: Sequence[dict[str, Any]]) -> list[tuple[int, float]]:
    """Losses or scores of successive trainings, with consecutive step numbers."""
    before = accumulate((method_facts["optimizer_steps"] for method_facts in facts), initial=0)
    return [
        (done + step, value)
        for done, method_facts in zip(before, facts, strict=False)
        for step, value in method_facts[name]
    ]


def _publish(
    run: Run, scope: str, training: _Training, clock: Clock, tracker_run: str
) -> tuple[StoredCheckpoint, dict[str, Any]]:
    """Train and publish weights, unless they are published already.

    The caller has the lease of the training. Trackers log it under the name `tracker_run`.

    Returns:
        The reference to the weights, and the facts that were recorded with them.
    """
    key, start = training.key, training.start
    facts = run.store.checkpoint_facts(key)
    if facts is None:
        facts = _train_now(run, scope, training, clock, tracker_run)
    # Not before the weights are published, even if a run did so that was killed.
    if run.store.scratch(key).exists():
        remove_folder(run.store.scratch(key))
    model = start.adapter_on if isinstance(start, StoredCheckpoint) and start.adapter_on else start
    assert not isinstance(model, PerMethod | ServedModel)  # neither can be trained as one model
    adapter_on = model if facts["adapter"] else None
    return StoredCheckpoint.of(key, weights_digest(run.store.checkpoint(key)), adapter_on), facts


def _train_now(
    run: Run, scope: str, training: _Training, clock: Clock, tracker_run: str
) -> dict[str, Any]:
    require_fit(run)
    scratch, method = run.store.scratch(training.key), training.method
    output = scratch / f"output-{uuid.uuid4().hex}"
    for leftover in scratch.glob("output-*"):  # of a process that was killed: we have its lease
        shutil.rmtree(leftover, ignore_errors=True)
    output.mkdir(parents=True)
    label = f"{scope} checkpoint{f' of {method}' if method else ''}"
    prefix = f"{method}/" if method else ""
    settings = training.trainer.model_dump(mode="json")
    with (
        clock.working(),
        needs_room(scratch),
        run.config.execution.trackers.run(tracker_run, run.store.root, settings) as track,
    ):
        result = training.trainer.train(
            TrainingJob(
                training.rows,
                resolve(run.store, training.start).by(method),
                output,
                scratch / "resume",
                training.seed,
                run.config.recipe.early_stopping,
                _validator(run, method),
                lambda done, total: run.progress(label, done, total),
                lambda step, figures: track(
                    {f"train/{prefix}{name}": value for name, value in figures.items()}, step
                ),
            )
        )
    facts = {
        "steps": result.steps,
        "optimizer_steps": result.optimizer_steps,
        "tokens": result.tokens,
        "adapter": result.adapter,
        "losses": result.losses,
        "validation": result.validation,
        "loss": result.loss,
        "versions": result.versions,
    }
    with needs_room(output):
        run.store.publish_checkpoint(training.key, output, facts)
    return facts


def _validation(run: Run) -> list[Problem]:
    return run.split("validation") if run.config.recipe.early_stopping.rule != "none" else []


def _validator(run: Run, method: str | None) -> Callable[[Any, Any], float]:
    """A function that gives the greedy validation accuracy of a model in memory.

    It measures one method, or all of them if `method` is None.
    """
    from selftrain_assets.engines.transformers_engine import TransformersEngine

    problems = _validation(run)
    by_id = {problem.id: problem for problem in problems}
    methods = [m for m in run.methods if method in (None, m.name)]
    draws_of_methods = [
        (m, plan_draws(problems, m.prompt, m.sampling.greedy(), "", 0)) for m in methods
    ]

    def score(model: Any, tokenizer: Any) -> float:
        engine = TransformersEngine(model, tokenizer, batch_size=256)
        judgements = []
        for method, draws in draws_of_methods:
            requests = {request.key: request for request in draws.requests()}
            exchanges = []
            for completion in engine.generate(list(requests.values()), draws.sampling):
                request = requests[completion.key]
                problem = by_id[request.problem_id]
                exchanges.append(Exchange(problem, completion.text, request.prompt, method.name))
            judgements += verdicts(method.verifier, run.verifier_context, exchanges)
        return sum(verdict.outcome == Outcome.PASS for verdict in judgements) / len(judgements)

    return score


CHECKPOINT = StageSpec(
    name="checkpoint",
    description=(
        "M-step: reward-weighted fine-tuning on the dataset, from the start model that the recipe"
        " declares."
    ),
    after=("dataset", "policy", "base"),
    run=checkpoint,
    wanted=lambda run, iteration: _plan_checkpoint(run, iteration).wanted,
    result=CheckpointResult,
    resource="gpu",
    kinds=("huggingface", "pytorch"),
    checks=(checks.INTACT, checks.NEXT_EDGE),
)
