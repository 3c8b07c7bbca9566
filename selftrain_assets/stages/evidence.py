"""Drawing and judging: the two kinds of work that fill pools, used by rounds and by evaluations alike.

What is wanted, committed and owed are relations in a database of bounded memory (store/database.py). A stage works in three steps:
`want` or `recall` its members, draw or judge what is owed of them, and ask the database for what it notes in its manifest.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import groupby, islice

from selftrain_assets.core.errors import InfraError, TaskError
from selftrain_assets.core.plan import Draws
from selftrain_assets.core.sampling import DrawSettings
from selftrain_assets.core.types import Drawing, Request, Sample
from selftrain_assets.engines import Engine
from selftrain_assets.models.loading import Policy
from selftrain_assets.recipes.teachers import ServedTeacher
from selftrain_assets.stages.run import Clock, Run
from selftrain_assets.store import Manifest
from selftrain_assets.store.database import WINDOW, Database, relation


@dataclass(frozen=True, slots=True)
class Position:
    """The prompt at a position of one kind of draws, and the sample that it asks to translate."""

    position: int
    problem_id: str
    prompt: str
    translates: str | None


def want(db: Database, plan: Sequence[Draws]) -> None:
    """Make the table `members`: every draw of `plan`, in order, under its key. `kind` numbers the draws of the plan."""
    db.execute(
        "CREATE OR REPLACE TABLE members (place BIGINT, kind BIGINT, position BIGINT, index BIGINT, key VARCHAR, problem_id VARCHAR, "
        "method VARCHAR, origin VARCHAR, translates VARCHAR)"
    )
    place = 0
    for kind, draws in enumerate(plan):
        ids, prompts = zip(*draws.prompts, strict=True) if draws.prompts else ((), ())
        db.load("positions", Position, [range(len(ids)), ids, prompts, draws.translates or [None] * len(ids)])
        db.execute(
            "INSERT INTO members SELECT $1 + position * $2 + index, $3, position, index, sample_key($4, prompt, index), problem_id, "
            "$5, $6, translates FROM positions, range($2) AS draws(index)",
            place,
            draws.samples_per_problem,
            kind,
            draws.key,
            draws.method,
            draws.origin,
        )
        place += len(draws)


def recall(db: Database, run: Run, manifest: Manifest) -> None:
    """Make the table `members` from what a finished stage drew, and open the pool that holds it."""
    drawn = relation(Drawing, [run.store.table(manifest, manifest.stage)], places=True)
    db.execute(f"CREATE OR REPLACE TABLE members AS {drawn}")
    run.store.samples(manifest.parents["policy"]).open(db, "sample_pool")


@dataclass(frozen=True, slots=True)
class Drawn:
    """How many draws were wanted, how many of them were in the pool before, and what the others cost."""

    wanted: int
    reused: int
    tokens: int


def draw(run: Run, db: Database, policy: Policy, plan: Sequence[Draws], label: str, clock: Clock) -> Drawn:
    """Draw those of `members` that the pool of `policy` does not hold yet, shard by shard."""
    pool, shards = run.store.samples(policy.digest), run.config.execution
    tokens = 0
    with pool.writing(run.owner):
        pool.open(db, "sample_pool")
        db.execute("CREATE OR REPLACE TABLE owed AS SELECT * FROM members ANTI JOIN sample_pool USING (key)")
        total, owed = db.count("members"), db.count("owed")
        done = reused = total - owed
        run.progress(label, done, total)
        if owed:
            source = _drawn if policy.served is None else _taught
            stream = source(run, policy, _requests(db, plan), clock)
            with closing(stream), closing(pool.commit_stream(stream, shards.shard_size, shards.shard_seconds)) as committing:
                for sample in committing:
                    done += 1
                    tokens += sample.completion_tokens
                    run.progress(label, done, total)
        pool.open(db, "sample_pool")
    if missing := db.count("members ANTI JOIN sample_pool USING (key)"):
        raise InfraError(f"{label}: the engine left {missing} of {total} requests unanswered; run again to draw them")
    return Drawn(total, reused, tokens)


def is_drawn(run: Run, plan: Sequence[Draws]) -> bool:
    """Does the pool hold all of this, undamaged? A finished stage may have lost some of it since."""
    if run.store.trusts_pools:
        return True
    pools = [run.store.samples(policy) for policy in {draws.policy for draws in plan}]
    if not all(pool.is_sound() for pool in pools):
        return False
    with run.store.database() as db:
        want(db, plan)
        db.view("sample_pool", Sample, [file for pool in pools for file in pool.files()])
        return not db.count("members ANTI JOIN sample_pool USING (key)")


Window = tuple[str | None, DrawSettings, list[Request]]
"""Requests for one method that share one way of drawing, few enough to be held in memory."""


def _requests(db: Database, plan: Sequence[Draws]) -> Iterator[Window]:
    """What is owed, in order."""
    rows = db.stream("SELECT kind, position, index FROM owed ORDER BY place")
    for kind, owed in groupby(rows, key=lambda row: row[0]):
        requests = (plan[kind].request(position, index) for _, position, index in owed)
        while window := list(islice(requests, WINDOW)):
            yield plan[kind].method, plan[kind].sampling, window


def _drawn(run: Run, policy: Policy, windows: Iterator[Window], clock: Clock) -> Generator[Sample, None, None]:
    """One engine draws for all methods, each with its own weights where they have them."""
    with ExitStack() as held:
        engine: Engine | None = None
        for model, of in groupby(windows, key=lambda window: policy.by(run.ways[window[0]].weights)):
            if engine is None:
                engine = run.config.engine.open(model)
                held.enter_context(engine)
            else:
                engine.use(model)
            yield from _samples(engine, of, policy.digest, clock)


def _taught(run: Run, policy: Policy, windows: Iterator[Window], clock: Clock) -> Generator[Sample, None, None]:
    """By a model that only a server has, whatever the experiment's own engine."""
    teacher = run.config.recipe.teacher
    if not isinstance(teacher, ServedTeacher) or teacher.digest != policy.digest:
        raise TaskError(
            f"{run.name}: the policy of this round is {policy.served} (digest {policy.digest[:12]}), which recipe.teacher no longer "
            f"names; materialize the policy again, or run `selftrain run {run.name}`, which does what is owed in order"
        )
    with teacher.open([(m.prompt.before, m.prompt.after) for m in run.methods]) as engine:
        yield from _samples(engine, windows, policy.digest, clock)


def _samples(engine: Engine, windows: Iterable[Window], policy: str, clock: Clock) -> Generator[Sample, None, None]:
    """Completions bound to their requests. A key that was not asked for, or comes twice, is the engine's fault."""
    name = f"{engine.describe().name} {engine.describe().version}"
    for _, sampling, requests in windows:
        asked = {r.key: r for r in requests}
        completions = engine.generate(requests, sampling)
        while True:
            with clock.working():
                completion = next(completions, None)
            if completion is None:
                break
            request = asked.pop(completion.key, None)
            if request is None:
                raise InfraError(f"engine {name} answered a request that is not open (key {completion.key[:12]}); nothing of it was kept")
            yield Sample(
                request.key,
                request.problem_id,
                request.prompt,
                completion.text,
                request.seed,
                request.index,
                completion.finish_reason,
                completion.prompt_tokens,
                completion.completion_tokens,
                policy,
                name,
            )
