"""Drawing and judging: the two kinds of work that fill pools, used by rounds and by evaluations alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from selftrain_assets.core.errors import InfraError
from selftrain_assets.core.identity import verification_key
from selftrain_assets.core.plan import owed
from selftrain_assets.core.sampling import DrawSettings
from selftrain_assets.core.types import Outcome, Problem, Request, Sample, Verification
from selftrain_assets.models.loading import ModelRef
from selftrain_assets.stages.run import Clock, Run
from selftrain_assets.verifiers import verifier_fingerprint


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
    pool = run.store.samples(model.digest)
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
                    with closing(pool.commit_stream(stream, run.config.execution.shard_size)) as committing:
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


def judge(run: Run, policy: str, samples: Sequence[Sample], label: str, clock: Clock) -> tuple[list[Verification], int]:
    """Verify what the pool of this verifier does not hold yet; returns all verdicts in order, and how many were reused.

    An infra_error is returned but not kept: it says nothing about its sample, and is owed again.
    """
    verifier, problems = run.config.verifier, {p.id: p for p in run.problems}
    name = verifier_fingerprint(verifier)
    pool = run.store.verifications(name, policy)
    keys = {s.key: verification_key(s.key, problems[s.problem_id], name) for s in samples}
    verdicts: dict[str, Verification] = {}
    with pool.writing(run.owner):
        verdicts |= {v.key: v for v in pool.records(set(keys.values()))}
        reused = len(verdicts)
        fresh = [s for s in samples if keys[s.key] not in verdicts]
        stream = _verifications(verifier, fresh, problems, keys, verdicts, clock)
        with closing(pool.commit_stream(stream, run.config.execution.shard_size)) as committing:
            for done, _ in enumerate(committing, reused + 1):
                run.progress(label, done, len(samples))
    run.progress(label, len(verdicts), len(samples))
    return [replace(verdicts[keys[s.key]], problem_id=s.problem_id) for s in samples], reused


def _verifications(
    verifier, samples: Iterable[Sample], problems: dict[str, Problem], keys: dict[str, str], verdicts: dict[str, Verification], clock: Clock
) -> Iterator[Verification]:
    for sample in samples:
        with clock.working():
            verdict = verifier.verify(problems[sample.problem_id], sample.completion)
        verification = Verification(
            keys[sample.key],
            sample.key,
            sample.problem_id,
            str(verdict.outcome),
            verdict.reward,
            verdict.parsed,
            verdict.reason,
            f"{verifier.type} {verifier.version}",
        )
        verdicts[verification.key] = verification
        if verdict.outcome != Outcome.INFRA_ERROR:
            yield verification
