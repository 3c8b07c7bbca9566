"""problems: the frozen problem set of an experiment."""

from __future__ import annotations

from dataclasses import asdict

from selftrain_assets.core.errors import UserError
from selftrain_assets.core.identity import fingerprint
from selftrain_assets.core.types import SPLITS, Problem
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.stages.run import INPUTS, Clock, Run, finish
from selftrain_assets.store import Manifest


def problems(run: Run) -> Manifest:
    """Load, check and freeze the problems. A changed file gives a new digest; the older set is kept."""
    clock, config = Clock(), run.config
    loaded = config.task.load()
    _check(run, loaded)
    for model in (config.model, config.recipe.teacher):  # a missing one should be told before anything is written
        if model is not None:
            resolve_model(model)
    digest = fingerprint("problems", [asdict(p) for p in loaded])
    if current := run.done(INPUTS, "problems", digest, {}):
        return current
    with run.store.writing(run.name, INPUTS, "problems", run.owner):
        table = run.store.write_table(run.name, INPUTS, "problems", digest, Problem, loaded)
        counts = {split: sum(p.split == split for p in loaded) for split in SPLITS}
        return finish(
            run,
            clock,
            INPUTS,
            "problems",
            key=digest,
            digest=digest,
            parents={},
            counts=counts,
            settings=config.task.model_dump(mode="json"),
            files={"problems": table},
        )


def _check(run: Run, loaded: list[Problem]) -> None:
    config = run.config
    for problem in loaded:
        if fault := config.verifier.check_problem(problem):
            raise UserError(
                f'task: problem "{problem.id}": {fault}, which verifier {config.verifier.type} needs; correct it, or '
                "choose another verifier"
            )
    human = sum(p.split == "human" for p in loaded)
    for setting, wanted in (
        ("base.fine_tune: human", config.base.fine_tune == "human"),
        ("recipe.mix_human", config.recipe.mix_human > 0),
        ("prompt.few_shot", config.prompt.few_shot > 0),
        ("human_only", config.human_only),
    ):
        if wanted and not human:
            raise UserError(f'{setting} needs problems of the split "human" with a solution, and the task has none')
    if config.prompt.few_shot > human:
        raise UserError(f"prompt.few_shot: {config.prompt.few_shot} examples are asked for, and the task has {human} human problems")
    if config.recipe.inner_stop.rule != "none" and not any(p.split == "validation" for p in loaded):
        raise UserError('recipe.inner_stop needs problems of the split "validation", and the task has none')
