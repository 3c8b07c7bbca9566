"""Training rows made from reference solutions of human problems, of the task and of sources."""

from __future__ import annotations

from collections.abc import Sequence

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.mixing import HUMAN, amounts, split_budget
from selftrain_assets.domain.prompts import Prompt
from selftrain_assets.domain.selection import make_row, take_rows
from selftrain_assets.domain.types import Problem, Row
from selftrain_assets.pipeline.run import Method, Run


def human_rows(run: Run, iteration: int) -> list[Row]:
    """Rows made from the human problems and their worked solutions.

    There is a row for the solution by each method and, for each pair of methods, one that asks for
    the solution by one method given that by the other.
    """
    human = [p for p in run.problems if p.split == "human"]
    pairs: list[tuple[Method | None, Method]] = [(None, method) for method in run.methods]
    pairs += [
        (origin, method) for origin in run.methods for method in run.methods if origin is not method
    ]
    rows, ends = [], {method.name: run.end(method.prompt) for method in run.methods}
    for origin, method in pairs:
        for problem in human:
            solution = method.solution(problem)
            if not solution:
                continue
            if origin is None:
                prompt = method.prompt.render(problem)
            elif original := origin.solution(problem):
                prompt = method.translation_prompt(problem, original)
            else:
                continue
            prompt, text = _render_thought(run, method, prompt, solution)
            rows.append(
                make_row(
                    prompt,
                    text,
                    1.0,
                    "human",
                    problem.id,
                    iteration,
                    method=method.name,
                    origin=origin.name if origin else None,
                    ended_by=ends[method.name],
                )
            )
    return rows


def _render_thought(run: Run, method: Method, prompt: str, text: str) -> tuple[str, str]:
    """Prompt and completion in the form in which a reasoning model would write them."""
    marks = run.marks(method)
    keep = getattr(run.config.recipe, "thoughts", "keep") == "keep"
    return marks.around(prompt, text, keep) if marks else (prompt, text)


def reference_rows(
    run: Run, problems: Sequence[Problem], prompt: Prompt, iteration: int
) -> list[Row]:
    """Rows made from the reference solution of each problem that has one."""
    end = run.end(prompt)
    rows = []
    for problem in problems:
        if problem.solution is not None:
            prompt_text, completion = _render_thought(
                run, run.methods[0], prompt.render(problem), problem.solution
            )
            rows.append(
                make_row(prompt_text, completion, 1.0, "human", problem.id, iteration, ended_by=end)
            )
    return rows


def mix_in(run: Run, own: int, iteration: int) -> tuple[int, dict[str, list[Row]]]:
    """Rows of other sources, and how many of the recipe's own rows remain (domain/mixing.py).

    A source with fewer rows than its share requires gives all that it has.

    Args:
        run: The run.
        own: The number of rows that the recipe makes.
        iteration: The round.

    Returns:
        The number of own rows that remain, and the rows by source.

    Raises:
        TaskError: None of the recipe's own rows would remain.
    """
    mixing = run.config.recipe.mixing
    if mixing is None:
        return own, {}
    retracted = HUMAN in run.retracted.values("source")
    try:
        own_left, counts = amounts(own, mixing.mix, mixing.mix_by)
        return own_left, {
            name: [] if retracted else _source_rows(run, name, count, iteration)
            for name, count in counts.items()
        }
    except ValueError as error:
        raise TaskError(
            f"{run.name}: round {iteration}: {error}; change recipe.mix, or set mix_by: add"
        ) from error


def _source_rows(run: Run, name: str, count: int, iteration: int) -> list[Row]:
    """Draw `count` rows of a source, or all; a larger count includes the rows of a smaller one."""
    if name == HUMAN:
        return take_rows(human_rows(run, iteration), count, run.config.seed)
    source, problems = run.config.sources[name], run.source(name)
    chosen = (
        split_budget(problems, count, 0, source.power_law, run.config.seed)
        if count < len(problems)
        else problems
    )
    return reference_rows(run, chosen if count else [], run.prompt(source.prompt, []), iteration)
