"""What is wanted, committed and owed, for each stage of each round, beside what the store holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from selftrain_assets.domain.errors import SelftrainError, TaskError
from selftrain_assets.domain.identity import problem_digest, verification_key
from selftrain_assets.domain.requests import Draws
from selftrain_assets.operations.findings import Line, State
from selftrain_assets.operations.inspector import Inspector, Kept, ManifestsOf
from selftrain_assets.pipeline import training
from selftrain_assets.pipeline.evaluation import evaluation, evaluation_draws
from selftrain_assets.pipeline.inputs import load_problems, problems
from selftrain_assets.pipeline.loop import ALL_ROUNDS, ONE_ROUND, Stage, round_stages
from selftrain_assets.pipeline.run import BASE, INPUTS, Run, iteration_of, iteration_scope
from selftrain_assets.pipeline.sampling import ASKED, SAMPLES_OF
from selftrain_assets.store import Manifest, Store
from selftrain_assets.store.inspection import PoolState, keys_if_readable

# drawn by a recipe's own stage, together with the verdicts on them
OWN_SAMPLES = {*SAMPLES_OF.values()} - {"samples"}
# an earlier stage is missing, or cannot be read
UNFINISHED = (SelftrainError, KeyError, ValueError, TypeError)


class _WorkIsOwed(Exception):
    """A stage is about to do something."""


class _LookedAt(Store):
    """A store in which a stage that has nothing to do ends as it always does, and any other
    stops before it begins."""

    trusts_pools = True  # the inspection says what of them is lost

    def writing(self, experiment: str, scope: str, stage: str, owner: str) -> NoReturn:
        raise _WorkIsOwed

    def commit(self, manifest: Manifest) -> NoReturn:
        raise _WorkIsOwed

    def is_intact(self, manifest: Manifest) -> bool:
        return True  # damage is told apart from what is owed


def owed(run: Run, scopes: Iterable[str]) -> list[tuple[str, str]]:
    """Stages of these scopes that a run would do anew under the settings of today, or could not
    yet do; in their order."""
    looked_at, wanted = Run(run.name, run.config, _LookedAt(run.store.root)), set(scopes)
    found = []
    for (scope, stage), do in _stages(run).items():
        if scope in wanted and stage not in OWN_SAMPLES:
            try:
                do(looked_at)
            except (_WorkIsOwed, TaskError):
                found.append((scope, stage))
    return found


def audit(inspector: Inspector, run: Run) -> list[Line]:
    """Lines of an experiment, in the order of its stages; what is wrong is told to `inspector`."""
    kept = inspector.experiment(run.name)
    kept.inspect()
    stages = _stages(run)
    audited = _Audited(Run(run.name, run.config, _LookedAt(run.store.root)), inspector, kept)
    lines = [audited.line(scope, stage, do) for (scope, stage), do in stages.items()]
    return lines + [
        _left(run.name, place, kept.kept[place]) for place in kept.current if place not in stages
    ]


def audit_without_settings(inspector: Inspector, name: str) -> list[Line]:
    """Lines of an experiment that is in the store but has no file any more."""
    kept = inspector.experiment(name)
    kept.inspect()
    return [_left(name, place, each) for place, each in kept.kept.items()]


def _left(name: str, place: tuple[str, str], kept: Kept) -> Line:
    return Line(name, *place, "not asked for", 0, 0, kept.duplicated, kept.lost)


def _stages(run: Run) -> dict[tuple[str, str], Callable[[Run], Manifest]]:
    """Every stage that the settings ask for, in order."""
    found: dict[tuple[str, str], Callable[[Run], Manifest]] = {
        (INPUTS, "problems"): problems,
        (BASE, "checkpoint"): training.base,
        (BASE, "evaluation"): partial(evaluation, scope=BASE),
    }
    for iteration in range(1, run.config.rounds + 1):
        for stage, do in round_stages(run.config.recipe).items():
            if stage in run.config.recipe.own_stages and stage in SAMPLES_OF:
                found[iteration_scope(iteration), SAMPLES_OF[stage]] = partial(
                    _stage, do=do, iteration=iteration
                )
            found[iteration_scope(iteration), stage] = partial(_stage, do=do, iteration=iteration)
    if run.config.human_only:
        for scope, rounds in ((ONE_ROUND, 1), (ALL_ROUNDS, run.config.rounds)):
            found[scope, "checkpoint"] = partial(training.human_only, scope=scope, rounds=rounds)
            found[scope, "evaluation"] = partial(evaluation, scope=scope)
    return found


def _stage(run: Run, do: Stage, iteration: int) -> Manifest:
    return do(run, iteration)


@dataclass
class _Audited:
    run: Run
    inspector: Inspector
    manifests: ManifestsOf

    def line(self, scope: str, stage: str, do: Callable[[Run], Manifest]) -> Line:
        kept = self.manifests.kept.get((scope, stage), Kept())
        done = self._is_done(scope, stage, do)
        wanted, pools = self._wanted(scope, stage, done, kept)
        committed = self._committed(scope, stage, done, kept, wanted, pools)
        members = set(kept.keys) | (wanted or set())
        if (
            stage == "evaluation" and done and wanted is not None
        ):  # its table names problems; what its scores stand on follows from the plan
            members, pools = self._evidence(scope)
            kept.lost += self._lost_evidence(scope, members, pools)
        again: set[str] = set().union(*(p.again for p in _distinct(pools, kept)))
        state: State = (
            "done"
            if done
            else (
                "owed"
                if (scope, stage) in self.manifests.current
                else "begun"
                if committed
                else "not begun"
            )
        )
        count = None if wanted is None else len(wanted)
        aside = sum(_quarantined(p, members) for p in _distinct(pools, kept))
        return Line(
            self.run.name,
            scope,
            stage,
            state,
            count,
            committed,
            kept.duplicated + len(members & again),
            kept.lost,
            aside,
        )

    def _is_done(self, scope: str, stage: str, do: Callable[[Run], Manifest]) -> bool:
        """Would a run leave this stage as it is?"""
        if (scope, stage) not in self.manifests.current:
            return False
        try:
            do(self.run)
        except _WorkIsOwed:
            if stage in OWN_SAMPLES:  # the verdicts on it may be what is owed
                return self._requests_are_drawn(scope, stage)
            return False
        except UNFINISHED as error:
            if stage == "problems":
                self.inspector.find("settings", f"{self.run.name}: {error}")
            return False
        return True

    def _requests_are_drawn(self, scope: str, stage: str) -> bool:
        wanted = {r.key for draws in self._asked(scope, stage) or () for r in draws.requests()}
        return wanted == set(self.manifests.kept[scope, stage].keys)

    # -- wanted ------------------------------------------------------------------------------------

    def _wanted(
        self, scope: str, stage: str, done: bool, kept: Kept
    ) -> tuple[set[str] | None, list[PoolState]]:
        """Keys that the settings ask for, or None where an earlier stage decides that; and the
        pools they belong in."""
        policy = self._digest(scope, "checkpoint" if stage == "evaluation" else "policy")
        match stage:
            case "policy" | "checkpoint":
                return {stage}, []
            case "problems":
                return self._problem_ids(), []
            case "dataset" | "trajectories":
                return (set(kept.keys) if done else None), []
            case "evaluation":
                return self._scored(), [self.inspector.samples(policy)] if policy else []
        asked = self._asked(scope, SAMPLES_OF.get(stage, stage))
        pools = (
            self._verdicts(policy)
            if stage in SAMPLES_OF
            else [self.inspector.samples(policy)]
            if policy
            else []
        )
        if asked is None:
            return None, [] if stage in SAMPLES_OF else pools
        if stage in SAMPLES_OF:
            return self._verdict_keys(asked, policy or ""), pools
        return {r.key for draws in asked for r in draws.requests()}, pools

    def _verdicts(self, policy: str | None) -> list[PoolState]:
        return (
            [self.inspector.verifications(verifier, policy) for verifier in self.run.all_verifiers]
            if policy
            else []
        )

    def _digest(self, scope: str, stage: str) -> str | None:
        found = self.manifests.current.get((scope, stage))
        return found.digest if found else None

    def _problem_ids(self) -> set[str] | None:
        # nothing was ever begun: a task may be costly to load
        if not self.manifests.folder.is_dir():
            return None
        try:
            return {p.id for p in load_problems(self.run.config)}
        except UNFINISHED:
            return None

    def _scored(self) -> set[str] | None:
        try:
            return {
                problem for draws in evaluation_draws(self.run, "") for problem, _ in draws.prompts
            }
        except UNFINISHED:
            return None

    def _asked(self, scope: str, stage: str) -> list[Draws] | None:
        """What a round asks for; without a policy the keys say nothing, but their number is
        right."""
        try:
            return ASKED[stage](
                self.run.at(iteration_of(scope)), scope, self._digest(scope, "policy") or ""
            )
        except UNFINISHED:
            return None

    def _verdict_keys(
        self, asked: Iterable[Draws], policy: str, drawn_only: bool = False
    ) -> set[str]:
        """Keys of the verdicts on these; of a sample that is not there, which has no text to
        judge, only something that stands for its verdict, or nothing if `drawn_only`."""
        digests = {p.id: problem_digest(p) for p in self.run.problems}
        verifiers = {name: way.verifier_fingerprint for name, way in self.run.ways.items()}
        texts = self.inspector.texts(policy)
        return {
            (
                verification_key(
                    r.key, texts[r.key], digests[r.problem_id], verifiers[draws.method]
                )
                if r.key in texts
                else f"verdict on {r.key}"
            )
            for draws in asked
            for r in draws.requests()
            if r.key in texts or not drawn_only
        }

    # -- committed ---------------------------------------------------------------------------------

    def _committed(
        self,
        scope: str,
        stage: str,
        done: bool,
        kept: Kept,
        wanted: set[str] | None,
        pools: list[PoolState],
    ) -> int | None:
        if wanted is None:
            return None
        match stage:
            case "policy" | "checkpoint":
                return int(done and not kept.lost)
            case "problems":
                return len(wanted & set(kept.keys))
            case "dataset" | "trajectories" | "evaluation":
                return len(wanted & set(kept.keys)) if done else 0
        return sum(len(wanted & p.keys) for p in pools)

    def _evidence(self, scope: str) -> tuple[set[str], list[PoolState]]:
        """Keys of the samples and verdicts of a finished evaluation, and the pools that hold
        them."""
        policy = self._digest(scope, "checkpoint") or ""
        asked = evaluation_draws(self.run, policy)
        pools = [self.inspector.samples(policy), *self._verdicts(policy)]
        # what is lost is named as a sample, not as a verdict too
        verdicts = self._verdict_keys(asked, policy, drawn_only=True)
        return {r.key for draws in asked for r in draws.requests()} | verdicts, pools

    def _lost_evidence(self, scope: str, keys: set[str], pools: list[PoolState]) -> int:
        gone = keys.difference(*(p.keys for p in pools))
        if len(gone) > sum(p.records_at_fault for p in pools) and not any(
            p.unreadable for p in pools
        ):
            name = self.run.name
            self.inspector.find(
                "lost",
                f"{name}: {scope} evaluation stands on {len(gone)} samples and verdicts that no"
                f" committed shard holds, for instance {min(gone)[:12]}; restore the shard and its"
                f" entry in manifest.json, or run `selftrain run {name}`, which makes what is lost"
                " again",
            )
        return len(gone)


def _distinct(pools: list[PoolState], kept: Kept) -> list[PoolState]:
    """The pools of a line, each once."""
    every = [*pools, *kept.pools]
    return list({p.directory: p for p in every}.values())


def _quarantined(pool: PoolState, keys: set[str]) -> int:
    """How many of these keys are in files put aside; a file that cannot be read counts with all
    its records."""
    total = 0
    for path, records in pool.quarantined:
        found = keys_if_readable(path)
        total += records if found is None else len(keys.intersection(found))
    return total
