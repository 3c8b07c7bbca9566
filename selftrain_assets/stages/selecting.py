"""dataset: the rows that a round trains on, selected from verified samples by the rules of the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from selftrain_assets.core.errors import IntegrityError
from selftrain_assets.core.identity import fingerprint
from selftrain_assets.core.selection import human_rows, take_share
from selftrain_assets.core.types import Judgement, Sample
from selftrain_assets.stages.judging import twice
from selftrain_assets.stages.run import INPUTS, Clock, Run, finish, iteration_scope
from selftrain_assets.stages.sampling import SAMPLES_OF
from selftrain_assets.store import Manifest, Pool
from selftrain_assets.store.database import Database, relation
from selftrain_assets.store.selection import ROW_DIGEST, ROWS, Excluded, Prompted, select


def dataset(run: Run, iteration: int) -> Manifest:
    """Freeze the rows that the recipe selects from verified samples."""
    clock, scope, config = Clock(), iteration_scope(iteration), run.config
    judged = {f"{iteration_scope(i)}/{stage}": run.need(iteration_scope(i), stage) for i, stage in evidence_stages(run, iteration)}
    parents = {name: m.digest for name, m in judged.items()} | {"problems": run.need(INPUTS, "problems").digest}
    key = fingerprint("dataset", parents, config.recipe, config.prompt, config.seed, *run.retracted.identity())
    if current := run.done(scope, "dataset", key, parents):
        return current
    with run.store.writing(run.name, scope, "dataset", run.owner), run.store.database() as db:
        select_rows(run, db, iteration, [frozen_verdicts(run, i, stage) for i, stage in evidence_stages(run, iteration)])
        table, digest = run.store.write_query(run.name, scope, "rows", db, ROWS, ROW_DIGEST)
        return finish(
            run,
            clock,
            scope,
            "dataset",
            key=key,
            digest=digest,
            parents=parents,
            counts=_count(run, db, iteration),
            settings=config.recipe.model_dump(mode="json"),
            files={"rows": table},
        )


def evidence_stages(run: Run, iteration: int) -> list[tuple[int, str]]:
    """Rounds and stages whose verdicts a round learns from."""
    stages = ["verifications", *(["rationalizations"] if run.config.recipe.rationalize else [])]
    return [(i, stage) for i in run.config.recipe.sample_rounds(iteration) for stage in stages]


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts of one stage of a round, in a table of Judgement, and the pool that holds their samples."""

    iteration: int
    judgements: Path
    samples: Pool


def frozen_verdicts(run: Run, iteration: int, stage: str) -> Judged:
    """Those of a finished stage."""
    finished = run.need(iteration_scope(iteration), stage)
    drawn = run.need(finished.scope, SAMPLES_OF[stage])
    return Judged(
        iteration,
        run.store.table(finished, stage),
        run.store.samples(drawn.parents["policy"]),
    )


def select_rows(run: Run, db: Database, iteration: int, judged: list[Judged]) -> None:
    """Make the relation `training_rows`: what the recipe selects from these verdicts, less what was retracted."""
    pools = {each.samples.directory: each.samples for each in judged}.values()
    for pool in pools:
        pool.check()
    db.view("sample_pool", Sample, [file for pool in pools for file in pool.files()])
    db.execute("CREATE VIEW verified AS " + " UNION ALL ".join(map(_verified, judged)))
    prompts = [Prompted(p.id, run.prompt.render(p), p.group) for p in run.train_problems]
    retracted = run.retracted.values("source")
    human = [] if "human" in retracted else human_rows(run.problems, run.prompt.render, iteration)
    human = take_share(human, run.config.recipe.mix_human, run.config.seed)
    rounds = [i for i in run.config.recipe.sample_rounds(iteration) if iteration_scope(i) in retracted]
    excluded = Excluded(sorted(run.retracted.values("sample")), rounds, sorted(retracted))
    select(db, run.config.recipe, run.config.seed, prompts, human, excluded)
    if db.execute("SELECT count(*) > count(DISTINCT sample_key) FROM candidates")[0][0]:
        raise IntegrityError(twice(run, "samples"))


def _verified(judged: Judged) -> str:
    return (
        f"SELECT {judged.iteration} AS iteration, sample_key, problem_id, outcome, reward FROM ({relation(Judgement, [judged.judgements])})"
    )


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
