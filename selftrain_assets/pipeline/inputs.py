"""Stage `problems`: load, check and freeze the problem set of an experiment."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.mixing import HUMAN
from selftrain_assets.domain.selection import problem_subset
from selftrain_assets.domain.types import SPLITS, Problem
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.models.tokenization import check_tokenizer
from selftrain_assets.pipeline import checks
from selftrain_assets.pipeline.chat_checks import asks_in_chat, check_chats
from selftrain_assets.pipeline.diagnostics import VERSION, leaks_in_problems
from selftrain_assets.pipeline.policy import teacher
from selftrain_assets.pipeline.previews import first_records
from selftrain_assets.pipeline.recipe import implementation_of
from selftrain_assets.pipeline.results import ProblemsResult
from selftrain_assets.pipeline.run import (
    INPUTS,
    Clock,
    Run,
    Wanted,
    finish,
    iteration_scope,
)
from selftrain_assets.pipeline.stage import StageSpec, TableSpec
from selftrain_assets.store import Manifest
from selftrain_assets.tasks import Loaded, ProblemFile, Published, read
from selftrain_assets.verifiers import Verifier

LEARNT = ("train", "human")


def problems_wanted(run: Run) -> Wanted:
    """The problem set as the task defines it now."""
    return _wanted(run, read_problems(run.config))


def _wanted(run: Run, loaded: Loaded) -> Wanted:
    key = fingerprint("problems and their symptoms", problems_digest(loaded.problems), VERSION)
    asks = asks_in_chat(run)
    return Wanted(
        key, {}, complete=lambda manifest: bool(not asks or manifest.result(ProblemsResult).moment)
    )


def problems(run: Run) -> Manifest:
    """Load, check and freeze the problems.

    A changed file gives a new digest; the older set is kept.
    """
    clock, config = Clock(), run.config
    problem_set = read_problems(config)
    listed = problem_set.problems
    _check(run, listed)
    check_chats(run, listed)
    for first, phase in run.phases.items():
        _check_solved(phase, listed)
        implementation_of(phase.config.recipe).check_problems(phase, listed)
        _check_mix(phase.config, listed)
        for setting, model in phase.config.recipe.teachers.items():
            teacher(phase, iteration_scope(first), setting, model)
    wanted = _wanted(run, problem_set)
    if current := run.finished(INPUTS, "problems", wanted):
        return current
    # Report what does not fit before anything is written.
    check_tokenizer(resolve_model(config.model))
    digest = problems_digest(listed)
    with run.store.writing(run.name, INPUTS, "problems", run.owner):
        table = run.store.write_table(run.name, INPUTS, "problems", digest, Problem, listed)
        return finish(
            run,
            clock,
            INPUTS,
            "problems",
            key=wanted.key,
            digest=digest,
            parents=wanted.parents,
            settings=config.task.model_dump(mode="json"),
            files={"problems": table},
            result=ProblemsResult(
                **{split: sum(p.split == split for p in listed) for split in SPLITS},
                **leaks_in_problems(listed),
                remarks=problem_set.remarks,
                moment=run.moment if asks_in_chat(run) else None,
            ),
        )


def problems_digest(problems: list[Problem]) -> str:
    """Digest that identifies a problem set.

    It is that of the records of older versions, which had no collection (ids begin with its name)
    and solutions as JSON.
    """
    records = [asdict(problem) for problem in problems]
    for record in records:
        del record["collection"]
        if record["solutions"] is not None:
            record["solutions"] = json.dumps(record["solutions"], ensure_ascii=False)
    return fingerprint("problems", records)


def load_problems(config: Experiment) -> list[Problem]:
    """Load the problems of the task, the suites and the sources.

    Of a suite these are the test problems, of a source the solved ones; their ids begin with the
    name of the suite or source.
    """
    return read_problems(config).problems


def read_problems(config: Experiment) -> Loaded:
    """Load the problems as `load_problems` does, with remarks on those that were left out."""
    loaded = read(config.task)
    problems, remarks = list(loaded.problems), _remarks(loaded)
    if config.recipe.learns_solutions:
        problems = _solved(problems)
    elif isinstance(config.task, Published | ProblemFile):
        problems = [*config.task.round_problems(loaded)]
    for name, suite in config.evaluation.suites.items():
        loaded = read(suite.task)
        suite_problems = (
            suite.task.round_problems(loaded)
            if isinstance(suite.task, Published)
            else loaded.problems
        )
        tested = problem_subset(
            [p for p in suite_problems if p.split == "test"], suite.problems, config.seed
        )
        problems += [
            replace(p, id=f"{name}/{p.id}", split="suite", collection=name) for p in tested
        ]
        remarks += [f"{name}: {remark}" for remark in _remarks(loaded)]
        if not tested:
            raise UserError(
                f"evaluation.suites.{name}.task: task {suite.task.type} has no problem of the split"
                ' "test"'
            )
    for name, source in config.sources.items():
        loaded = read(source.task)
        solved = [
            p for p in _solved(loaded.problems) if p.split in LEARNT and p.solution is not None
        ]
        problems += [
            replace(p, id=f"{name}/{p.id}", split="source", collection=name) for p in solved
        ]
        remarks += [f"{name}: {remark}" for remark in _remarks(loaded)]
        if not solved:
            raise UserError(
                f"sources.{name}.task: no training problem of task {source.task.type} has a"
                " solution that could be learnt from"
            )
    return Loaded(problems, remarks=tuple(remarks))


def _remarks(loaded: Loaded) -> list[str]:
    """Remarks on the problems of a task that were left out."""
    copies = ", ".join(f"{count} of {split}" for split, count in loaded.duplicates.items())
    return [*([f"duplicates dropped: {copies}"] if copies else []), *loaded.remarks]


def _solved(problems: list[Problem]) -> list[Problem]:
    """Attach the solutions of all training problems.

    A published set withholds them where its problems are sampled.
    """
    return [p if p.split in LEARNT else replace(p, solution=None) for p in problems]


def _check(run: Run, loaded: list[Problem]) -> None:
    task, needed = run.config.task, run.config.recipe.needed_splits
    if missing := [split for split in needed if not any(p.split == split for p in loaded)]:
        advice = ""
        if isinstance(task, Published) and task.unsplit:
            advice = (
                "; it is published for testing alone, and task.train_share gives a share of it to"
                " training"
            )
        raise UserError(
            f'task {task.type}: no problem is in the split "{missing[0]}", and a round needs'
            f" some{advice}"
        )
    for problem in loaded:
        for verifier in _judges(run, problem):
            if fault := verifier.check_problem(problem):
                raise UserError(
                    f'task: problem "{problem.id}": {fault}, which verifier {verifier.type} needs;'
                    " correct it, or choose another verifier"
                )


def _judges(run: Run, problem: Problem) -> list[Verifier]:
    if problem.split == "source":
        return []
    if problem.split == "suite":
        return [run.config.evaluation.suites[problem.collection or ""].verifier]
    return run.config.verifiers()


def _check_solved(run: Run, loaded: list[Problem]) -> None:
    """Check that the solutions and validation problems that the settings require exist."""
    config = run.config
    human = [p for p in loaded if p.split == "human"]
    selection, mixing = config.recipe.selection, config.recipe.mixing
    needed = {
        "base.fine_tune: human": config.base.fine_tune == "human",
        "recipe.mix_human": selection is not None and selection.mix_human > 0,
        "recipe.mix": mixing is not None and mixing.mix.get(HUMAN, 0) > 0,
        "human_only": config.human_only,
    }
    for method in run.methods_on(loaded):
        solved = sum(method.solution(p) is not None for p in human)
        kind = (
            "a solution"
            if method.name is None
            else f'a solution by the method "{method.name}" (field solutions)'
        )
        few_shot = method.few_shot
        for setting, is_set in (needed | {"prompt.few_shot": few_shot > 0}).items():
            if is_set and not solved:
                raise UserError(
                    f'{setting} needs problems of the split "human" with {kind}, and the task has'
                    " none"
                )
        if few_shot > solved:
            raise UserError(
                f"prompt.few_shot: {few_shot} examples are asked for, and the task has {solved}"
                f" human problems with {kind}"
            )
    if config.recipe.early_stopping.rule != "none" and not any(
        p.split == "validation" for p in loaded
    ):
        raise UserError(
            'recipe.early_stopping needs problems of the split "validation", and the task has none'
        )


def _check_mix(config: Experiment, loaded: list[Problem]) -> None:
    """Check that sources have as many rows as the recipe requests by number."""
    mixing = config.recipe.mixing
    for name, amount in mixing.mix.items() if mixing else ():
        available = sum(
            p.split == HUMAN if name == HUMAN else (p.split, p.collection) == ("source", name)
            for p in loaded
        )
        if amount and (not available or (amount >= 1 and name != HUMAN and available < amount)):
            raise UserError(
                f"recipe.mix: {name} has {available} rows to learn from, and {amount:g} are asked"
                " for; lower it, or give it more problems"
            )


PROBLEMS = StageSpec(
    name="problems",
    description=(
        "The frozen problem set: training problems with answers, human-solved ones, and held-out"
        " splits."
    ),
    after=(),
    run=lambda run, iteration: problems(run),
    wanted=lambda run, iteration: problems_wanted(run),
    result=ProblemsResult,
    tables=(TableSpec(name="problems", record=Problem, view="problems", identified_by=("id",)),),
    checks=(checks.INTACT, *checks.APART),
    preview=lambda run, manifest: {
        "preview": first_records(
            run, manifest, "problems", Problem, ("question", "answer", "split")
        )
    },
    every_round_alike=True,
)
