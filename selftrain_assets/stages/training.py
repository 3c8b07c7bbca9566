"""base and checkpoint: the M-step."""

from __future__ import annotations

import shutil
import uuid
from typing import Any

from selftrain_assets.core.files import needs_room, remove_folder
from selftrain_assets.core.identity import fingerprint
from selftrain_assets.core.plan import plan_draws
from selftrain_assets.core.seeds import derive_seed
from selftrain_assets.core.types import Outcome, Row
from selftrain_assets.models.loading import resolve_model, weights_digest
from selftrain_assets.stages.checks import check, require
from selftrain_assets.stages.run import BASE, INPUTS, Clock, Run, finish, iteration_scope
from selftrain_assets.stages.selecting import human_rows
from selftrain_assets.store import Manifest, place_of_checkpoint, place_of_model
from selftrain_assets.store.lease import lease
from selftrain_assets.trainers.protocol import TrainingJob
from selftrain_assets.verifiers import verdicts


def checkpoint(run: Run, iteration: int) -> Manifest:
    """Train on the dataset, from the model that the recipe declares."""
    scope, recipe = iteration_scope(iteration), run.config.recipe
    frozen = run.need(scope, "dataset")
    require(frozen, check(frozen))
    if recipe.start == "pretrained":
        start = place_of_model(run.config.model, resolve_model(run.config.model))
    else:
        origin = iteration_scope(iteration - 1) if recipe.start == "previous" and iteration > 1 else BASE
        start = run.need(origin, "checkpoint").detail["place"]
    rows = run.store.read_table(frozen, "rows", Row)
    return _train(run, scope, rows, {"dataset": frozen.digest}, start, run.config.trainer)


def base(run: Run) -> Manifest:
    """The policy of round 1: the model as it is, or fine-tuned on the human rows first."""
    pretrained = place_of_model(run.config.model, resolve_model(run.config.model))
    if run.config.base.fine_tune == "human":
        rows = human_rows(run, 0)
        return _train(
            run, BASE, rows, {"problems": run.need(INPUTS, "problems").digest}, pretrained, run.config.base.trainer or run.config.trainer
        )
    digest = pretrained["digest"]
    return run.done(BASE, "checkpoint", digest, {}) or finish(
        run, Clock(), BASE, "checkpoint", key=digest, digest=digest, parents={}, detail={"place": pretrained}
    )


def human_only(run: Run, scope: str, steps: int) -> Manifest:
    """The control: as many optimizer steps from the same base, on the human rows alone."""
    rows = human_rows(run, 0)
    trainer = run.config.trainer.model_copy(update={"steps": steps, "epochs": None})
    return _train(
        run, scope, rows, {"problems": run.need(INPUTS, "problems").digest}, run.need(BASE, "checkpoint").detail["place"], trainer
    )


def _train(run: Run, scope: str, rows: list[Row], parents: dict[str, str], start: dict[str, Any], trainer) -> Manifest:
    """Train, or find the same training done: weights lie under the key of what makes them."""
    clock, inner_stop = Clock(), run.config.recipe.inner_stop
    seed = derive_seed(run.config.seed, "train") % 2**32
    validation = run.split("validation") if inner_stop.rule != "none" else []
    parents = {**parents, "start": start["digest"]}
    key = fingerprint("checkpoint", [r.key for r in rows], start["digest"], trainer, inner_stop, [p.id for p in validation], seed)
    if (current := run.done(scope, "checkpoint", key, parents)) and run.store.checkpoint_facts(key):
        return current
    with run.store.writing(run.name, scope, "checkpoint", run.owner), lease(run.store.scratch(key).with_suffix(".lease"), run.owner):
        facts = run.store.checkpoint_facts(key)
        if facts is None:
            facts = _train_now(run, scope, rows, start, trainer, key, seed, validation, clock)
        if run.store.scratch(key).exists():  # not before the weights are published, even if that was by a run that was killed
            remove_folder(run.store.scratch(key))
        place = place_of_checkpoint(
            key, weights_digest(run.store.checkpoint(key)), (start.get("adapter_on") or start) if facts["adapter"] else None
        )
        return finish(
            run,
            clock,
            scope,
            "checkpoint",
            key=key,
            digest=place["digest"],
            parents=parents,
            tokens=facts["tokens"],
            counts={"rows": len(rows), "steps": facts["steps"], "optimizer_steps": facts["optimizer_steps"]},
            metrics={"losses": facts["losses"], "validation": facts["validation"]},
            settings=trainer.model_dump(mode="json"),
            versions=facts["versions"],
            detail={"place": place, "start": start, "seed": seed},
        )


def _train_now(
    run: Run, scope: str, rows: list[Row], start: dict[str, Any], trainer, key: str, seed: int, validation: list, clock: Clock
) -> dict[str, Any]:
    scratch = run.store.scratch(key)
    output = scratch / f"output-{uuid.uuid4().hex}"
    for unfinished in scratch.glob("output-*"):  # of a process that was killed: we have its lease
        shutil.rmtree(unfinished, ignore_errors=True)
    output.mkdir(parents=True)
    with clock.working(), needs_room(scratch):
        result = trainer.train(
            TrainingJob(
                rows,
                run.store.model(start),
                output,
                scratch / "resume",
                seed,
                run.config.recipe.inner_stop,
                _validator(run, validation),
                lambda done, total: run.progress(f"{scope} checkpoint", done, total),
            )
        )
    facts = {
        "steps": result.steps,
        "optimizer_steps": result.optimizer_steps,
        "tokens": result.tokens,
        "adapter": result.adapter,
        "losses": result.losses,
        "validation": result.validation,
        "versions": result.versions,
    }
    with needs_room(output):
        run.store.publish_checkpoint(key, output, facts)
    return facts


def _validator(run: Run, problems: list):
    """Greedy accuracy of a model in memory on the validation split, over all methods."""
    from selftrain_assets.engines.transformers_engine import TransformersEngine

    by_id = {p.id: p for p in problems}
    asked = [(m, plan_draws(problems, m.prompt, m.sampling.greedy(), "", 0)) for m in run.methods]

    def score(model, tokenizer) -> float:
        engine = TransformersEngine(model, tokenizer, batch_size=256)
        found = []
        for method, draws in asked:
            requests = {r.key: r for r in draws.requests()}
            pairs = [(by_id[requests[c.key].problem_id], c.text) for c in engine.generate(list(requests.values()), draws.sampling)]
            found += verdicts(method.verifier, run.config.execution.sandbox, pairs)
        return sum(v.outcome == Outcome.PASS for v in found) / len(found)

    return score
