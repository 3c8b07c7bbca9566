"""Verification: judge samples, and store each verdict under a key.

The key covers the sample, its text, the problem and the verifier.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.domain.thinking import UNCLOSED
from selftrain_assets.domain.types import (
    Exchange,
    Outcome,
    Problem,
    Sample,
    Verdict,
    Verification,
)
from selftrain_assets.pipeline.generation import Requested
from selftrain_assets.pipeline.run import INPUTS, Clock, Run
from selftrain_assets.store.database import WINDOW
from selftrain_assets.store.workspace import Relation, Workspace
from selftrain_assets.verifiers import Verifier
from selftrain_assets.verifiers.guard import judge_all
from selftrain_assets.verifiers.protocol import Judge


@dataclass(frozen=True, slots=True)
class PlannedVerdict:
    """A required verdict: the position of its request and the key that it will have."""

    position: int
    key: str
    sample_key: str
    problem_id: str
    method: str | None
    origin: str | None
    translates: str | None
    verifier_fingerprint: str


class Unjudged(NamedTuple):
    """A sample without a verdict, and the key that its verdict will have.

    Its answer is judged, without the thought before it.
    """

    key: str
    sample_key: str
    problem_id: str
    method: str | None
    prompt: str
    answer: str
    finish_reason: str


class _MethodVerifier(NamedTuple):
    method: str | None
    fingerprint: str


NO_ANSWER = Verdict(Outcome.MALFORMED, 0.0, None, "the thought never closes, so there is no answer")


def plan_verdicts(
    run: Run, ws: Workspace, requests: Relation[Requested], samples: Relation[Sample]
) -> Relation[PlannedVerdict]:
    """The verdict that each request requires, by the verifier of its method.

    Raises:
        IntegrityError: A requested sample is not in `samples`, or is there twice, or its problem
            does not exist any more.
    """
    fingerprints = [method.verifier_fingerprint for method in run.ways.values()]
    planned = ws.table(
        PlannedVerdict,
        "verification.plan_verdicts",
        requests=requests,
        samples=samples,
        problems=ws.read(Problem, [run.store.table(run.need(INPUTS, "problems"), "problems")]),
        verifiers=ws.load(_MethodVerifier, [list(run.ways), fingerprints]),
    )
    lost = ws.count(requests) - ws.count(planned)
    if lost > 0:
        raise IntegrityError(
            f"{run.name}: {lost} samples to be judged are no longer in their pool, or their"
            f" problems in the problem set; `selftrain run {run.name}` draws what is lost again"
        )
    if lost < 0:
        raise IntegrityError(duplicate_key_message(run, "samples"))
    return planned


def duplicate_key_message(run: Run, what: str) -> str:
    """The error message for records that are in their pool more than once.

    Such a duplicate can only have been added by hand. Counting it twice would be wrong, and which
    of the two is right cannot be decided here.
    """
    return (
        f"{run.name}: some {what} are in their pool more than once; `selftrain audit {run.name}`"
        " names the shard and what to do"
    )


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """The outcome of verification.

    It has the planned verdicts, the pools of the samples and of all their verdicts, and the number
    of verdicts that existed before.
    """

    samples: Relation[Sample]
    planned: Relation[PlannedVerdict]
    verdicts: Relation[Verification]
    reused: int


def verify_missing(
    run: Run,
    ws: Workspace,
    requests: Relation[Requested],
    samples: Relation[Sample],
    policy: str,
    label: str,
    clock: Clock,
) -> VerificationResult:
    """Verify the requested samples of a policy that have no verdict of their verifier yet.

    An infra_error is not stored: it says nothing about its sample, which is judged again later.
    """
    planned = plan_verdicts(run, ws, requests, samples)
    total, execution = ws.count(planned), run.config.execution
    done = reused = 0
    fingerprints = _verifiers(run, ws, planned)
    for fingerprint in fingerprints:
        pool = run.store.verifications(fingerprint, policy)
        with pool.writing(run.owner):
            missing = ws.table(
                PlannedVerdict,
                "verification.missing_of",
                planned=planned,
                verdicts=ws.pool(pool),
                verifier=fingerprint,
            )
            owed = ws.count(missing)
            known = ws.row("verification.count_of", planned=planned, verifier=fingerprint)[0] - owed
            reused, done = reused + known, done + known
            if owed:
                stream = _verifications(run, ws, missing, samples, fingerprint, clock)
                with (
                    closing(stream),
                    closing(
                        pool.commit_stream(stream, execution.shard_size, execution.shard_seconds)
                    ) as committing,
                ):
                    for _ in committing:
                        done += 1
                        run.progress(label, done, total)
            ws.drop(missing)
    run.progress(label, done, total)
    verdicts = ws.pools(
        Verification, (run.store.verifications(fingerprint, policy) for fingerprint in fingerprints)
    )
    if ws.row("verification.verdicts_are_repeated", planned=planned, verdicts=verdicts)[0]:
        raise IntegrityError(duplicate_key_message(run, "verdicts"))
    return VerificationResult(samples, planned, verdicts, reused)


def is_judged(run: Run, policy: str, plan: Callable[[Workspace], Relation[Requested]]) -> bool:
    """Whether each sample of this policy that `plan` requests has an undamaged verdict."""
    with run.store.workspace() as ws:
        planned = plan_verdicts(run, ws, plan(ws), ws.pool(run.store.samples(policy)))
        pools = [
            run.store.verifications(fingerprint, policy)
            for fingerprint in _verifiers(run, ws, planned)
        ]
        return all(pool.is_sound() for pool in pools) and not ws.count_missing(
            planned, ws.pools(Verification, pools)
        )


def _verifiers(run: Run, ws: Workspace, planned: Relation[PlannedVerdict]) -> list[str]:
    """Fingerprints of the verifiers of planned verdicts; without any, those of the experiment."""
    return [
        fingerprint for (fingerprint,) in ws.rows("verification.verifiers", planned=planned)
    ] or list(run.verifiers)


def count_outcomes(ws: Workspace, result: VerificationResult) -> dict[str, int]:
    """Count planned verdicts by outcome, and those that share an equal program's verdict.

    A missing verdict counts as infra_error.
    """
    rows = ws.rows("verification.outcomes", planned=result.planned, verdicts=result.verdicts)
    counts = {str(outcome): 0 for outcome in Outcome} | {
        outcome or str(Outcome.INFRA_ERROR): n for outcome, n, _ in rows
    }
    return counts | {
        "verifications": sum(counts.values()),
        "shared": sum(shared for _, _, shared in rows),
    }


Group = tuple[str | None, list[Unjudged]]
"""Content and the samples that share it. One of each group is judged; a group without content
has one sample."""


def _verifications(
    run: Run,
    ws: Workspace,
    missing: Relation[PlannedVerdict],
    samples: Relation[Sample],
    fingerprint: str,
    clock: Clock,
) -> Generator[Verification, None, None]:
    """Yield missing verdicts as they are made, without infra errors.

    No verifier is started for content that was judged before.
    """
    verifier = run.all_verifiers[fingerprint]
    problems = {p.id: p for p in run.all_problems}
    cache = VerdictCache(run, ws, fingerprint)
    rows = ws.stream(
        "verification.answers_to_judge", fixed_join_order=True, missing=missing, samples=samples
    )
    unjudged = (Unjudged(*row) for row in rows)
    judge: Judge | None = None
    with ExitStack() as stack:
        while window := list(islice(unjudged, WINDOW)):
            closed = []
            for sample in window:
                if sample.finish_reason == UNCLOSED:
                    name = f"{verifier.type} {verifier.version}"
                    yield _verification(NO_ANSWER, sample, name, None)
                else:
                    closed.append(sample)
            groups = _equal_programs(verifier, closed, problems)
            known = cache.among([content for content, _ in groups if content is not None])
            for content, members in groups:
                if content in known:
                    yield from (_shared(known[content], sample) for sample in members)
            groups = [(content, members) for content, members in groups if content not in known]
            if not groups:
                continue
            if judge is None:
                judge = stack.enter_context(verifier.open(run.verifier_context))
            fresh = []
            for verdict, others in _judged(judge, groups, problems, clock):
                yield verdict
                yield from (_shared(verdict, sample) for sample in others)
                fresh.append(verdict)
            cache.add([verdict for verdict in fresh if verdict.content is not None])


def _judged(
    judge: Judge, groups: list[Group], problems: Mapping[str, Problem], clock: Clock
) -> Iterator[tuple[Verification, list[Unjudged]]]:
    """Judge the first sample of each group; yields its verdict and the others of the group."""
    firsts = [members[0] for _, members in groups]
    stream = judge_all(
        judge,
        [
            Exchange(problems[sample.problem_id], sample.answer, sample.prompt, sample.method)
            for sample in firsts
        ],
    )
    while True:
        with clock.working():
            judgement = next(stream, None)
        if judgement is None:
            return
        position, verdict = judgement
        content, members = groups[position]
        if verdict.outcome != Outcome.INFRA_ERROR:
            yield _verification(verdict, members[0], judge.name, content), members[1:]


def _equal_programs(
    verifier: Verifier, window: Iterable[Unjudged], problems: Mapping[str, Problem]
) -> list[Group]:
    """Group samples by the content that decides their verdict."""
    groups: dict[str, Group] = {}
    for unjudged in window:
        try:
            content = verifier.content(problems[unjudged.problem_id], unjudged.answer)
        except Exception:  # then it is judged by itself, and judging says what is wrong with it
            content = None
        groups.setdefault(content or f"sample {unjudged.sample_key}", (content, []))[1].append(
            unjudged
        )
    return list(groups.values())


class VerdictCache:
    """One verdict for each content that any round of any experiment has judged.

    Damaged shards are skipped.
    """

    def __init__(self, run: Run, ws: Workspace, fingerprint: str) -> None:
        self._run, self._ws, self._fingerprint = run, ws, fingerprint

    @cached_property
    def _known(self) -> Relation[Verification]:
        pools = self._run.store.all_verifications(self._fingerprint)
        damaged = {file for pool in pools for file in pool.damaged()}
        sound = self._ws.read(
            Verification, [file for pool in pools for file in pool.files() if file not in damaged]
        )
        return self._ws.table(Verification, "verification.one_by_content", verdicts=sound)

    def among(self, contents: list[str]) -> dict[str | None, Verification]:
        """The known verdicts for these contents, by content."""
        if not contents:
            return {}
        rows = self._ws.rows("verification.with_content", verdicts=self._known, contents=contents)
        return {verdict.content: verdict for verdict in (Verification(*row) for row in rows)}

    def add(self, verdicts: list[Verification]) -> None:
        """Add new verdicts, committed or not."""
        if verdicts:
            self._ws.append(self._known, verdicts)


def _verification(
    verdict: Verdict, unjudged: Unjudged, judge: str, content: str | None
) -> Verification:
    measured = asdict(verdict.execution) if verdict.execution else {}
    return Verification(
        unjudged.key,
        unjudged.sample_key,
        unjudged.problem_id,
        str(verdict.outcome),
        verdict.reward,
        verdict.parsed,
        verdict.reason,
        judge,
        content,
        **measured,
    )


def _shared(verdict: Verification, unjudged: Unjudged) -> Verification:
    """The verdict on an equal program, copied for this sample."""
    same_as = verdict.same_as or verdict.sample_key
    return replace(
        verdict,
        key=unjudged.key,
        sample_key=unjudged.sample_key,
        problem_id=unjudged.problem_id,
        same_as=same_as,
    )
