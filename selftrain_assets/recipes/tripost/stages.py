"""trajectories, and the dataset that is made of them: TriPosT's stages (arXiv 2310.13522,
section 3)."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from importlib import import_module

from selftrain_assets.domain.attempts import Attempt, Feedback, Script
from selftrain_assets.domain.errors import TaskError, UserError
from selftrain_assets.domain.group_balance import distinct_rows, in_ratio
from selftrain_assets.domain.identity import fingerprint, row_key
from selftrain_assets.domain.types import Outcome, Problem, Row, RowSource, Sample, Trajectory, Turn
from selftrain_assets.domain.weights import WeightsRef
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.models.thinking import marks_of
from selftrain_assets.pipeline.results import PolicyResult
from selftrain_assets.pipeline.rows import Rows, freeze
from selftrain_assets.pipeline.run import Clock, Run, finish, iteration_scope
from selftrain_assets.pipeline.sampling import open_samples, open_verdicts, teacher
from selftrain_assets.pipeline.weights import resolve
from selftrain_assets.recipes import TriPosT
from selftrain_assets.recipes.tripost.conversation_runner import Responder
from selftrain_assets.recipes.tripost.conversations import Conversations, Role
from selftrain_assets.recipes.tripost.results import TrajectoriesResult
from selftrain_assets.store import Manifest

CORRECT, IMPROVED, GOLD = "correct", "improved", "gold"
SOURCE_OF: dict[str, RowSource] = {CORRECT: "self", IMPROVED: "improved", GOLD: "human"}


def settings_of(run: Run) -> TriPosT:
    assert isinstance(run.config.recipe, TriPosT)
    return run.config.recipe


def script_of(run: Run) -> Script | None:
    """The script that finds and corrects errors. UserError where the settings need one that is
    not there."""
    settings = settings_of(run).feedback
    if settings.script is None:
        found = run.config.task.script
        if found is None and settings.by == "script":
            raise UserError(
                f"recipe.feedback.by: script: task {run.config.task.type} brings no feedback"
                ' script; name yours, feedback.script: "module:object", or set feedback.by: model'
            )
        return found
    module, _, name = settings.script.partition(":")
    try:
        found = getattr(import_module(module), name)
    except Exception as error:  # whatever a person's module raises
        reason = f"{type(error).__name__}: {error}"
        raise UserError(
            f'recipe.feedback.script: "{settings.script}" cannot be imported ({reason}); give'
            " module:object, and put its folder on PYTHONPATH"
        ) from error
    if absent := [
        method for method in ("feedback", "improve") if not callable(getattr(found, method, None))
    ]:
        raise UserError(
            f'recipe.feedback.script: "{settings.script}" has no function {absent[0]}'
            " (domain/attempts.py, Script)"
        )
    return found


def script_version(script: Script | None) -> str:
    """What stands for a script in keys: its `version`, or a hash of its source where it says
    none."""
    if script is None or (version := getattr(script, "version", None)) is not None:
        return str(version) if script is not None else ""
    kind = script if inspect.ismodule(script) else type(script)
    return hashlib.sha256(inspect.getsource(kind).encode()).hexdigest()


def check_prompt(run: Run) -> None:
    """UserError for a chat template that begins a thought: what is said about an attempt goes on
    from the attempt, as its update does."""
    marks = settings_of(run).drawn.thinking.marks(marks_of(resolve_model(run.config.model)))
    if marks and marks.opened_by(run.prompt(run.config.prompt, []).framed("")):
        raise UserError(
            "recipe.type: tripost goes on from the attempts of the policy, and its chat template"
            f" begins each answer within a thought ({marks.start.strip()}); use a template, or"
            " arguments of it, that leave thinking out, or another recipe"
        )


def check_solutions(run: Run, problems: list[Problem]) -> None:
    """UserError for a reference solution that the wording cannot read."""
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


def trajectories(run: Run, iteration: int) -> Manifest:
    """TriPosT: edit each attempt until it is right; every trajectory is kept, with the reason if
    it is not trained on."""
    clock, scope, recipe = Clock(), iteration_scope(iteration), settings_of(run)
    judged, drawn, policy = (
        run.need(scope, stage) for stage in ("verifications", "samples", "policy")
    )
    asked_weights: dict[Role, WeightsRef] = {
        role: teacher(run, scope, setting, asked)
        for role, (setting, asked) in recipe.editors.items()
    }
    script, own = script_of(run), recipe.own(iteration)
    digests = {role: weights.digest for role, weights in asked_weights.items()}
    edited_by = recipe.model_dump(
        include={
            "wording",
            "feedback",
            "improver",
            "max_updates",
            "max_words",
            "filters",
            "sampling",
        }
    )
    key = fingerprint(
        "trajectories",
        "of whole texts",
        judged.digest,
        edited_by,
        own,
        script_version(script),
        digests,
        [run.methods[0].verifier_fingerprint],
    )
    parents = {"verifications": judged.digest, "samples": drawn.digest}
    current = run.done(scope, "trajectories", key, parents)
    if current and not current.result(TrajectoriesResult).infra_error and _is_drawn(run, current):
        return current
    weights = asked_weights | {"policy": policy.result(PolicyResult).weights}
    models = {role: resolve(run.store, reference) for role, reference in weights.items()}
    conversations = Conversations(recipe, run.methods[0].prompt, script, own)
    with run.store.writing(run.name, scope, "trajectories", run.owner):
        attempts = _attempts(run, drawn, judged)
        with Responder(run, models, f"{scope} trajectories", clock) as responder:
            held = list(
                responder.converse(conversations.trajectory(*attempt) for attempt in attempts)
            )
        whole, turns = (
            [each for each, _ in held],
            [turn for _, own_turns in held for turn in own_turns],
        )
        digest = fingerprint(
            "trajectories", key, [asdict(each) for each in whole], [asdict(turn) for turn in turns]
        )
        tables = {"trajectories": (Trajectory, whole), "turns": (Turn, turns)}
        return finish(
            run,
            clock,
            scope,
            "trajectories",
            key=key,
            digest=digest,
            parents=parents,
            tokens=responder.tokens,
            settings=recipe.model_dump(mode="json"),
            result=TrajectoriesResult(
                **_funnel(whole, turns),
                drawn=responder.drawn,
                endings=dict(Counter(each.ending for each in whole)),
                errors=_errors(turns),
                by=_by(turns),
                policy=policy.digest,
                asked=asked_weights,
            ),
            files={
                name: run.store.write_table(run.name, scope, name, digest, record, rows)
                for name, (record, rows) in tables.items()
            },
        )


def _is_drawn(run: Run, made: Manifest) -> bool:
    """Do the pools hold, undamaged, the samples that the turns name?"""
    if run.store.trusts_pools:
        return True
    result = made.result(TrajectoriesResult)
    digests = {result.policy, *(weights.digest for weights in result.asked.values())}
    pools = [run.store.samples(digest) for digest in digests]
    if not all(pool.is_sound() for pool in pools):
        return False
    with run.store.workspace() as ws:
        samples = ws.read(Sample, [file for pool in pools for file in pool.files()])
        turns = ws.read(Turn, [run.store.table(made, "turns")])
        return not ws.row("generation.count_lost_edits", turns=turns, samples=samples)[0]


def _attempts(
    run: Run, drawn: Manifest, judged: Manifest
) -> Iterator[tuple[Problem, str, str, Outcome, bool]]:
    """The samples of the round, each under the verdict on it and whether it was cut off, in
    order; not those that were retracted."""
    problems, retracted = {p.id: p for p in run.train_problems}, set(run.retracted.values("sample"))
    with run.store.workspace() as ws:
        samples, verdicts = open_samples(run, ws, drawn), open_verdicts(run, ws, judged)
        rows = ws.rows("generation.attempts", samples=samples, verdicts=verdicts)
    for problem_id, key, text, outcome, reason in rows:
        if problem_id in problems and key not in retracted:
            yield (
                problems[problem_id],
                key,
                text,
                Outcome(outcome or Outcome.INFRA_ERROR),
                reason != "stop",
            )


def _funnel(whole: list[Trajectory], turns: list[Turn]) -> dict[str, int]:
    """The funnel: attempted, parsable, edited, successful."""
    endings = Counter(each.ending for each in whole)
    return {
        "attempted": len(whole),
        "parsable": (
            len(whole) - sum(endings[name] for name in ("unparsable", "cut_off", "infra_error"))
        ),
        "edited": len({turn.sample_key for turn in turns if turn.update is not None}),
        "successful": sum(each.kept for each in whole),
        CORRECT: endings[CORRECT],
        IMPROVED: endings[IMPROVED],
        "turns": len(turns),
        str(Outcome.INFRA_ERROR): endings["infra_error"],
    }


def _errors(turns: list[Turn]) -> dict[str, int]:
    """How many turns correct an error of each kind."""
    return dict(
        sorted(Counter(turn.kind or "unnamed" for turn in turns if turn.step is not None).items())
    )


def _by(turns: list[Turn]) -> dict[str, dict[str, int]]:
    """Who gave the feedback and the updates, and what the policy's own feedback was worth."""
    said = {
        "feedback": [t.feedback_by for t in turns],
        "updates": [t.update_by for t in turns if t.update_by],
    }
    return {
        name: dict(Counter(by))
        for name, by in (said | {"own feedback": [t.own for t in turns if t.own]}).items()
    }


# -- dataset ---------------------------------------------------------------------------------------


def turn_rows(run: Run, iteration: int) -> dict[str, list[Row]]:
    """Section 3.2: each turn of the kept trajectories as a row, and the reference solutions,
    without duplicates and in the ratio."""
    recipe, retracted = settings_of(run), run.retracted.values("source")
    parts: dict[str, list[Row]] = {CORRECT: [], IMPROVED: [], GOLD: _gold(run, iteration)}
    for i in recipe.sample_rounds(iteration):
        if iteration_scope(i) not in retracted:
            for part, rows in _of_round(run, i).items():
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


def _of_round(run: Run, iteration: int) -> dict[str, list[Row]]:
    made = run.need(iteration_scope(iteration), "trajectories")
    kept = {
        each.sample_key: each
        for each in run.store.read_table(made, "trajectories", Trajectory)
        if each.kept
    }
    problems, retracted = (
        {p.id: p for p in run.train_problems},
        holding(run, made, run.retracted.values("sample")),
    )
    found: dict[str, list[Row]] = {CORRECT: [], IMPROVED: []}
    for turn in run.store.read_table(made, "turns", Turn):
        if (
            turn.sample_key in kept
            and turn.problem_id in problems
            and turn.sample_key not in retracted
        ):
            part = CORRECT if kept[turn.sample_key].ending == CORRECT else IMPROVED
            # that an update is right is no turn of its own
            if part == CORRECT or turn.update is not None:
                found[part].append(
                    _row(run, problems[turn.problem_id], turn, SOURCE_OF[part], iteration)
                )
    return found


def holding(run: Run, made: Manifest, samples: Collection[str]) -> set[str]:
    """The trajectories, by the samples that they begin with, in which one of these samples is an
    attempt, feedback or update."""
    turns = run.store.read_table(made, "turns", Turn) if samples else []
    return {
        t.sample_key
        for t in turns
        if not {t.sample_key, t.feedback_sample, t.update_sample}.isdisjoint(samples)
    }


def _gold(run: Run, iteration: int) -> list[Row]:
    """Reference solutions, each with the feedback that nothing is wrong."""
    wording, rows = settings_of(run).wording, []
    for problem in run.problems:
        if problem.split in ("train", "human") and problem.solution is not None:
            attempt = wording.read(problem.solution) or Attempt((), problem.answer)
            said = wording.write_feedback(Feedback(None), attempt)
            turn = Turn("", 1, problem.id, problem.solution, said, "script", None, None, None, "")
            rows.append(
                replace(_row(run, problem, turn, "human", iteration), sample_key=None, turn=None)
            )
    return rows


def _row(run: Run, problem: Problem, turn: Turn, source: RowSource, iteration: int) -> Row:
    """Sections are tokenized apart, so that their borders lie where sampling has them."""
    wording, weights = settings_of(run).wording, settings_of(run).section_weights
    attempted = weights.attempt if turn.step is None else weights.wrong_attempt
    sections = [
        (turn.attempt.rstrip(), attempted),
        (wording.feedback, weights.feedback),
        (turn.feedback, weights.feedback),
    ]
    if turn.update is not None:
        sections += [(wording.update, weights.update), (turn.update.rstrip(), weights.update)]
    prompt, completion = (
        run.methods[0].prompt.render(problem),
        "".join(text for text, _ in sections),
    )
    measured = json.dumps([[len(text), weight] for text, weight in sections])
    key = row_key(
        prompt,
        completion,
        1.0,
        source,
        turn.sample_key or None,
        measured,
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
        sections=measured,
    )
    return replace(row, ended_by=end)


def edited(run: Run, iteration: int) -> Rows:
    """The rows of a round, frozen."""
    made = [
        run.need(iteration_scope(i), "trajectories").result(TrajectoriesResult)
        for i in settings_of(run).sample_rounds(iteration)
    ]
    parts = turn_rows(run, iteration)
    rows = [row for part in (CORRECT, IMPROVED, GOLD) for row in parts[part]]
    return freeze(run, iteration, rows, _count(rows, made, iteration))


def _count(rows: list[Row], made: list[TrajectoriesResult], iteration: int) -> dict[str, int]:
    own = [row for row in rows if row.source != "human"]
    return {
        "self": len(own),
        "improved": sum(row.source == SOURCE_OF[IMPROVED] for row in own),
        "human": len(rows) - len(own),
        "rationalized": 0,
        "from_earlier_rounds": sum(row.iteration < iteration for row in own),
        "verified": sum(m.attempted for m in made),
        "correct": sum(m.successful for m in made),
        "problems": len({row.problem_id for row in own}),
    }
