"""Find TriPosT's feedback script, and check it, the prompt and the reference solutions."""

from __future__ import annotations

import hashlib
import inspect
from importlib import import_module

from selftrain_assets.domain.attempts import Script
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.types import Problem
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.models.thinking import marks_of
from selftrain_assets.pipeline.run import Run
from selftrain_assets.recipes.tripost.settings import TriPosT


def settings_of(run: Run) -> TriPosT:
    """The TriPosT settings of a run."""
    assert isinstance(run.config.recipe, TriPosT)
    return run.config.recipe


def script_of(run: Run) -> Script | None:
    """The script that finds and corrects errors.

    Raises:
        UserError: The settings need a script and there is none.
    """
    settings = settings_of(run).feedback
    if settings.script is None:
        script = run.config.task.script
        if script is None and settings.by == "script":
            raise UserError(
                f"recipe.feedback.by: script: task {run.config.task.type} brings no feedback"
                ' script; name yours, feedback.script: "module:object", or set feedback.by: model'
            )
        return script
    module, _, name = settings.script.partition(":")
    try:
        script = getattr(import_module(module), name)
    except Exception as error:  # whatever a person's module raises
        reason = f"{type(error).__name__}: {error}"
        raise UserError(
            f'recipe.feedback.script: "{settings.script}" cannot be imported ({reason}); give'
            " module:object, and put its folder on PYTHONPATH"
        ) from error
    if absent := [
        method for method in ("feedback", "improve") if not callable(getattr(script, method, None))
    ]:
        raise UserError(
            f'recipe.feedback.script: "{settings.script}" has no function {absent[0]}'
            " (domain/attempts.py, Script)"
        )
    return script


def script_version(script: Script | None) -> str:
    """The script's version in keys: its `version`, or a hash of its source if it has none."""
    if script is None or (version := getattr(script, "version", None)) is not None:
        return str(version) if script is not None else ""
    kind = script if inspect.ismodule(script) else type(script)
    return hashlib.sha256(inspect.getsource(kind).encode()).hexdigest()


def check_prompt(run: Run) -> None:
    """Check that the chat template does not begin a thought.

    Feedback follows directly on the attempt, as the update does.

    Raises:
        UserError: The template begins a thought.
    """
    marks = settings_of(run).drawn.thinking.marks(marks_of(resolve_model(run.config.model)))
    if marks and marks.opened_by(run.prompt(run.config.prompt, []).framed("")):
        raise UserError(
            "recipe.type: tripost goes on from the attempts of the policy, and its chat template"
            f" begins each answer within a thought ({marks.start.strip()}); use a template, or"
            " arguments of it, that leave thinking out, or another recipe"
        )


def check_solutions(run: Run, problems: list[Problem]) -> None:
    """Check that the wording can read every reference solution.

    Raises:
        UserError: It cannot read one.
    """
    wording = settings_of(run).wording
    for problem in problems:
        if (
            problem.split in ("train", "human")
            and problem.solution is not None
            and wording.read(problem.solution) is None
        ):
            raise UserError(
                f'problem "{problem.id}": its solution is not written as recipe.wording has it,'
                f' steps like "{wording.step}" with {wording.separator!r} between them, and at the'
                f' end "{wording.answer}"; change the wording, or the solution'
            )


def check_problems(run: Run, problems: list[Problem]) -> None:
    """Check the script, the prompt and the reference solutions.

    Raises:
        UserError: One of them does not fit.
    """
    script_of(run)
    check_prompt(run)
    check_solutions(run, problems)
