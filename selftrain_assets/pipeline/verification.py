"""Judging: verdicts on samples, each kept under a key that covers sample, text, problem and
verifier."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, fields, replace
from itertools import islice
from typing import NamedTuple

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.domain.thinking import UNCLOSED
from selftrain_assets.domain.types import Outcome, Problem, Verdict, Verification
from selftrain_assets.pipeline.run import INPUTS, Clock, Run
from selftrain_assets.store.database import WINDOW, Database, relation
from selftrain_assets.store.pool import open_pools
from selftrain_assets.verifiers import Verifier
from selftrain_assets.verifiers.guard import judged


class Owed(NamedTuple):
    """A sample without a verdict, and the key that its verdict will have. What is judged is its
    answer, which lies behind its thought."""

    key: str
    sample_key: str
    problem_id: str
    answer: str
    finish_reason: str


NO_ANSWER = Verdict(Outcome.MALFORMED, 0.0, None, "the thought never closes, so there is no answer")


def expect(db: Database, run: Run) -> None:
    """Make the table `judgements`: for each of `members` its place, the verifier of its method,
    and the key of that one's verdict."""
    problems = run.need(INPUTS, "problems")
    db.view("problems", Problem, [run.store.table(problems, "problems")])
    db.execute(
        "CREATE OR REPLACE TABLE verifiers AS SELECT unnest($1::VARCHAR[]) AS method,"
        " unnest($2::VARCHAR[]) AS verifier",
        list(run.ways),
        [way.judge for way in run.ways.values()],
    )
    db.execute(
        "CREATE OR REPLACE TABLE judgements AS SELECT m.place, verification_key(s.key, s.digest,"
        " p.digest, v.verifier) AS key, s.key AS sample_key, m.problem_id, m.method, m.origin,"
        " m.translates, v.verifier AS judge FROM (SELECT key, sha256(completion) AS digest FROM"
        " sample_pool) AS s JOIN members AS m USING (key) JOIN (SELECT id, problem_digest(question,"
        " answer, tests) AS digest FROM problems) AS p ON p.id = m.problem_id JOIN verifiers AS v"
        " ON v.method IS NOT DISTINCT FROM m.method"
    )
    lost = db.count("members") - db.count("judgements")
    if lost > 0:
        raise IntegrityError(
            f"{run.name}: {lost} samples to be judged are no longer in their pool, or their"
            f" problems in the problem set; `selftrain run {run.name}` draws what is lost again"
        )
    if lost < 0:
        raise IntegrityError(twice(run, "samples"))


def twice(run: Run, what: str) -> str:
    """Only a hand can have put a key into a pool again; counting it twice would be wrong, and
    which one is right nobody here knows."""
    return (
        f"{run.name}: some {what} are in their pool more than once; `selftrain audit {run.name}`"
        " names the shard and what to do"
    )


def judge(run: Run, db: Database, policy: str, label: str, clock: Clock) -> int:
    """Verify those of `members` on which the pool of their verifier holds no verdict yet; returns
    how many had one.

    An infra_error is not kept: it says nothing about its sample, and is owed again.
    """
    expect(db, run)
    total, shards = db.count("judgements"), run.config.execution
    done = reused = 0
    names = _judges(run, db)
    for name in names:
        verifier = run.all_verifiers[name]
        pool = run.store.verifications(name, policy)
        with pool.writing(run.owner):
            pool.open(db, "verdict_pool")
            db.execute(
                "CREATE OR REPLACE TABLE owed_verdicts AS SELECT * FROM judgements ANTI JOIN"
                " verdict_pool USING (key) WHERE judge = $1",
                name,
            )
            owed = db.count("owed_verdicts")
            known = (
                db.execute("SELECT count(*) FROM judgements WHERE judge = $1", name)[0][0] - owed
            )
            reused, done = reused + known, done + known
            if owed:
                stream = _verifications(run, db, verifier, name, clock)
                with (
                    closing(stream),
                    closing(
                        pool.commit_stream(stream, shards.shard_size, shards.shard_seconds)
                    ) as committing,
                ):
                    for _ in committing:
                        done += 1
                        run.progress(label, done, total)
    run.progress(label, done, total)
    open_pools(db, "verdict_pool", [run.store.verifications(name, policy) for name in names])
    if db.count("judgements JOIN verdict_pool USING (key)") > db.count(
        "judgements SEMI JOIN verdict_pool USING (key)"
    ):
        raise IntegrityError(twice(run, "verdicts"))
    return reused


def is_judged(run: Run, policy: str, members: Callable[[Database], None]) -> bool:
    """Is there an undamaged verdict on each of the `members` that this function makes?"""
    if run.store.trusts_pools:
        return True
    with run.store.database() as db:
        members(db)
        expect(db, run)
        pools = [run.store.verifications(name, policy) for name in _judges(run, db)]
        if not all(pool.is_sound() for pool in pools):
            return False
        open_pools(db, "verdict_pool", pools)
        return not db.count("judgements ANTI JOIN verdict_pool USING (key)")


def _judges(run: Run, db: Database) -> list[str]:
    """The verifiers of `judgements`; of no judgement, those of the experiment."""
    return [
        name for (name,) in db.execute("SELECT DISTINCT judge FROM judgements ORDER BY judge")
    ] or list(run.verifiers)


def outcomes(db: Database) -> dict[str, int]:
    """How many of `judgements` have each outcome, none counting as infra_error, and how many
    share an equal program's verdict."""
    found = db.execute(
        "SELECT outcome, count(*), count(same_as) FROM judgements LEFT JOIN verdict_pool USING"
        " (key) GROUP BY outcome"
    )
    counts = {str(outcome): 0 for outcome in Outcome} | {
        outcome or str(Outcome.INFRA_ERROR): n for outcome, n, _ in found
    }
    return counts | {
        "verifications": sum(counts.values()),
        "shared": sum(shared for _, _, shared in found),
    }


Group = tuple[str | None, list[Owed]]
"""Content and the samples that share it. One of each group is judged; a group without content
has one sample."""


def _verifications(
    run: Run, db: Database, verifier: Verifier, name: str, clock: Clock
) -> Generator[Verification, None, None]:
    """Verdicts on what is owed as they come; infra errors are left out. Nothing is opened for
    content that was judged before."""
    problems = {p.id: p for p in run.all_problems}
    known = _Known(run, db, name)
    owed = (
        "SELECT o.key, o.sample_key, o.problem_id, answer_of(s.completion, s.answer_start),"
        " s.finish_reason FROM sample_pool AS s JOIN owed_verdicts AS o ON o.sample_key = s.key"
    )
    rows = (Owed(*row) for row in db.stream(owed, as_written=True))
    with ExitStack() as held:
        opened = None
        while window := list(islice(rows, WINDOW)):
            yield from (
                _verification(NO_ANSWER, each, f"{verifier.type} {verifier.version}", None)
                for each in window
                if each.finish_reason == UNCLOSED
            )
            groups = _equal_programs(
                verifier, [each for each in window if each.finish_reason != UNCLOSED], problems
            )
            before = known.among([content for content, _ in groups if content is not None])
            for content, members in groups:
                if content in before:
                    yield from (_shared(before[content], owed) for owed in members)
            open_groups = [
                (content, members) for content, members in groups if content not in before
            ]
            if open_groups and opened is None:
                opened = held.enter_context(verifier.open(run.config.execution.sandbox))
            fresh = []
            for first, others in (
                _judged(opened, open_groups, problems, clock) if open_groups else ()
            ):
                yield first
                yield from (_shared(first, owed) for owed in others)
                fresh.append(first)
            known.add([v for v in fresh if v.content is not None])


def _judged(
    judge, groups: list[Group], problems: Mapping[str, Problem], clock: Clock
) -> Iterator[tuple[Verification, list[Owed]]]:
    """The verdict on the first sample of each group, and the others of the group."""
    stream = judged(
        judge, [(problems[members[0].problem_id], members[0].answer) for _, members in groups]
    )
    while True:
        with clock.working():
            found = next(stream, None)
        if found is None:
            return
        (content, members), verdict = groups[found[0]], found[1]
        if verdict.outcome != Outcome.INFRA_ERROR:
            yield _verification(verdict, members[0], judge.name, content), members[1:]


def _equal_programs(
    verifier: Verifier, window: Iterable[Owed], problems: Mapping[str, Problem]
) -> list[Group]:
    """The samples grouped by what their verdicts depend on."""
    groups: dict[str, Group] = {}
    for owed in window:
        try:
            content = verifier.content(problems[owed.problem_id], owed.answer)
        except Exception:  # then it is judged by itself, and judging says what is wrong with it
            content = None
        groups.setdefault(content or f"sample {owed.sample_key}", (content, []))[1].append(owed)
    return list(groups.values())


class _Known:
    """A verdict for each content that was ever judged, by any round of any experiment, in the
    shards that are sound."""

    def __init__(self, run: Run, db: Database, verifier: str) -> None:
        self.run, self.db, self.verifier, self.found = run, db, verifier, False

    def among(self, contents: list[str]) -> dict[str | None, Verification]:
        if not contents:
            return {}
        if not self.found:
            pools = self.run.store.all_verifications(self.verifier)
            damaged = {file for pool in pools for file in pool.damaged()}
            sound = relation(
                Verification,
                [file for pool in pools for file in pool.files() if file not in damaged],
            )
            self.db.execute(
                f"CREATE OR REPLACE TABLE known AS SELECT DISTINCT ON (content) * FROM ({sound})"
                " WHERE content <> '' ORDER BY ALL"
            )
            self.found = True
        return {
            v.content: v
            for v in self.db.records(
                Verification, "SELECT * FROM known WHERE content IN (SELECT unnest(?))", contents
            )
        }

    def add(self, verdicts: list[Verification]) -> None:
        """Verdicts that are new, committed or not."""
        if verdicts:
            self.db.load(
                "new_verdicts",
                Verification,
                [[getattr(v, f.name) for v in verdicts] for f in fields(Verification)],
            )
            self.db.execute("INSERT INTO known SELECT * FROM new_verdicts")


def _verification(verdict: Verdict, owed: Owed, judge: str, content: str | None) -> Verification:
    measured = asdict(verdict.execution) if verdict.execution else {}
    return Verification(
        owed.key,
        owed.sample_key,
        owed.problem_id,
        str(verdict.outcome),
        verdict.reward,
        verdict.parsed,
        verdict.reason,
        judge,
        content,
        **measured,
    )


def _shared(verdict: Verification, owed: Owed) -> Verification:
    """The verdict on an equal program, for this sample."""
    same_as = verdict.same_as or verdict.sample_key
    return replace(
        verdict,
        key=owed.key,
        sample_key=owed.sample_key,
        problem_id=owed.problem_id,
        same_as=same_as,
    )
