"""Stage `dataset`: select the training rows of a round from verified samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from selftrain_assets.domain.errors import IntegrityError, UserError
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.selection import Selection, take_share
from selftrain_assets.domain.types import Row, Sample, VerdictMembership
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.models.tokenization import cached_tokenizer, tokenizer_digest
from selftrain_assets.pipeline import checks
from selftrain_assets.pipeline.diagnostics import VERSION, concentration, leaks_in_selection
from selftrain_assets.pipeline.diversity import diversity
from selftrain_assets.pipeline.previews import first_records
from selftrain_assets.pipeline.recipe import evidence_stage, implementation_of
from selftrain_assets.pipeline.references import human_rows, mix_in
from selftrain_assets.pipeline.results import DatasetResult
from selftrain_assets.pipeline.rows import Rows, volumes_of
from selftrain_assets.pipeline.run import (
    INPUTS,
    Clock,
    Run,
    Wanted,
    finish,
    iteration_scope,
)
from selftrain_assets.pipeline.stage import Bars, Preview, StageSpec, TableSpec
from selftrain_assets.pipeline.tokenization import tokenization
from selftrain_assets.pipeline.verification import duplicate_key_message
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


def dataset_wanted(run: Run, iteration: int) -> Wanted:
    """The rows that the recipe makes from verified samples or from reference solutions."""
    config = run.config
    evidence = {
        f"{iteration_scope(i)}/{stage}": run.need(iteration_scope(i), stage)
        for i, stage in evidence_stages(run, iteration)
    }
    parents = {name: manifest.digest for name, manifest in evidence.items()} | {
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
    return Wanted(key, parents)


def dataset(run: Run, iteration: int) -> Manifest:
    """Build the training rows of a round and store them."""
    clock, scope, recipe = Clock(), iteration_scope(iteration), run.config.recipe
    wanted = dataset_wanted(run, iteration)
    if current := run.finished(scope, "dataset", wanted):
        return current
    with run.store.writing(run.name, scope, "dataset", run.owner):
        rows = implementation_of(recipe).build_dataset(run, iteration)
        return finish(
            run,
            clock,
            scope,
            "dataset",
            key=wanted.key,
            digest=rows.digest,
            parents=wanted.parents,
            result=rows.result.model_copy(
                update={
                    "diversity": diversity(run, scope, rows.table),
                    "tokenization": tokenization(run, scope, rows.table),
                }
            ),
            settings=recipe.model_dump(mode="json"),
            files={"rows": rows.table},
        )


def evidence_stages(run: Run, iteration: int) -> list[tuple[int, str]]:
    """The rounds and stages whose results a round learns from."""
    return [
        (i, stage)
        for i in run.config.recipe.sample_rounds(iteration)
        for stage in run.config.recipe.learns_from
    ]


def build_selected_dataset(run: Run, iteration: int) -> Rows:
    """Build the rows that the recipe's selection rules keep of the verified samples."""
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
            rows_by_source=dict(ws.rows("selection.rows_by_source", chosen=chosen)),
            rows_by_method=_volumes(ws, selection.rows),
            mixed=volumes_of(selection.mixed),
            concentration=concentration(rows_by_problem),
            **leaks_in_selection(run, ws, chosen, selection.samples, other_rows),
        )
        return Rows(table, digest, result)


@dataclass(frozen=True, slots=True)
class StageVerdicts:
    """The verdicts of one stage of a round, with the pool that contains their samples.

    The verdicts are a table of VerdictMembership.
    """

    iteration: int
    source: str
    judgements: Path
    samples: Pool[Sample]


def frozen_verdicts(run: Run, iteration: int, stage: str) -> StageVerdicts:
    """The verdicts that a finished stage committed."""
    finished = run.need(iteration_scope(iteration), stage)
    spec, recipe = evidence_stage(run.config.recipe, stage), run.config.recipe
    if spec.samples is None or spec.row_source is None:
        raise UserError(
            f"recipe {recipe.type}: it learns from its stage {stage}, which judges no samples that"
            f" could become rows; leave {stage} out of `learns_from`, or build rows of its own"
            " (`build_dataset`)"
        )
    drawn = run.need(finished.scope, spec.samples)
    return StageVerdicts(
        iteration,
        spec.row_source.name,
        run.store.table(finished, stage),
        run.store.samples(drawn.parents["policy"]),
    )


@dataclass(frozen=True, slots=True)
class Selected:
    """The rows of a round, with the relations that they were selected from.

    Verified samples are narrowed down to correct and to chosen ones. Rows that come from no sample
    are added; `mixed` contains those of them that are from other sources.
    """

    rows: Relation[Row]
    verified: Relation[VerifiedSample]
    samples: Relation[Sample]
    prompts: Relation[Prompted]
    correct: Relation[CorrectSample]
    chosen: Relation[ChosenSample]
    other_rows: Relation[Row]
    mixed: dict[str, list[Row]]


def select_rows(run: Run, ws: Workspace, iteration: int, judged: list[StageVerdicts]) -> Selected:
    """Select rows from verdicts, without retracted samples, and mix in other sources.

    Raises:
        IntegrityError: A sample is in its pool twice.
    """
    recipe, retracted = run.config.recipe, run.retracted.values("source")
    rules = _rules(run)
    pools = {stage.samples.directory: stage.samples for stage in judged}
    samples = ws.pools(Sample, pools.values())
    verified = ws.union(VerifiedSample, [_verified(ws, stage) for stage in judged])
    prompts = ws.load_records(_prompts(run, rules), Prompted)
    rounds = [i for i in recipe.sample_rounds(iteration) if iteration_scope(i) in retracted]
    excluded = Excluded(sorted(run.retracted.values("sample")), rounds, sorted(retracted))
    correct = correct_samples(ws, verified, samples, prompts, rules, excluded)
    if ws.row("selection.samples_are_repeated", correct=correct)[0]:
        raise IntegrityError(duplicate_key_message(run, "samples"))
    weights = [
        PairWeight(origin, method, weight) for (origin, method), weight in recipe.pairs().items()
    ]
    chosen = chosen_samples(
        ws, correct, rules, run.config.seed, excluded, weights, recipe.rows_per_method
    )
    own_left, mixed = mix_in(run, ws.count(chosen), iteration)
    chosen = ws.table(
        ChosenSample,
        "selection.first_at_random",
        chosen=chosen,
        seed=run.config.seed,
        most=own_left,
    )
    human = (
        []
        if "human" in retracted
        else take_share(human_rows(run, iteration), rules.mix_human, run.config.seed)
    )
    known = {row.key for row in human}
    other_rows = ws.load_records(
        [*human, *(row for rows in mixed.values() for row in rows if row.key not in known)], Row
    )
    ends = LearntEnds(
        tokenizer_digest(cached_tokenizer(resolve_model(run.config.model))), _stops(run)
    )
    rows = training_rows(ws, chosen, samples, prompts, ends, other_rows)
    return Selected(rows, verified, samples, prompts, correct, chosen, other_rows, mixed)


def _rules(run: Run) -> Selection:
    """The recipe's rules of selection.

    Raises:
        TypeError: The recipe has none.
    """
    rules: Selection | None = run.config.recipe.selection
    if rules is None:
        raise TypeError(f"recipe {run.config.recipe.type} is no Selection, and selects its rows")
    return rules


def _prompts(run: Run, rules: Selection) -> Iterator[Prompted]:
    """The training prompt of every problem, by each method."""
    for method in run.methods:
        end = run.end(method.prompt)
        for problem in run.train_problems:
            prompt = method.prompt.render(problem)
            stratum = method.name or "" if rules.balance == "method" else problem.group
            answer_prompt = run.answer_prompt(method, prompt) if rules.thoughts == "drop" else None
            yield Prompted(problem.id, prompt, stratum, method.name, answer_prompt, end)


def _stops(run: Run) -> list[str]:
    """Every stop text that can end a sample of this experiment."""
    stops: set[str] = set()
    for phase in run.phases.values():
        stops.update(*(method.sampling.stop for method in phase.methods))
        stops.update(*(sampling.stop for sampling in phase.config.recipe.own_sampling))
    return sorted(stops)


def _verified(ws: Workspace, judged: StageVerdicts) -> Relation[VerifiedSample]:
    return ws.view(
        VerifiedSample,
        "selection.verified_samples",
        verdicts=ws.read(VerdictMembership, [judged.judgements]),
        iteration=judged.iteration,
        source=judged.source,
    )


def _count(run: Run, ws: Workspace, selection: Selected, iteration: int) -> dict[str, int]:
    rows, own, human, earlier, problems = ws.row(
        "selection.count_rows",
        chosen=selection.chosen,
        other_rows=selection.other_rows,
        iteration=iteration,
    )
    verified, correct = ws.row(
        "selection.count_verified", verified=selection.verified, prompts=selection.prompts
    )
    (dropped,) = ws.row(
        "selection.count_cut_off", correct=selection.correct, cut_off=_rules(run).cut_off
    )
    return {
        "rows": rows,
        "self": own,
        "human": human,
        "from_earlier_rounds": earlier,
        "verified": verified,
        "correct": correct,
        "cut_off": dropped,
        "problems": problems,
    }


def _volumes(ws: Workspace, rows: Relation[Row]) -> dict[str, dict[str, int]] | None:
    """Count rows by their method and by the method that their solution is from.

    Returns:
        {method: {method of the solution, or "human": rows}}; None for an experiment with one
        method.
    """
    volumes: dict[str, dict[str, int]] = {}
    for method, origin, count in ws.rows("selection.rows_by_method", rows=rows):
        volumes.setdefault(method, {})[origin] = count
    return volumes or None


def _preview(run: Run, manifest: Manifest) -> Preview:
    rows = manifest.result(DatasetResult)
    columns = ("prompt", "completion", "source", "weight", "sample_key")
    counts = {
        "judged": rows.verified,
        "correct": rows.correct,
        "kept": rows.own,
        "with human rows": rows.rows,
    }
    return {
        "figure": Bars(
            title="From samples to training rows",
            values={label: float(count) for label, count in counts.items()},
            axis="samples, then rows",
        ),
        "preview": first_records(run, manifest, "rows", Row, columns),
    }


DATASET = StageSpec(
    name="dataset",
    description=(
        "The training rows that the recipe selects: threshold, distinct solutions, cap, balance,"
        " weight, human, mix. Each names its sample, but for reference solutions."
    ),
    after=("problems", "verifications"),
    run=dataset,
    wanted=dataset_wanted,
    result=DatasetResult,
    tables=(TableSpec(name="rows", record=Row, view="rows"),),
    checks=checks.ROWS,
    preview=_preview,
)
