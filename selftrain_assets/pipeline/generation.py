"""Generation: requests for completions, and the samples that answer them.

Rounds and evaluations both use it. A stage plans its requests, or loads those of a finished stage,
and generates the samples that the pool of its policy lacks. Requests and samples are relations of a
workspace (store/workspace.py), so that memory is bounded.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import groupby, islice
from typing import NamedTuple

from selftrain_assets.domain.errors import InfraError, TaskError
from selftrain_assets.domain.requests import Draws
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Request, Sample
from selftrain_assets.engines import Engine
from selftrain_assets.engines.openai_engine import OpenAIEngine
from selftrain_assets.engines.thinking import within_budget
from selftrain_assets.models.fitness import require_usable
from selftrain_assets.models.loading import ModelRef, Policy
from selftrain_assets.models.thinking import answer_of, marks_of
from selftrain_assets.models.tokenization import cached_tokenizer, check_tokenizer
from selftrain_assets.pipeline.fitness import require_fit
from selftrain_assets.pipeline.run import Clock, Run
from selftrain_assets.recipes.teachers import ServedTeacher
from selftrain_assets.store import Manifest
from selftrain_assets.store.database import WINDOW
from selftrain_assets.store.workspace import Relation, Workspace


@dataclass(frozen=True, slots=True)
class Requested:
    """A sample that a stage requests, with its position in the order of requests."""

    position: int
    key: str
    problem_id: str
    method: str | None
    origin: str | None
    translates: str | None


@dataclass(frozen=True, slots=True)
class PlannedRequest(Requested):
    """A request made from a plan.

    It is draw number `index` of a prompt of `plan[draws_index]`, greedy or sampled.
    """

    draws_index: int
    prompt_index: int
    index: int
    greedy: bool


class _Prompt(NamedTuple):
    prompt_index: int
    problem_id: str
    prompt: str
    translates: str | None


def plan_requests(ws: Workspace, plan: Sequence[Draws]) -> Relation[PlannedRequest]:
    """The requests for every draw of a plan, in order."""
    requests, first = ws.empty(PlannedRequest), 0
    for draws_index, draws in enumerate(plan):
        ids, prompts = zip(*draws.prompts, strict=True) if draws.prompts else ((), ())
        loaded = ws.load(
            _Prompt, [range(len(ids)), ids, prompts, draws.translates or [None] * len(ids)]
        )
        ws.insert(
            requests,
            "generation.plan_requests",
            prompts=loaded,
            first=first,
            samples_per_prompt=draws.samples_per_problem,
            draws_index=draws_index,
            draws_key=draws.key,
            method=draws.method,
            origin=draws.origin,
            greedy=draws.greedy,
        )
        ws.drop(loaded)
        first += len(draws)
    return requests


def load_requests(ws: Workspace, run: Run, manifest: Manifest) -> Relation[Requested]:
    """The requests of a finished stage."""
    return ws.read(Requested, [run.store.table(manifest, manifest.stage)])


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """The outcome of generation.

    It has the pool with all samples, the number of requested samples, how many of them existed
    before, and the tokens of the new ones.
    """

    samples: Relation[Sample]
    requested: int
    reused: int
    tokens: int


def generate_missing(
    run: Run,
    ws: Workspace,
    requests: Relation[PlannedRequest],
    policy: Policy,
    plan: Sequence[Draws],
    label: str,
    clock: Clock,
    engines: OpenEngines | None = None,
) -> GenerationResult:
    """Draw the requested samples that the pool of `policy` lacks, shard by shard.

    Args:
        run: The experiment, whose engine draws.
        ws: The workspace of `requests`.
        requests: `plan_requests` of this plan.
        policy: The weights that draw, and to which the pool belongs.
        plan: The prompts and sampling settings.
        label: The name under which progress is displayed.
        clock: Counts the time spent in the engine.
        engines: Engines that stay open afterwards; without them, engines are opened and closed
            here.

    Raises:
        InfraError: The engine left requests unanswered.
    """
    pool, execution = run.store.samples(policy.digest), run.config.execution
    tokens = 0
    with pool.writing(run.owner):
        missing = ws.missing(requests, ws.pool(pool))
        requested, owed = ws.count(requests), ws.count(missing)
        done = reused = requested - owed
        run.progress(label, done, requested)
        if owed:
            with ExitStack() as stack:
                opened = engines or stack.enter_context(OpenEngines(run))
                stream = stack.enter_context(
                    closing(opened.samples(policy, _windows(ws, missing, plan), clock))
                )
                for sample in stack.enter_context(
                    closing(
                        pool.commit_stream(stream, execution.shard_size, execution.shard_seconds)
                    )
                ):
                    done += 1
                    tokens += sample.completion_tokens
                    run.progress(label, done, requested)
        samples = ws.pool(pool)
    if unanswered := ws.count_missing(requests, samples):
        raise InfraError(
            f"{label}: the engine left {unanswered} of {requested} requests unanswered; run again"
            " to draw them"
        )
    return GenerationResult(samples, requested, reused, tokens)


def is_drawn(run: Run, plan: Sequence[Draws]) -> bool:
    """Whether the pool contains every sample of a plan, undamaged.

    Samples of a finished stage may have been lost since.
    """
    pools = [run.store.samples(policy) for policy in {draws.policy for draws in plan}]
    if not all(pool.is_sound() for pool in pools):
        return False
    with run.store.workspace() as ws:
        samples = ws.read(Sample, [file for pool in pools for file in pool.files()])
        return not ws.count_missing(plan_requests(ws, plan), samples)


Window = tuple[str | None, DrawSettings, list[Request]]
"""Requests for one method that share one way of drawing, few enough to be held in memory."""


def _windows(
    ws: Workspace, missing: Relation[PlannedRequest], plan: Sequence[Draws]
) -> Iterator[Window]:
    """The missing requests in order, in windows of bounded size."""
    rows = ws.stream("generation.requests_in_order", requests=missing)
    for draws_index, same_draws in groupby(rows, key=lambda row: row[0]):
        draws = plan[draws_index]
        requests = (draws.request(prompt_index, index) for _, prompt_index, index in same_draws)
        while window := list(islice(requests, WINDOW)):
            yield draws.method, draws.sampling, window


class OpenEngines:
    """Engines for the models that a stage samples from, each opened at its first use.

    Of those that run on this machine only one is open at a time, so that a policy and a teacher
    need not fit into memory together.
    """

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
        """Draw the samples of all methods with one engine, loading each method's own weights."""
        if policy.served is not None:
            yield from _samples(self._open_served(policy), windows, policy.digest, clock)
            return
        for model, model_windows in groupby(
            windows, key=lambda window: policy.by(self._run.ways[window[0]].weights)
        ):
            yield from _samples(
                self._open_here(policy, model), model_windows, policy.digest, clock, model
            )

    def _open_here(self, policy: Policy, model: ModelRef) -> Engine:
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

    def _open_served(self, policy: Policy) -> Engine:
        """The engine for a model behind a server, whatever the experiment's own engine is.

        Raises:
            TaskError: The recipe no longer names this model.
        """
        if policy.digest not in self._served:
            teachers = self._run.config.recipe.teachers.items()
            served = (
                teacher.at(setting)
                for setting, teacher in teachers
                if isinstance(teacher, ServedTeacher)
            )
            teacher = next((model for model in served if model.digest == policy.digest), None)
            if teacher is None:
                raise TaskError(
                    f"{self._run.name}: the policy of this round is {policy.served} (digest"
                    f" {policy.digest[:12]}), which the recipe no longer names; materialize the"
                    f" policy again, or run `selftrain run {self._run.name}`, which does what is"
                    " owed in order"
                )
            frames = [
                frame
                for method in self._run.methods
                for frame in (method.prompt.frame, method.prompt.bare)
                if frame is not None
            ]
            engine = OpenAIEngine(teacher, teacher.model, teacher.api, frames)
            self._served[policy.digest] = self._held.enter_context(engine)
        return self._served[policy.digest]


def _samples(
    engine: Engine,
    windows: Iterable[Window],
    policy: str,
    clock: Clock,
    model: ModelRef | None = None,
) -> Generator[Sample, None, None]:
    """Draw completions, match them to their requests, and split them into thought and answer.

    Args:
        engine: The engine that draws.
        windows: The requests.
        policy: Digest of the policy.
        clock: Counts the time spent in the engine.
        model: The model whose thought marks apply; for a server's model, only the marks in the
            settings.

    Raises:
        InfraError: The engine returned a key that was not requested, or one key twice.
    """
    tokenizer, own_marks = (cached_tokenizer(model), marks_of(model)) if model else (None, None)
    description = engine.describe()
    name = f"{description.name} {description.version}"
    for _, sampling, requests in windows:
        open_requests = {request.key: request for request in requests}
        marks = sampling.thinking.marks(own_marks)
        completions = within_budget(engine, requests, sampling, marks, tokenizer)
        while True:
            with clock.working():
                completion = next(completions, None)
            if completion is None:
                break
            request = open_requests.pop(completion.key, None)
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
                description.tokenizer if completion.tokens is not None else None,
                completion.ended_by,
                answer.start,
                answer.token,
                list(completion.forced) if completion.forced else None,
            )
