"""A run: an experiment opened on a store, which is passed to every stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from importlib.metadata import version
from platform import python_version
from typing import Any

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.domain.errors import TaskError, UserError
from selftrain_assets.domain.prompts import Prompt, PromptSettings, build_prompt, fill
from selftrain_assets.domain.retraction import Retractions
from selftrain_assets.domain.sampling import Sampling
from selftrain_assets.domain.thinking import Marks
from selftrain_assets.domain.types import Problem
from selftrain_assets.models.chat import chat_frame
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.models.thinking import marks_of
from selftrain_assets.models.tokenization import learnt_end
from selftrain_assets.pipeline.results import ProblemsResult
from selftrain_assets.recipes.base import Recipe
from selftrain_assets.store import Manifest, Store
from selftrain_assets.store.results import StageResult
from selftrain_assets.verifiers import Verifier, VerifierContext, verifier_fingerprint

INPUTS, BASE = "inputs", "base"
SAMPLED = ("policy", "samples", "verifications")
"""Stages of rounds that sample."""
Progress = Callable[[str, int, int], None]


def now() -> datetime:
    """The present time, to the second."""
    return datetime.now().replace(microsecond=0)


def silent(stage: str, done: int, total: int) -> None:
    """A progress callback that displays nothing."""


def iteration_scope(iteration: int) -> str:
    """The scope of a round, which is also its Dagster partition key.

    The number is zero-padded, because backfills queue in string order.
    """
    return f"iter-{iteration:03d}"


def iteration_of(scope: str) -> int:
    """The round number of a scope."""
    return int(scope.removeprefix("iter-"))


def solution_by(problem: Problem, method: str) -> str | None:
    """The human solution of a problem by a method, or None."""
    return (problem.solutions or {}).get(method)


def _always(manifest: Manifest) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Wanted:
    """The work that a stage has to do; running, auditing and dry runs use the same function for it.

    Attributes:
        key: Hash of the settings and parents that decide the result.
        parents: Digest of each parent stage, by name.
        complete: Whether a manifest with this key is finished according to its own content. A
            verdict that is missing because of the infrastructure, for instance, is owed again.
    """

    key: str
    parents: dict[str, str]
    complete: Callable[[Manifest], bool] = _always

    def is_met_by(self, manifest: Manifest | None) -> bool:
        """Whether a manifest is of this work and finished; its files are not checked."""
        return (
            manifest is not None
            and (manifest.key, manifest.parents) == (self.key, self.parents)
            and self.complete(manifest)
        )


@dataclass(frozen=True)
class Method:
    """A way to solve a problem: its prompt, sampling settings and verifier.

    `name` is None if an experiment has only one; `weights` is the method whose weights answer.
    `translation` is the prompt that asks for a solution by this method, given one by another; it
    contains {question} and {solution}.
    """

    name: str | None
    prompt: Prompt
    sampling: Sampling
    verifier: Verifier
    few_shot: int
    sampled: bool = True
    weights: str | None = None
    translation: str = ""

    @cached_property
    def verifier_fingerprint(self) -> str:
        """The hash that identifies the verifier in keys and pools."""
        return verifier_fingerprint(self.verifier)

    def solution(self, problem: Problem) -> str | None:
        """The human solution by this method, or None."""
        return problem.solution if self.name is None else solution_by(problem, self.name)

    def translation_prompt(self, problem: Problem, solution: str) -> str:
        """The prompt that asks for a solution by this method, given one by another."""
        text = fill(self.translation.replace("{method}", self.name or ""), problem)
        return self.prompt.framed(text.replace("{solution}", solution.strip()))


@dataclass
class Run:
    """An experiment opened on a store, with its problems, methods and verifiers.

    `progress` is called as work advances. `owner` names who runs, for leases: a Dagster run id, or
    the command line.
    """

    name: str
    config: Experiment
    store: Store
    progress: Progress = silent
    owner: str = "selftrain run"

    @property
    def verifier_context(self) -> VerifierContext:
        """What verifiers have at their disposal."""
        execution = self.config.execution
        return VerifierContext(execution.sandbox, self.config.engine, self.progress)

    @cached_property
    def _later_phases(self) -> dict[int, Run]:
        return {
            first: replace(self, config=config)
            for first, config in self.config.phases.items()
            if config is not self.config
        }

    @property
    def phases(self) -> dict[int, Run]:
        """This run with the settings that apply from a round on, by that round."""
        return {1: self, **self._later_phases}

    def at(self, iteration: int) -> Run:
        """This run with the settings of a round."""
        phases = self.phases
        return phases[max(first for first in phases if first <= iteration)]

    def manifest(self, scope: str, stage: str) -> Manifest | None:
        return self.store.manifest(self.name, scope, stage)

    def finished(self, scope: str, stage: str, wanted: Wanted) -> Manifest | None:
        """The manifest of a stage if its work is done and its tables are intact; otherwise None.

        The manifest must be of just this work, made from the present parents. Other parents can
        give the same key: a problem set in which one answer was corrected gives the same samples,
        for instance. Then only the manifest is written anew.
        """
        manifest = self.manifest(scope, stage)
        if manifest is None or not wanted.is_met_by(manifest):
            return None
        return manifest if self.store.is_intact(manifest) else None

    def need(self, scope: str, stage: str) -> Manifest:
        """The manifest of a stage that has to be finished.

        Raises:
            TaskError: The stage is not finished; the message says how to finish it, and which
                rounds have it.
            UserError: There is no such round.
        """
        manifest = self.manifest(scope, stage)
        rounds = [iteration_scope(i) for i in range(1, self.config.rounds + 1)]
        if manifest is None and scope.startswith("iter-") and scope not in rounds:
            raise UserError(
                f"{self.name}: there is no {scope}; its rounds are {rounds[0]} to {rounds[-1]}"
            )
        if manifest is None and stage in SAMPLED and stage not in self.config.recipe.stages:
            raise TaskError(
                f"{self.name}: recipe {self.config.recipe.type} samples nothing, so that no round"
                f" of it has {stage}"
            )
        if manifest is None:
            finished = [name for name in rounds if self.manifest(name, stage) is not None]
            raise TaskError(
                f"{self.name}: {scope} has no finished {stage} yet; materialize {stage} of {scope}"
                f" first, or run `selftrain run {self.name}`, which does what is missing in order"
                + (f". It has {stage} of {', '.join(finished)}" if finished else "")
            )
        return manifest

    @cached_property
    def all_problems(self) -> list[Problem]:
        """The frozen problem set, retracted problems included."""
        return self.store.read_table(self.need(INPUTS, "problems"), "problems", Problem)

    @cached_property
    def retracted(self) -> Retractions:
        """Retracted evidence of this experiment and of those that it is forked from.

        Evidence shared with them is as bad here.
        """
        return Retractions.union(
            map(
                self.store.retractions,
                [self.name, *(fork.experiment for fork in self.config.forks)],
            )
        )

    @cached_property
    def problems(self) -> list[Problem]:
        """The problems without the retracted ones."""
        return [p for p in self.all_problems if p.id not in self.retracted.values("problem")]

    @cached_property
    def methods(self) -> tuple[Method, ...]:
        """The methods in the order of the settings, with few-shot examples among the problems."""
        return self.methods_on(self.problems)

    def methods_on(self, problems: list[Problem]) -> tuple[Method, ...]:
        """The methods in the order of the settings, with few-shot examples among these problems."""
        config = self.config
        if not config.recipe.methods:
            prompt = self.prompt(config.prompt, problems)
            return (
                Method(None, prompt, config.recipe.drawn, config.verifier, config.prompt.few_shot),
            )
        methods = []
        for method in config.recipe.methods:
            prompt = self.prompt(
                method.prompt, [replace(p, solution=solution_by(p, method.name)) for p in problems]
            )
            methods.append(
                Method(
                    method.name,
                    prompt,
                    method.sampling,
                    method.verifier,
                    method.prompt.few_shot,
                    method.sampled,
                    method.name,
                    method.translation,
                )
            )
        return tuple(methods)

    @cached_property
    def suites(self) -> dict[str, Method]:
        """The method by which the problems of each suite are solved, by suite name."""
        return {
            name: Method(
                name,
                self.prompt(suite.prompt, []),
                self.config.evaluation.draws(suite.sampling, suite.samples_per_problem),
                suite.verifier,
                few_shot=0,
                sampled=suite.samples_per_problem > 0,
                weights=suite.method,
            )
            for name, suite in self.config.evaluation.suites.items()
        }

    @property
    def ways(self) -> dict[str | None, Method]:
        """Methods and suites by name: everything that samples are drawn and judged by."""
        return {m.name: m for m in (*self.methods, *self.suites.values())}

    def prompt(
        self, settings: PromptSettings, problems: list[Problem], hint: bool = False
    ) -> Prompt:
        """Build a prompt with few-shot examples among these problems.

        It is a chat of the experiment's model if the settings ask for one.
        """
        if not settings.chat:
            return build_prompt(settings, problems, hint)
        return build_prompt(
            settings,
            problems,
            hint,
            partial(chat_frame, resolve_model(self.config.model), settings, self.moment),
        )

    @property
    def moment(self) -> datetime:
        """The time that is passed to chat templates: when the problems were first read.

        An experiment that continues another one uses the time of that one. It is stored with the
        problems, so that prompts are the same on another day.
        """
        for name in (self.name, *(fork.experiment for fork in self.config.forks)):
            frozen = self.store.manifest(name, INPUTS, "problems")
            moment = frozen.result(ProblemsResult).moment if frozen else None
            if moment is not None:
                return moment
        return now()

    def end(self, prompt: Prompt) -> str | None:
        """The end that is trained after a text that nobody sampled (Row.ended_by)."""
        return prompt.frame.end if prompt.frame else learnt_end(resolve_model(self.config.model))

    def answer_prompt(self, method: Method, prompt: str) -> str:
        """The prompt of an answer without its thought (domain/thinking.py)."""
        marks = self.marks(method)
        return marks.without_thought(prompt) if marks else prompt

    def marks(self, method: Method) -> Marks | None:
        """The marks that the model puts around its thoughts, or None."""
        return method.sampling.thinking.marks(marks_of(resolve_model(self.config.model)))

    @cached_property
    def verifiers(self) -> dict[str, Verifier]:
        """The verifiers by fingerprint; available even if the problems cannot be read."""
        return {verifier_fingerprint(verifier): verifier for verifier in self.config.verifiers()}

    @cached_property
    def all_verifiers(self) -> dict[str, Verifier]:
        """The verifiers by fingerprint, those of suites included."""
        suites = self.config.evaluation.suites.values()
        return self.verifiers | {
            verifier_fingerprint(suite.verifier): suite.verifier for suite in suites
        }

    @cached_property
    def train_problems(self) -> list[Problem]:
        recipe: Recipe = self.config.recipe
        return recipe.train_problems(self.problems, self.config.seed)

    def suite(self, name: str) -> list[Problem]:
        """The problems of a suite."""
        return [p for p in self.problems if (p.split, p.collection) == ("suite", name)]

    def source(self, name: str) -> list[Problem]:
        """The problems of a source."""
        return [p for p in self.problems if (p.split, p.collection) == ("source", name)]

    def split(self, name: str) -> list[Problem]:
        return [p for p in self.problems if p.split == name]


@dataclass
class Clock:
    """Measures the seconds of a stage, and those spent in engine, verifier or trainer."""

    started: float = field(default_factory=time.monotonic)
    work: float = 0.0

    @contextmanager
    def working(self) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.work += time.monotonic() - begun


def finish(
    run: Run,
    clock: Clock,
    scope: str,
    stage: str,
    *,
    key: str,
    digest: str,
    parents: dict[str, str],
    result: StageResult | None = None,
    settings: dict[str, Any] | None = None,
    versions: dict[str, str] | None = None,
    **facts: Any,
) -> Manifest:
    """Commit the manifest of a finished stage."""
    parts: dict[str, Any] = dict(result.to_parts()) if result else {}
    return run.store.commit(
        Manifest(
            stage=stage,
            experiment=run.name,
            scope=scope,
            key=key,
            digest=digest,
            parents=parents,
            settings=settings or {},
            versions={
                "selftrain": version("selftrain"),
                "python": python_version(),
                **(versions or {}),
            },
            seconds=round(time.monotonic() - clock.started, 3),
            work_seconds=round(clock.work, 3),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            **parts,
            **facts,
        )
    )
