"""The dataset of TriPosT: every turn of the trajectories that end right.

See arXiv 2310.13522, section 3.2.
"""

from __future__ import annotations

from dataclasses import replace

from selftrain_assets.domain.attempts import Attempt, Feedback
from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.group_balance import distinct_rows, in_ratio
from selftrain_assets.domain.identity import row_key
from selftrain_assets.domain.types import Problem, Row, Section, Trajectory, Turn
from selftrain_assets.pipeline.rows import Rows, freeze
from selftrain_assets.pipeline.run import Run, iteration_scope
from selftrain_assets.recipes.tripost.feedback_script import settings_of
from selftrain_assets.recipes.tripost.results import TrajectoriesResult
from selftrain_assets.recipes.tripost.stages import CORRECT, GOLD, IMPROVED, rows_with

SOURCE_OF = {CORRECT: "self", IMPROVED: "improved", GOLD: "human"}


def turn_rows(run: Run, iteration: int) -> dict[str, list[Row]]:
    """Build rows from the turns of kept trajectories and from reference solutions (section 3.2).

    Duplicates are dropped, and the kinds of rows are brought into the ratio of the settings.

    Returns:
        The rows by source.
    """
    recipe, retracted = settings_of(run), run.retracted.values("source")
    parts: dict[str, list[Row]] = {CORRECT: [], IMPROVED: [], GOLD: _gold_rows(run, iteration)}
    for i in recipe.sample_rounds(iteration):
        if iteration_scope(i) not in retracted:
            for part, rows in _rows_of_round(run, i).items():
                parts[part] += rows
    parts = {
        part: [] if SOURCE_OF[part] in retracted else distinct_rows(rows)
        for part, rows in parts.items()
    }
    if len({row.sample_key for row in parts[IMPROVED]}) < recipe.minimum:
        raise TaskError(
            f"{run.name}: round {iteration} has {len(parts[IMPROVED])} rows of improved"
            f" trajectories, and recipe.minimum asks for {recipe.minimum} trajectories; draw more"
            " samples, or lower it"
        )
    return (
        parts
        if recipe.ratio is None
        else in_ratio(parts, recipe.ratio.model_dump(), run.config.seed)
    )


def _rows_of_round(run: Run, iteration: int) -> dict[str, list[Row]]:
    manifest = run.need(iteration_scope(iteration), "trajectories")
    kept = {
        trajectory.sample_key: trajectory
        for trajectory in run.store.read_table(manifest, "trajectories", Trajectory)
        if trajectory.kept
    }
    problems, retracted = (
        {p.id: p for p in run.train_problems},
        rows_with(run.store, manifest, run.retracted.values("sample")),
    )
    rows_by_part: dict[str, list[Row]] = {CORRECT: [], IMPROVED: []}
    for turn in run.store.read_table(manifest, "turns", Turn):
        if (
            turn.sample_key in kept
            and turn.problem_id in problems
            and turn.sample_key not in retracted
        ):
            part = CORRECT if kept[turn.sample_key].ending == CORRECT else IMPROVED
            # Feedback that an update is right is no turn of its own.
            if part == CORRECT or turn.update is not None:
                rows_by_part[part].append(
                    _row(run, problems[turn.problem_id], turn, SOURCE_OF[part], iteration)
                )
    return rows_by_part


def _gold_rows(run: Run, iteration: int) -> list[Row]:
    """Rows of reference solutions, each with feedback that nothing is wrong."""
    wording, rows = settings_of(run).wording, []
    for problem in run.problems:
        if problem.split in ("train", "human") and problem.solution is not None:
            attempt = wording.read(problem.solution) or Attempt((), problem.answer)
            feedback = wording.write_feedback(Feedback(None), attempt)
            turn = Turn(
                "", 1, problem.id, problem.solution, feedback, "script", None, None, None, ""
            )
            rows.append(
                replace(_row(run, problem, turn, "human", iteration), sample_key=None, turn=None)
            )
    return rows


def _row(run: Run, problem: Problem, turn: Turn, source: str, iteration: int) -> Row:
    """The row of a turn.

    Its sections are tokenized separately, so that their borders lie where sampling has them.
    """
    wording, weights = settings_of(run).wording, settings_of(run).section_weights
    attempt_weight = weights.attempt if turn.step is None else weights.wrong_attempt
    weighted_texts = [
        (turn.attempt.rstrip(), attempt_weight),
        (wording.feedback, weights.feedback),
        (turn.feedback, weights.feedback),
    ]
    if turn.update is not None:
        weighted_texts += [(wording.update, weights.update), (turn.update.rstrip(), weights.update)]
    prompt, completion = (
        run.methods[0].prompt.render(problem),
        "".join(text for text, _ in weighted_texts),
    )
    sections = [Section(length=len(text), factor=weight) for text, weight in weighted_texts]
    key = row_key(
        prompt,
        completion,
        1.0,
        source,
        turn.sample_key or None,
        sections,
        ended_by=(end := run.end(run.methods[0].prompt)),
    )
    row = Row(
        key,
        problem.id,
        prompt,
        completion,
        1.0,
        source,
        turn.sample_key,
        iteration,
        turn=turn.turn,
        sections=sections,
    )
    return replace(row, ended_by=end)


def build_trajectory_dataset(run: Run, iteration: int) -> Rows:
    """Build and store the rows of a round."""
    results = [
        run.need(iteration_scope(earlier), "trajectories").result(TrajectoriesResult)
        for earlier in settings_of(run).sample_rounds(iteration)
    ]
    parts = turn_rows(run, iteration)
    rows = [row for part in (CORRECT, IMPROVED, GOLD) for row in parts[part]]
    return freeze(run, iteration, rows, _count(rows, results, iteration))


def _count(rows: list[Row], results: list[TrajectoriesResult], iteration: int) -> dict[str, int]:
    own = [row for row in rows if row.source != "human"]
    return {
        "self": len(own),
        "improved": sum(row.source == SOURCE_OF[IMPROVED] for row in own),
        "human": len(rows) - len(own),
        "from_earlier_rounds": sum(row.iteration < iteration for row in own),
        "verified": sum(result.attempted for result in results),
        "correct": sum(result.successful for result in results),
        "problems": len({row.problem_id for row in own}),
    }
