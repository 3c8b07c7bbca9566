"""dataset: the rows that a round trains on, selected from verified samples by the rules of the
recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.selection import Selection, take_share
from selftrain_assets.domain.types import Row, RowSource, Sample, VerdictMembership
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.models.thinking import tokenizer_of
from selftrain_assets.models.tokenization import tokenizer_digest
from selftrain_assets.pipeline.diagnostics import VERSION, concentration, leaks_in_selection
from selftrain_assets.pipeline.diversity import diversity
from selftrain_assets.pipeline.references import human_rows, instructed, mixed_in
from selftrain_assets.pipeline.results import DatasetResult
from selftrain_assets.pipeline.rows import Rows, volumes_of
from selftrain_assets.pipeline.run import INPUTS, Clock, Run, finish, iteration_scope
from selftrain_assets.pipeline.sampling import SAMPLES_OF
from selftrain_assets.pipeline.tokenization import tokenization
from selftrain_assets.pipeline.verification import duplicate_key_message
from selftrain_assets.recipes import MMST
from selftrain_assets.recipes.tripost.stages import edited
from selftrain_assets.store import Manifest, Pool
from selftrain_assets.store.selection import (
    ROW_DIGEST,
    ChosenSample,
    CorrectSample,
    Excluded,
    LearntEnds,
    PairWeight,
    Prompted,
    VerifiedSample,
    chosen_samples,
    correct_samples,
    training_rows,
)
from selftrain_assets.store.workspace import Relation, Workspace


def dataset(run: Run, iteration: int) -> Manifest:
    """Freeze the rows that the recipe makes of what is verified, or of reference solutions."""
    clock, scope, config = Clock(), iteration_scope(iteration), run.config
    made = {
        f"{iteration_scope(i)}/{stage}": run.need(iteration_scope(i), stage)
        for i, stage in evidence_stages(run, iteration)
    }
    parents = {name: m.digest for name, m in made.items()} | {
        "problems": run.need(INPUTS, "problems").digest
    }
    sources = [config.sources] if config.sources else []
    key = fingerprint(
        "dataset",
        parents,
        config.recipe,
        config.prompt,
        config.seed,
        VERSION,
        *sources,
        *run.retracted.identity(),
    )
    if current := run.done(scope, "dataset", key, parents):
        return current
    with run.store.writing(run.name, scope, "dataset", run.owner):
        rows = MAKERS[config.recipe.type](run, iteration)
        return finish(
            run,
            clock,
            scope,
            "dataset",
            key=key,
            digest=rows.digest,
            parents=parents,
            result=rows.result.model_copy(
                update={
                    "diversity": diversity(run, scope, rows.table),
                    "tokenization": tokenization(run, scope, rows.table),
                }
            ),
            settings=config.recipe.model_dump(mode="json"),
            files={"rows": rows.table},
        )


def evidence_stages(run: Run, iteration: int) -> list[tuple[int, str]]:
    """Rounds and stages whose results a round learns from."""
    return [
        (i, stage)
        for i in run.config.recipe.sample_rounds(iteration)
        for stage in run.config.recipe.learns_from
    ]


def selected(run: Run, iteration: int) -> Rows:
    """What the rules of selection keep of the verified samples."""
    with run.store.workspace() as ws:
        selection = select_rows(
            run,
            ws,
            iteration,
            [frozen_verdicts(run, i, stage) for i, stage in evidence_stages(run, iteration)],
        )
        chosen, other_rows = selection.chosen, selection.other_rows
        table, digest = run.store.write_relation(
            run.name, iteration_scope(iteration), "rows", ws, selection.rows, ROW_DIGEST
        )
        rows_by_problem = dict(ws.rows("selection.rows_by_problem", chosen=chosen))
        result = DatasetResult(
            **_count(run, ws, selection, iteration),
            rows_by_method=_volumes(ws, selection.rows),
            mixed=volumes_of(selection.mixed),
            concentration=concentration(rows_by_problem),
            **leaks_in_selection(run, ws, chosen, selection.samples, other_rows),
        )
        return Rows(table, digest, result)


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts of one stage of a round, in a table of VerdictMembership, and the pool that
    holds their samples."""

    iteration: int
    stage: str
    judgements: Path
    samples: Pool[Sample]


def frozen_verdicts(run: Run, iteration: int, stage: str) -> Judged:
    """Those of a finished stage."""
    finished = run.need(iteration_scope(iteration), stage)
    drawn = run.need(finished.scope, SAMPLES_OF[stage])
    return Judged(
        iteration,
        stage,
        run.store.table(finished, stage),
        run.store.samples(drawn.parents["policy"]),
    )


@dataclass(frozen=True, slots=True)
class Selected:
    """The rows of a round, and how they came about: from verified samples to correct and to
    chosen ones, and beside these rows of no sample, of which `mixed` holds those of other
    sources."""

    rows: Relation[Row]
    verified: Relation[VerifiedSample]
    samples: Relation[Sample]
    prompts: Relation[Prompted]
    correct: Relation[CorrectSample]
    chosen: Relation[ChosenSample]
    other_rows: Relation[Row]
    mixed: dict[str, list[Row]]


def select_rows(run: Run, ws: Workspace, iteration: int, judged: list[Judged]) -> Selected:
    """What the recipe selects from these verdicts, less what was retracted, and what it mixes in.

    Raises:
        IntegrityError: A sample is in its pool twice.
    """
    recipe, retracted = run.config.recipe, run.retracted.values("source")
    assert isinstance(recipe, Selection)
    samples = ws.pools(Sample, {each.samples.directory: each.samples for each in judged}.values())
    verified = ws.union(VerifiedSample, [_verified(ws, each) for each in judged])
    prompts = ws.load_records(_prompts(run, recipe), Prompted)
    rounds = [i for i in recipe.sample_rounds(iteration) if iteration_scope(i) in retracted]
    excluded = Excluded(sorted(run.retracted.values("sample")), rounds, sorted(retracted))
    correct = correct_samples(ws, verified, samples, prompts, recipe, excluded)
    if ws.row("selection.samples_are_repeated", correct=correct)[0]:
        raise IntegrityError(duplicate_key_message(run, "samples"))
    pairs, size_match = (
        (recipe.pairs(), recipe.size_match) if isinstance(recipe, MMST) else ({}, "off")
    )
    weights = [PairWeight(origin, method, weight) for (origin, method), weight in pairs.items()]
    chosen = chosen_samples(ws, correct, recipe, run.config.seed, excluded, weights, size_match)
    left, mixed = mixed_in(run, ws.count(chosen), iteration)
    chosen = ws.table(
        ChosenSample, "selection.first_at_random", chosen=chosen, seed=run.config.seed, most=left
    )
    human = (
        []
        if "human" in retracted
        else take_share(human_rows(run, iteration), recipe.mix_human, run.config.seed)
    )
    known = {row.key for row in human}
    other_rows = ws.load_records(
        [*human, *(row for rows in mixed.values() for row in rows if row.key not in known)], Row
    )
    ends = LearntEnds(tokenizer_digest(tokenizer_of(resolve_model(run.config.model))), _stops(run))
    rows = training_rows(ws, chosen, samples, prompts, ends, other_rows)
    return Selected(rows, verified, samples, prompts, correct, chosen, other_rows, mixed)


def _prompts(run: Run, recipe: Selection) -> Iterator[Prompted]:
    """What every training problem is asked by each method."""
    for method in run.methods:
        end = run.end(method.prompt)
        for problem in run.train_problems:
            prompt = method.prompt.render(problem)
            stratum = method.name or "" if recipe.balance == "method" else problem.group
            answer_prompt = run.answer_prompt(method, prompt) if recipe.thoughts == "drop" else None
            yield Prompted(problem.id, prompt, stratum, method.name, answer_prompt, end)


def _stops(run: Run) -> list[str]:
    """Every text that ends samples of this experiment."""
    sampled = [m.sampling for phase in run.phases.values() for m in phase.methods]
    sampled += [
        phase.config.recipe.translation
        for phase in run.phases.values()
        if isinstance(phase.config.recipe, MMST)
    ]
    return sorted({text for each in sampled for text in each.stop})


SOURCE_OF: dict[str, RowSource] = {
    "verifications": "self",
    "rationalizations": "rationalized",
    "translations": "translated",
}


def _verified(ws: Workspace, judged: Judged) -> Relation[VerifiedSample]:
    return ws.view(
        VerifiedSample,
        "selection.verified_samples",
        verdicts=ws.read(VerdictMembership, [judged.judgements]),
        iteration=judged.iteration,
        source=SOURCE_OF[judged.stage],
    )


def _count(run: Run, ws: Workspace, selection: Selected, iteration: int) -> dict[str, int]:
    rows, own, human, rationalized, earlier, problems = ws.row(
        "selection.count_rows",
        chosen=selection.chosen,
        other_rows=selection.other_rows,
        iteration=iteration,
    )
    verified, correct = ws.row(
        "selection.count_verified", verified=selection.verified, prompts=selection.prompts
    )
    assert isinstance(run.config.recipe, Selection)
    (dropped,) = ws.row(
        "selection.count_cut_off", correct=selection.correct, cut_off=run.config.recipe.cut_off
    )
    return {
        "rows": rows,
        "self": own,
        "human": human,
        "rationalized": rationalized,
        "from_earlier_rounds": earlier,
        "verified": verified,
        "correct": correct,
        "cut_off": dropped,
        "problems": problems,
    }


def _volumes(ws: Workspace, rows: Relation[Row]) -> dict[str, dict[str, int]] | None:
    """{method: {method its solutions are from, or human: rows}}, where there are several
    methods."""
    volumes: dict[str, dict[str, int]] = {}
    for method, origin, count in ws.rows("selection.rows_by_method", rows=rows):
        volumes.setdefault(method, {})[origin] = count
    return volumes or None


MAKERS: dict[str, Callable[[Run, int], Rows]] = {
    "rest_em": selected,
    "mmst": selected,
    "tripost": edited,
    "diversification": instructed,
}
"""What makes the rows of a round, by recipe."""
