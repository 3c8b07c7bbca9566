"""Drawing and judging: the two kinds of work that fill pools, used by rounds and by evaluations
alike.

What is wanted, committed and owed are relations in a database of bounded memory
(store/database.py). A stage works in three steps: `want` or `recall` its members, draw or judge
what is owed of them, and ask the database for what it notes in its manifest.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import groupby, islice

from selftrain_assets.domain.errors import InfraError, TaskError
from selftrain_assets.domain.requests import Draws
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Drawing, Request, Sample
from selftrain_assets.engines import Engine
from selftrain_assets.engines.thinking import within_budget
from selftrain_assets.models.fitness import require_usable
from selftrain_assets.models.loading import ModelRef, Policy
from selftrain_assets.models.thinking import answer_of, marks_of, tokenizer_of
from selftrain_assets.models.tokenization import check_tokenizer
from selftrain_assets.pipeline.fitness import require_fit
from selftrain_assets.pipeline.run import Clock, Run
from selftrain_assets.recipes.teachers import ServedTeacher
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
    """Make the table `members`: every draw of `plan`, in order, under its key. `kind` numbers
    the draws of the plan."""
    db.execute(
        "CREATE OR REPLACE TABLE members (place BIGINT, kind BIGINT, position BIGINT, index BIGINT,"
        " key VARCHAR, problem_id VARCHAR, method VARCHAR, origin VARCHAR, translates VARCHAR)"
    )
    place = 0
    for kind, draws in enumerate(plan):
        ids, prompts = zip(*draws.prompts, strict=True) if draws.prompts else ((), ())
        db.load(
            "positions",
            Position,
            [range(len(ids)), ids, prompts, draws.translates or [None] * len(ids)],
        )
        db.execute(
            "INSERT INTO members SELECT $1 + position * $2 + index, $3, position, index,"
            " sample_key($4, prompt, index), problem_id, $5, $6, translates FROM positions,"
            " range($2) AS draws(index)",
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
    """How many draws were wanted, how many of them were in the pool before, and what the others
    cost."""

    wanted: int
    reused: int
    tokens: int


def draw(
    run: Run,
    db: Database,
    policy: Policy,
    plan: Sequence[Draws],
    label: str,
    clock: Clock,
    engines: OpenEngines | None = None,
) -> Drawn:
    """Draw those of `members` that the pool of `policy` does not hold yet, shard by shard. What
    `engines` opens stays open."""
    pool, shards = run.store.samples(policy.digest), run.config.execution
    tokens = 0
    with pool.writing(run.owner):
        pool.open(db, "sample_pool")
        db.execute(
            "CREATE OR REPLACE TABLE owed AS SELECT * FROM members ANTI JOIN sample_pool USING"
            " (key)"
        )
        total, owed = db.count("members"), db.count("owed")
        done = reused = total - owed
        run.progress(label, done, total)
        if owed:
            with ExitStack() as held:
                opened = engines or held.enter_context(OpenEngines(run))
                stream = held.enter_context(
                    closing(opened.samples(policy, _requests(db, plan), clock))
                )
                for sample in held.enter_context(
                    closing(pool.commit_stream(stream, shards.shard_size, shards.shard_seconds))
                ):
                    done += 1
                    tokens += sample.completion_tokens
                    run.progress(label, done, total)
        pool.open(db, "sample_pool")
    if missing := db.count("members ANTI JOIN sample_pool USING (key)"):
        raise InfraError(
            f"{label}: the engine left {missing} of {total} requests unanswered; run again to draw"
            " them"
        )
    return Drawn(total, reused, tokens)


def is_drawn(run: Run, plan: Sequence[Draws]) -> bool:
    """Does the pool hold all of this, undamaged? A finished stage may have lost some of it
    since."""
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


class OpenEngines:
    """Engines for the models that a stage asks, each opened when it is first needed. Of those
    that run on this machine one is open at a time, so that a policy and a teacher need not fit
    into its memory together."""

    def __init__(self, run: Run) -> None:
        require_fit(run)
        self._run = run
        self._here: tuple[str, Engine] | None = None
        self._served: dict[str, Engine] = {}
        self._held, self._local = ExitStack(), ExitStack()

    def __enter__(self) -> OpenEngines:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._held:
            self._local.close()

    def samples(
        self, policy: Policy, windows: Iterator[Window], clock: Clock
    ) -> Generator[Sample, None, None]:
        """One engine draws for all methods, each with its own weights where they have them."""
        if policy.served is not None:
            yield from _samples(self._asked(policy), windows, policy.digest, clock)
            return
        for model, of in groupby(
            windows, key=lambda window: policy.by(self._run.ways[window[0]].weights)
        ):
            yield from _samples(self._opened(policy, model), of, policy.digest, clock, model)

    def _opened(self, policy: Policy, model: ModelRef) -> Engine:
        check_tokenizer(model)
        if self._here is not None and self._here[0] == policy.digest:
            require_usable(model)
            self._here[1].use(model)
            return self._here[1]
        self._local.close()
        require_usable(model)
        engine = self._run.config.engine.open(model)
        self._local.enter_context(engine)
        self._here = policy.digest, engine
        return engine

    def _asked(self, policy: Policy) -> Engine:
        """A model that only a server has, whatever the experiment's own engine."""
        if policy.digest not in self._served:
            teachers = self._run.config.recipe.teachers.items()
            served = (
                each.at(setting) for setting, each in teachers if isinstance(each, ServedTeacher)
            )
            teacher = next((each for each in served if each.digest == policy.digest), None)
            if teacher is None:
                raise TaskError(
                    f"{self._run.name}: the policy of this round is {policy.served} (digest"
                    f" {policy.digest[:12]}), which the recipe no longer names; materialize the"
                    f" policy again, or run `selftrain run {self._run.name}`, which does what is"
                    " owed in order"
                )
            engine = teacher.open(
                [
                    f
                    for m in self._run.methods
                    for f in (m.prompt.frame, m.prompt.bare)
                    if f is not None
                ]
            )
            self._served[policy.digest] = self._held.enter_context(engine)
        return self._served[policy.digest]


def _samples(
    engine: Engine,
    windows: Iterable[Window],
    policy: str,
    clock: Clock,
    model: ModelRef | None = None,
) -> Generator[Sample, None, None]:
    """Completions bound to their requests, in thought and answer as `model` marks them; a
    server's model has only the marks that are set. A key that was not asked for, or comes twice,
    is the engine's fault."""
    tokenizer, own_marks = (tokenizer_of(model), marks_of(model)) if model else (None, None)
    described = engine.describe()
    name = f"{described.name} {described.version}"
    for _, sampling, requests in windows:
        asked = {r.key: r for r in requests}
        marks = sampling.thinking.marks(own_marks)
        completions = within_budget(engine, requests, sampling, marks, tokenizer)
        while True:
            with clock.working():
                completion = next(completions, None)
            if completion is None:
                break
            request = asked.pop(completion.key, None)
            if request is None:
                raise InfraError(
                    f"engine {name} answered a request that is not open (key"
                    f" {completion.key[:12]}); nothing of it was kept"
                )
            answer = answer_of(completion, request.prompt, marks, tokenizer)
            yield Sample(
                request.key,
                request.problem_id,
                request.prompt,
                completion.text,
                request.seed,
                request.index,
                answer.finish_reason,
                completion.prompt_tokens,
                completion.completion_tokens,
                policy,
                name,
                completion.tokens,
                described.tokenizer if completion.tokens is not None else None,
                completion.ended_by,
                answer.start,
                answer.token,
                list(completion.forced) if completion.forced else None,
            )
