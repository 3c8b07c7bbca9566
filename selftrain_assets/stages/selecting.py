"""dataset: the rows that a round trains on, selected from verified samples by the rules of the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selftrain_assets.core.errors import IntegrityError
from selftrain_assets.core.identity import fingerprint
from selftrain_assets.core.selection import Selection, make_row, take_share
from selftrain_assets.core.types import Judgement, Problem, Row, RowSource
from selftrain_assets.recipes import MMST, TriPosT
from selftrain_assets.stages import trajectories
from selftrain_assets.stages.diversity import diversity
from selftrain_assets.stages.judging import twice
from selftrain_assets.stages.run import INPUTS, Clock, Method, Run, finish, iteration_scope
from selftrain_assets.stages.sampling import SAMPLES_OF
from selftrain_assets.stages.symptoms import VERSION, concentration, leaks_in_selection, rows_by_problem
from selftrain_assets.store import Manifest, Pool
from selftrain_assets.store.database import Database, relation
from selftrain_assets.store.pool import open_pools
from selftrain_assets.store.selection import ROW_DIGEST, ROWS, Excluded, PairWeight, Prompted, select


def dataset(run: Run, iteration: int) -> Manifest:
    """Freeze the rows that the recipe makes of what is verified."""
    if isinstance(run.config.recipe, TriPosT):
        return trajectories.dataset(run, iteration)
    clock, scope, config = Clock(), iteration_scope(iteration), run.config
    judged = {f"{iteration_scope(i)}/{stage}": run.need(iteration_scope(i), stage) for i, stage in evidence_stages(run, iteration)}
    parents = {name: m.digest for name, m in judged.items()} | {"problems": run.need(INPUTS, "problems").digest}
    key = fingerprint("dataset", parents, config.recipe, config.prompt, config.seed, VERSION, *run.retracted.identity())
    if current := run.done(scope, "dataset", key, parents):
        return current
    with run.store.writing(run.name, scope, "dataset", run.owner):
        with run.store.database() as db:
            select_rows(run, db, iteration, [frozen_verdicts(run, i, stage) for i, stage in evidence_stages(run, iteration)])
            table, digest = run.store.write_query(run.name, scope, "rows", db, ROWS, ROW_DIGEST)
            counts, volumes = _count(run, db, iteration), _volumes(db)
            symptoms = {"concentration": concentration(rows_by_problem(db)), **leaks_in_selection(run, db)}
        return finish(
            run,
            clock,
            scope,
            "dataset",
            key=key,
            digest=digest,
            parents=parents,
            counts=counts,
            metrics=volumes | {"diversity": diversity(run, scope, table)},
            detail=symptoms,
            settings=config.recipe.model_dump(mode="json"),
            files={"rows": table},
        )


def evidence_stages(run: Run, iteration: int) -> list[tuple[int, str]]:
    """Rounds and stages whose verdicts a round learns from."""
    stages = ["verifications", *run.config.recipe.own_stages]
    return [(i, stage) for i in run.config.recipe.sample_rounds(iteration) for stage in stages]


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts of one stage of a round, in a table of Judgement, and the pool that holds their samples."""

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


def select_rows(run: Run, db: Database, iteration: int, judged: list[Judged]) -> None:
    """Make the relation `training_rows`: what the recipe selects from these verdicts, less what was retracted."""
    open_pools(db, "sample_pool", {each.samples.directory: each.samples for each in judged}.values())
    db.execute("CREATE VIEW verified AS " + " UNION ALL ".join(map(_verified, judged)))
    recipe, retracted = run.config.recipe, run.retracted.values("source")
    assert isinstance(recipe, Selection)
    prompts = [
        Prompted(p.id, m.prompt.render(p), m.name or "" if recipe.balance == "method" else p.group, m.name)
        for m in run.methods
        for p in run.train_problems
    ]
    human = [] if "human" in retracted else take_share(human_rows(run, iteration), recipe.mix_human, run.config.seed)
    rounds = [i for i in recipe.sample_rounds(iteration) if iteration_scope(i) in retracted]
    excluded = Excluded(sorted(run.retracted.values("sample")), rounds, sorted(retracted))
    pairs, size_match = (recipe.pairs(), recipe.size_match) if isinstance(recipe, MMST) else ({}, "off")
    weights = [PairWeight(origin, method, weight) for (origin, method), weight in pairs.items()]
    select(db, recipe, run.config.seed, prompts, human, excluded, weights, size_match)
    if db.execute("SELECT count(*) > count(DISTINCT sample_key) FROM candidates")[0][0]:
        raise IntegrityError(twice(run, "samples"))


SOURCE_OF: dict[str, RowSource] = {"verifications": "self", "rationalizations": "rationalized", "translations": "translated"}


def _verified(judged: Judged) -> str:
    return (
        f"SELECT {judged.iteration} AS iteration, '{SOURCE_OF[judged.stage]}' AS source, sample_key, problem_id, outcome, reward, method, "
        f"origin, translates FROM ({relation(Judgement, [judged.judgements])})"
    )


def human_rows(run: Run, iteration: int) -> list[Row]:
    """Rows of the human problems: their solution by each method, and for each pair of methods one as the translation of the other."""
    human = [p for p in run.problems if p.split == "human"]
    solved = {(m.name, p.id): text for m in run.methods for p in human if (text := m.solution(p))}
    asked: list[tuple[Method, Method | None, Problem]] = [(to, None, p) for to in run.methods for p in human]
    asked += [(to, by, p) for by in run.methods for to in run.methods if by is not to for p in human if (by.name, p.id) in solved]
    rows = []
    for to, by, p in asked:
        if (to.name, p.id) in solved:
            prompt = to.prompt.render(p) if by is None else to.translate(p, solved[by.name, p.id])
            rows.append(
                make_row(prompt, solved[to.name, p.id], 1.0, "human", p.id, iteration, method=to.name, origin=by.name if by else None)
            )
    return rows


def _count(run: Run, db: Database, iteration: int) -> dict[str, int]:
    rows, own, human, rationalized, earlier, problems = db.execute(
        "SELECT count(*), count(*) FILTER (source <> 'human'), count(*) FILTER (source = 'human'), "
        "count(*) FILTER (source = 'rationalized'), count(*) FILTER (source <> 'human' AND iteration < $1), "
        "count(DISTINCT problem_id) FILTER (source <> 'human') "
        "FROM (SELECT source, iteration, problem_id FROM chosen UNION ALL SELECT source, iteration, problem_id FROM human_rows)",
        iteration,
    )[0]
    verified, correct = db.execute(
        "SELECT count(*), count(*) FILTER (outcome = 'pass') FROM verified SEMI JOIN prompts USING (problem_id)"
    )[0]
    return {
        "rows": rows,
        "self": own,
        "human": human,
        "rationalized": rationalized,
        "from_earlier_rounds": earlier,
        "verified": verified,
        "correct": correct,
        "problems": problems,
    }


def _volumes(db: Database) -> dict[str, Any]:
    """{method: {method its solutions are from, or human: rows}}, where there are several methods."""
    found: dict[str, Any] = {}
    for method, origin, rows in db.execute(
        "SELECT method, CASE source WHEN 'human' THEN 'human' ELSE coalesce(origin, method) END, count(*) FROM training_rows "
        "WHERE method IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ):
        found.setdefault(method, {})[origin] = rows
    return {"rows": found} if found else {}
