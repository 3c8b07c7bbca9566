"""Stage `trajectories`: correct attempts until they are right.

The algorithm is that of TriPosT (arXiv 2310.13522, section 3.1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.quality_checks import Check, infra_errors
from selftrain_assets.domain.types import Outcome, Problem, Sample, Trajectory, Turn
from selftrain_assets.domain.weights import WeightsRef
from selftrain_assets.pipeline import checks
from selftrain_assets.pipeline.policy import teacher
from selftrain_assets.pipeline.previews import SHOWN, chosen
from selftrain_assets.pipeline.results import PolicyResult
from selftrain_assets.pipeline.run import Clock, Run, Wanted, finish, iteration_scope
from selftrain_assets.pipeline.samples import nothing_failed, open_samples, open_verdicts
from selftrain_assets.pipeline.stage import (
    Bars,
    Preview,
    Records,
    RowPart,
    RowSource,
    StageSpec,
    TableSpec,
)
from selftrain_assets.pipeline.weights import resolve
from selftrain_assets.recipes.tripost.conversation_runner import Responder
from selftrain_assets.recipes.tripost.conversations import Conversations, Role
from selftrain_assets.recipes.tripost.feedback_script import script_of, script_version, settings_of
from selftrain_assets.recipes.tripost.results import TrajectoriesResult
from selftrain_assets.store import Manifest, Store

CORRECT, IMPROVED, GOLD = "correct", "improved", "gold"


def _editors(run: Run, scope: str) -> dict[Role, WeightsRef]:
    """The weights of the models that find errors and improve attempts, by role."""
    return {
        role: teacher(run, scope, setting, model)
        for role, (setting, model) in settings_of(run).editors.items()
    }


def trajectories_wanted(run: Run, iteration: int) -> Wanted:
    """A trajectory for every attempt of the round."""
    scope, recipe = iteration_scope(iteration), settings_of(run)
    judged, drawn = run.need(scope, "verifications"), run.need(scope, "samples")
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
        recipe.own(iteration),
        script_version(script_of(run)),
        {role: weights.digest for role, weights in _editors(run, scope).items()},
        [run.methods[0].verifier_fingerprint],
    )
    parents = {"verifications": judged.digest, "samples": drawn.digest}
    return Wanted(key, parents, complete=nothing_failed)


def trajectories(run: Run, iteration: int) -> Manifest:
    """Edit each attempt until it is right.

    Every trajectory is stored, with the reason if it is not trained on.
    """
    clock, scope, recipe = Clock(), iteration_scope(iteration), settings_of(run)
    judged, drawn, policy = (
        run.need(scope, stage) for stage in ("verifications", "samples", "policy")
    )
    editor_weights = _editors(run, scope)
    script, own = script_of(run), recipe.own(iteration)
    wanted = trajectories_wanted(run, iteration)
    current = run.finished(scope, "trajectories", wanted)
    if current and _is_drawn(run, current):
        return current
    weights = editor_weights | {"policy": policy.result(PolicyResult).weights}
    models = {role: resolve(run.store, reference) for role, reference in weights.items()}
    conversations = Conversations(recipe, run.methods[0].prompt, script, own)
    with run.store.writing(run.name, scope, "trajectories", run.owner):
        attempts = _attempts(run, drawn, judged)
        with Responder(run, models, f"{scope} trajectories", clock) as responder:
            results = list(
                responder.converse(conversations.trajectory(*attempt) for attempt in attempts)
            )
        all_trajectories = [trajectory for trajectory, _ in results]
        turns = [turn for _, own_turns in results for turn in own_turns]
        digest = fingerprint(
            "trajectories",
            wanted.key,
            [asdict(trajectory) for trajectory in all_trajectories],
            [asdict(turn) for turn in turns],
        )
        tables = {"trajectories": (Trajectory, all_trajectories), "turns": (Turn, turns)}
        return finish(
            run,
            clock,
            scope,
            "trajectories",
            key=wanted.key,
            digest=digest,
            parents=wanted.parents,
            tokens=responder.tokens,
            settings=recipe.model_dump(mode="json"),
            result=TrajectoriesResult(
                **_funnel(all_trajectories, turns),
                drawn=responder.drawn,
                endings=dict(Counter(trajectory.ending for trajectory in all_trajectories)),
                errors=_errors(turns),
                by=_authors(turns),
                policy=policy.digest,
                asked=editor_weights,
            ),
            files={
                name: run.store.write_table(run.name, scope, name, digest, record, rows)
                for name, (record, rows) in tables.items()
            },
        )


def _is_drawn(run: Run, manifest: Manifest) -> bool:
    """Whether the pools contain, undamaged, the samples that the turns name."""
    result = manifest.result(TrajectoriesResult)
    digests = {result.policy, *(weights.digest for weights in result.asked.values())}
    pools = [run.store.samples(digest) for digest in digests]
    if not all(pool.is_sound() for pool in pools):
        return False
    with run.store.workspace() as ws:
        samples = ws.read(Sample, [file for pool in pools for file in pool.files()])
        turns = ws.read(Turn, [run.store.table(manifest, "turns")])
        return not ws.row("generation.count_lost_edits", turns=turns, samples=samples)[0]


def _attempts(
    run: Run, drawn: Manifest, judged: Manifest
) -> Iterator[tuple[Problem, str, str, Outcome, bool]]:
    """The samples of the round with their problem, verdict and whether they were cut off, in order.

    Retracted samples are left out.
    """
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


def _funnel(trajectories: list[Trajectory], turns: list[Turn]) -> dict[str, int]:
    """Counts of trajectories: attempted, parsable, edited, successful."""
    endings = Counter(trajectory.ending for trajectory in trajectories)
    return {
        "attempted": len(trajectories),
        "parsable": (
            len(trajectories)
            - sum(endings[name] for name in ("unparsable", "cut_off", "infra_error"))
        ),
        "edited": len({turn.sample_key for turn in turns if turn.update is not None}),
        "successful": sum(trajectory.kept for trajectory in trajectories),
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


def _authors(turns: list[Turn]) -> dict[str, dict[str, int]]:
    """Who gave feedback and updates, and how often the policy's own feedback was right."""
    return {
        "feedback": dict(Counter(turn.feedback_by for turn in turns)),
        "updates": dict(Counter(turn.update_by for turn in turns if turn.update_by)),
        "own feedback": dict(Counter(turn.own for turn in turns if turn.own)),
    }


# -- lineage ---------------------------------------------------------------------------------------


def rows_with(store: Store, manifest: Manifest, samples: Collection[str]) -> set[str]:
    """The trajectories that contain one of these samples as attempt, feedback or update.

    They are named by the samples that they begin with.
    """
    turns = store.read_table(manifest, "turns", Turn) if samples else []
    return {
        turn.sample_key
        for turn in turns
        if not {turn.sample_key, turn.feedback_sample, turn.update_sample}.isdisjoint(samples)
    }


def row_parts(store: Store, manifest: Manifest, row: Mapping[str, Any]) -> list[RowPart]:
    """The feedback on the attempt of a row, and its update, with who gave them."""
    for turn in store.read_table(manifest, "turns", Turn):
        if (turn.sample_key, turn.turn) == (row["sample_key"], row.get("turn")):
            facts = {
                name: value
                for name, value in asdict(turn).items()
                if value is not None and name not in ("sample_key", "problem_id", "turn")
            }
            drawn = [key for key in (turn.feedback_sample, turn.update_sample) if key]
            return [RowPart(kind="turn", name=str(turn.turn), facts=facts, samples=drawn)]
    return []


def right_rows(store: Store, manifest: Manifest) -> list[tuple[str, str]]:
    """The attempts that were corrected, with their problems."""
    return [
        (trajectory.sample_key, trajectory.problem_id)
        for trajectory in store.read_table(manifest, "trajectories", Trajectory)
        if trajectory.ending == IMPROVED
    ]


# -- the stage -------------------------------------------------------------------------------------


def _preview(run: Run, manifest: Manifest) -> Preview:
    """A preview with the funnel and a few turns that correct an error."""
    columns = ("attempt", "feedback", "feedback_by", "update", "update_by", "sample_key")
    with run.store.workspace() as ws:
        turns = ws.read(Turn, [run.store.table(manifest, "turns")])
        rows = ws.dicts("previews.corrections_first", turns=turns, most=SHOWN)
    result = manifest.result(TrajectoriesResult)
    endings = sorted(result.endings.items(), key=lambda item: -item[1])
    steps = {
        "attempted": result.attempted,
        "parsable": result.parsable,
        "edited": result.edited,
        "successful": result.successful,
    }
    return {
        "figure": Bars(
            title="Trajectories",
            values={step: float(count) for step, count in steps.items()},
            axis="trajectories",
        ),
        "endings": Records(columns=("ending", "trajectories"), rows=endings),
        "preview": chosen(columns, rows),
    }


def _infra_errors(run: Run, manifest: Manifest, result: TrajectoriesResult) -> Check:
    return infra_errors(result.infra_error, result.attempted)


TRAJECTORIES = StageSpec(
    name="trajectories",
    description=(
        "TriPosT (arXiv 2310.13522): each attempt with the feedback on its first error and the"
        " update from there on, again until it is right. What does not end right is kept with its"
        " reason and never trained on."
    ),
    after=("verifications", "policy"),
    run=trajectories,
    wanted=trajectories_wanted,
    result=TrajectoriesResult,
    resource="gpu",
    kinds=("huggingface", "parquet"),
    tables=(
        TableSpec(
            name="trajectories",
            record=Trajectory,
            view="trajectories",
            identified_by=("sample_key", "problem_id"),
        ),
        TableSpec(
            name="turns",
            record=Turn,
            view="turns",
            identified_by=("sample_key", "problem_id", "turn"),
            main=False,
        ),
    ),
    shown_as=(Turn, "turns"),
    row_source=RowSource(
        name="improved",
        meaning=(
            "a turn that corrects an attempt sampled from the policy, of a trajectory that ends"
            " right by the verifier"
        ),
    ),
    rows_with=rows_with,
    row_parts=row_parts,
    right_rows=right_rows,
    checks=(
        checks.INTACT,
        replace(checks.INFRA_ERRORS, evaluate=_infra_errors),
    ),
    preview=_preview,
    numbers=lambda result: {
        f"trajectories {ending.replace('_', ' ')}": float(count)
        for ending, count in result.endings.items()
    },
)
