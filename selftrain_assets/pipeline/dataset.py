"""dataset: the rows that a round trains on, selected from verified samples by the rules of the
recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.selection import Selection, take_share
from selftrain_assets.domain.types import Judgement, Row, RowSource
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.models.thinking import tokenizer_of
from selftrain_assets.models.tokenization import tokenizer_digest
from selftrain_assets.pipeline.diagnostics import (
    VERSION,
    concentration,
    leaks_in_selection,
    rows_by_problem,
)
from selftrain_assets.pipeline.diversity import diversity
from selftrain_assets.pipeline.references import human_rows, instructed, mixed_in
from selftrain_assets.pipeline.rows import Rows, volumes_of
from selftrain_assets.pipeline.run import INPUTS, Clock, Run, finish, iteration_scope
from selftrain_assets.pipeline.sampling import SAMPLES_OF
from selftrain_assets.pipeline.tokenization import tokenization
from selftrain_assets.pipeline.verification import twice
from selftrain_assets.recipes import MMST
from selftrain_assets.recipes.tripost.stages import edited
from selftrain_assets.store import Manifest, Pool
from selftrain_assets.store.database import Database, relation
from selftrain_assets.store.pool import open_pools
from selftrain_assets.store.selection import (
    ROW_DIGEST,
    ROWS,
    Excluded,
    PairWeight,
    Prompted,
    by_column,
    select,
)


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
        with run.store.database() as db:
            rows = MAKERS[config.recipe.type](run, db, iteration)
        return finish(
            run,
            clock,
            scope,
            "dataset",
            key=key,
            digest=rows.digest,
            parents=parents,
            counts=rows.counts,
            metrics=rows.metrics
            | {
                "diversity": diversity(run, scope, rows.table),
                "tokenization": tokenization(run, scope, rows.table),
            },
            detail=rows.symptoms,
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


def selected(run: Run, db: Database, iteration: int) -> Rows:
    """What the rules of selection keep of the verified samples."""
    mixed = select_rows(
        run,
        db,
        iteration,
        [frozen_verdicts(run, i, stage) for i, stage in evidence_stages(run, iteration)],
    )
    table, digest = run.store.write_query(
        run.name, iteration_scope(iteration), "rows", db, ROWS, ROW_DIGEST
    )
    symptoms = {"concentration": concentration(rows_by_problem(db)), **leaks_in_selection(run, db)}
    return Rows(
        table, digest, _count(run, db, iteration), _volumes(db) | volumes_of(mixed), symptoms
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts of one stage of a round, in a table of Judgement, and the pool that holds
    their samples."""

    iteration: int
    stage: str
    judgements: Path
    samples: Pool


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


def select_rows(
    run: Run, db: Database, iteration: int, judged: list[Judged]
) -> dict[str, list[Row]]:
    """Make the relation `training_rows`: what the recipe selects from these verdicts, less what
    was retracted, and what it mixes in, which is returned by source."""
    open_pools(
        db, "sample_pool", {each.samples.directory: each.samples for each in judged}.values()
    )
    db.execute("CREATE VIEW verified AS " + " UNION ALL ".join(map(_verified, judged)))
    recipe, retracted = run.config.recipe, run.retracted.values("source")
    assert isinstance(recipe, Selection)
    bare = run.answer_prompt if recipe.thoughts == "drop" else lambda *_: None
    prompts = [
        Prompted(
            p.id,
            prompt := m.prompt.render(p),
            m.name or "" if recipe.balance == "method" else p.group,
            m.name,
            bare(m, prompt),
            end,
        )
        for m, end in [(m, run.end(m.prompt)) for m in run.methods]
        for p in run.train_problems
    ]
    human = (
        []
        if "human" in retracted
        else take_share(human_rows(run, iteration), recipe.mix_human, run.config.seed)
    )
    rounds = [i for i in recipe.sample_rounds(iteration) if iteration_scope(i) in retracted]
    excluded = Excluded(sorted(run.retracted.values("sample")), rounds, sorted(retracted))
    pairs, size_match = (
        (recipe.pairs(), recipe.size_match) if isinstance(recipe, MMST) else ({}, "off")
    )
    weights = [PairWeight(origin, method, weight) for (origin, method), weight in pairs.items()]
    tokenizer = tokenizer_digest(tokenizer_of(resolve_model(run.config.model)))
    select(
        db,
        recipe,
        run.config.seed,
        prompts,
        human,
        excluded,
        weights,
        size_match,
        tokenizer,
        _stops(run),
    )
    if db.execute("SELECT count(*) > count(DISTINCT sample_key) FROM candidates")[0][0]:
        raise IntegrityError(twice(run, "samples"))
    return _mix(run, db, iteration)


def _stops(run: Run) -> list[str]:
    """Every text that ends samples of this experiment."""
    sampled = [m.sampling for phase in run.phases.values() for m in phase.methods]
    sampled += [
        phase.config.recipe.translation
        for phase in run.phases.values()
        if isinstance(phase.config.recipe, MMST)
    ]
    return sorted({text for each in sampled for text in each.stop})


def _mix(run: Run, db: Database, iteration: int) -> dict[str, list[Row]]:
    """Add rows of other sources to those that are `chosen`, or put them in place of some."""
    left, mixed = mixed_in(run, db.count("chosen"), iteration)
    db.execute(
        "DELETE FROM chosen WHERE sample_key NOT IN "
        "(SELECT sample_key FROM chosen ORDER BY at_random('mix', sample_key), sample_key"
        " LIMIT $1)",
        left,
    )
    db.load("mixed_rows", Row, by_column([row for rows in mixed.values() for row in rows]))
    db.execute("INSERT INTO human_rows SELECT * FROM mixed_rows ANTI JOIN human_rows USING (key)")
    return mixed


SOURCE_OF: dict[str, RowSource] = {
    "verifications": "self",
    "rationalizations": "rationalized",
    "translations": "translated",
}


def _verified(judged: Judged) -> str:
    return (
        f"SELECT {judged.iteration} AS iteration, '{SOURCE_OF[judged.stage]}' AS source,"
        " sample_key, problem_id, outcome, reward, method, origin, translates FROM"
        f" ({relation(Judgement, [judged.judgements])})"
    )


def _count(run: Run, db: Database, iteration: int) -> dict[str, int]:
    rows, own, human, rationalized, earlier, problems = db.execute(
        "SELECT count(*), count(*) FILTER (source <> 'human'), count(*) FILTER (source = 'human'),"
        " count(*) FILTER (source = 'rationalized'), count(*) FILTER (source <> 'human' AND"
        " iteration < $1), count(DISTINCT problem_id) FILTER (source <> 'human') FROM (SELECT"
        " source, iteration, problem_id FROM chosen UNION ALL SELECT source, iteration, problem_id"
        " FROM human_rows)",
        iteration,
    )[0]
    verified, correct = db.execute(
        "SELECT count(*), count(*) FILTER (outcome = 'pass') FROM verified SEMI JOIN prompts USING"
        " (problem_id)"
    )[0]
    dropped = db.count("correct") - db.count("candidates")
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


def _volumes(db: Database) -> dict[str, Any]:
    """{method: {method its solutions are from, or human: rows}}, where there are several
    methods."""
    found: dict[str, Any] = {}
    for method, origin, rows in db.execute(
        "SELECT method, CASE source WHEN 'human' THEN 'human' ELSE coalesce(origin, method) END,"
        " count(*) FROM training_rows WHERE method IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ):
        found.setdefault(method, {})[origin] = rows
    return {"rows": found} if found else {}


MAKERS: dict[str, Callable[[Run, Database, int], Rows]] = {
    "rest_em": selected,
    "mmst": selected,
    "tripost": edited,
    "diversification": instructed,
}
"""What makes the rows of a round, by recipe."""
