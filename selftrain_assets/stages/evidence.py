"""Drawing and judging: the two kinds of work that fill pools, used by rounds and by evaluations alike."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace

from selftrain_assets.core.errors import InfraError
from selftrain_assets.core.identity import verification_key
from selftrain_assets.core.plan import owed
from selftrain_assets.core.sampling import DrawSettings
from selftrain_assets.core.types import Outcome, Problem, Request, Sample, Verdict, Verification
from selftrain_assets.models.loading import ModelRef
from selftrain_assets.stages.run import Clock, Run
from selftrain_assets.verifiers import Verifier, verifier_fingerprint


@dataclass
class Drawn:
    """Samples in the order of their requests. `reused` were in the pool before."""

    samples: list[Sample] = field(default_factory=list)
    reused: int = 0
    tokens: int = 0

    @property
    def engines(self) -> str:
        """What drew them; more than one where an earlier run used another engine or version."""
        return ", ".join(sorted({s.engine for s in self.samples}))


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests that share one way of drawing."""

    requests: list[Request]
    sampling: DrawSettings


def draw(run: Run, model: ModelRef, batches: Sequence[Batch], label: str, clock: Clock) -> Drawn:
    """Draw what the pool of `model` does not hold yet, shard by shard, and return all that was asked for."""
    pool, shards = run.store.samples(model.digest), run.config.execution
    result = Drawn()
    with pool.writing(run.owner):
        committed = pool.keys()
        plans = [(owed(batch.requests, committed), batch.sampling) for batch in batches]
        total = sum(plan.wanted for plan, _ in plans)
        result.reused = total - sum(len(plan.requests) for plan, _ in plans)
        done = result.reused
        run.progress(label, done, total)
        if done < total:
            with run.config.engine.open(model) as engine:
                name = f"{engine.describe().name} {engine.describe().version}"
                for plan, sampling in plans:
                    stream = _samples(engine, plan.requests, sampling, model.digest, name, clock)
                    with closing(pool.commit_stream(stream, shards.shard_size, shards.shard_seconds)) as committing:
                        for sample in committing:
                            done += 1
                            result.tokens += sample.completion_tokens
                            run.progress(label, done, total)
    wanted = {r.key: r.problem_id for batch in batches for r in batch.requests}
    held = {s.key: s for s in pool.records(wanted)}
    if missing := [key for key in wanted if key not in held]:
        raise InfraError(f"{label}: the engine left {len(missing)} of {len(wanted)} requests unanswered; run again to draw them")
    result.samples = belonging(held, wanted)
    return result


def is_drawn(run: Run, policy: str, requests: Iterable[Request]) -> bool:
    """Does the pool hold all of this, undamaged? A finished stage may have lost some of it since."""
    return run.store.samples(policy).holds({r.key for r in requests})


def is_judged(run: Run, policy: str, samples: Iterable[tuple[str, str]]) -> bool:
    """The same of the verdicts on these samples, each given by key and problem id."""
    problems, name = {p.id: p for p in run.problems}, verifier_fingerprint(run.config.verifier)
    return run.store.verifications(name, policy).holds({verification_key(key, problems[problem], name) for key, problem in samples})


def belonging(held: Mapping[str, Sample], problem_ids: Mapping[str, str]) -> list[Sample]:
    """Samples under the problem ids of this experiment: the pool knows prompts, and another experiment may have drawn
    from the same prompt under another id."""
    return [
        s if (s := held[key]).problem_id == problem_id else replace(s, problem_id=problem_id) for key, problem_id in problem_ids.items()
    ]


def _samples(engine, requests: list[Request], sampling: DrawSettings, policy: str, name: str, clock: Clock) -> Iterator[Sample]:
    """Completions bound to their requests. A key that was not asked for, or comes twice, is the engine's fault."""
    asked = {r.key: r for r in requests}
    completions = engine.generate(requests, sampling)
    while True:
        with clock.working():
            completion = next(completions, None)
        if completion is None:
            return
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


@dataclass
class Judged:
    """Verdicts in the order of their samples. `reused` were in the pool before."""

    verdicts: list[Verification] = field(default_factory=list)
    reused: int = 0

    def counts(self) -> dict[str, int]:
        """How many of each outcome, and how many verdicts are shared with an equal program's."""
        found = {str(o): sum(v.outcome == o for v in self.verdicts) for o in Outcome}
        shared = sum(v.same_as is not None for v in self.verdicts)
        return found | {"verifications": len(self.verdicts), "reused": self.reused, "shared": shared}


def judge(run: Run, policy: str, samples: Sequence[Sample], label: str, clock: Clock) -> Judged:
    """Verify what the pool of this verifier does not hold yet.

    An infra_error is returned but not kept: it says nothing about its sample, and is owed again.
    """
    verifier, problems = run.config.verifier, {p.id: p for p in run.all_problems}
    name = verifier_fingerprint(verifier)
    pool, shards = run.store.verifications(name, policy), run.config.execution
    keys = {s.key: verification_key(s.key, problems[s.problem_id], name) for s in samples}
    result = Judged()
    with pool.writing(run.owner):
        held: dict[str, Verification] = {v.key: v for v in pool.records(set(keys.values()))}
        result.reused = len(held)
        owing = [s for s in samples if keys[s.key] not in held]
        if owing:
            groups, known = _equal_programs(run, name, verifier, owing, problems)
            stream = _verifications(run, groups, known, problems, keys, clock)
            with closing(stream), closing(pool.commit_stream(stream, shards.shard_size, shards.shard_seconds)) as committing:
                for done, verification in enumerate(committing, result.reused + 1):
                    held[verification.key] = verification
                    run.progress(label, done, len(samples))
    run.progress(label, len(held), len(samples))
    result.verdicts = [replace(held[key], problem_id=s.problem_id) if (key := keys[s.key]) in held else _unjudged(s, key) for s in samples]
    return result


Groups = list[tuple[str | None, list[Sample]]]
"""Content and the samples that share it. One of each group is judged; a group without content has one sample."""


def _equal_programs(
    run: Run, name: str, verifier: Verifier, samples: Sequence[Sample], problems: Mapping[str, Problem]
) -> tuple[Groups, dict[str, Verification]]:
    """The samples grouped by what their verdicts depend on, and the verdicts that any round has on such content."""
    groups: dict[str, list[Sample]] = {}
    for s in samples:
        content = verifier.content(problems[s.problem_id], s.completion)
        groups.setdefault(content or f"sample {s.key}", []).append(s)
    shared = {content for content in groups if not content.startswith("sample ")}
    known = (
        {v.content: v for pool in run.store.all_verifications(name) for v in pool.sound_records() if v.content in shared} if shared else {}
    )
    return [(content if content in shared else None, members) for content, members in groups.items()], known


def _verifications(
    run: Run, groups: Groups, known: Mapping[str, Verification], problems: Mapping[str, Problem], keys: Mapping[str, str], clock: Clock
) -> Generator[Verification, None, None]:
    """Verdicts as they come: first those on content that was judged before, for which nothing has to be opened. Infra
    errors are left out."""
    for content, members in groups:
        if content is not None and content in known:
            yield from (_shared(known[content], s, keys[s.key]) for s in members)
    open_groups = [(content, members) for content, members in groups if content is None or content not in known]
    if not open_groups:
        return
    with run.config.verifier.open(run.config.execution.sandbox) as judge:
        stream = judge.stream((problems[members[0].problem_id], members[0].completion) for _, members in open_groups)
        while True:
            with clock.working():
                found = next(stream, None)
            if found is None:
                return
            (content, members), verdict = open_groups[found[0]], found[1]
            if verdict.outcome != Outcome.INFRA_ERROR:
                first = _verification(verdict, members[0], keys[members[0].key], judge.name, content)
                yield first
                yield from (_shared(first, s, keys[s.key]) for s in members[1:])


def _verification(verdict: Verdict, sample: Sample, key: str, judge: str, content: str | None) -> Verification:
    measured = asdict(verdict.execution) if verdict.execution else {}
    return Verification(
        key,
        sample.key,
        sample.problem_id,
        str(verdict.outcome),
        verdict.reward,
        verdict.parsed,
        verdict.reason,
        judge,
        content,
        **measured,
    )


def _shared(verdict: Verification, sample: Sample, key: str) -> Verification:
    """The verdict on an equal program, for this sample."""
    return replace(verdict, key=key, sample_key=sample.key, problem_id=sample.problem_id, same_as=verdict.same_as or verdict.sample_key)


def _unjudged(sample: Sample, key: str) -> Verification:
    """Stands for a verdict that is owed."""
    return Verification(key, sample.key, sample.problem_id, str(Outcome.INFRA_ERROR), 0.0, None, "not judged yet", "")
