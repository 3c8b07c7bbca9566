"""Compare what each stage of each round wants with what the store has committed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from selftrain_assets.domain.errors import SelftrainError, TaskError
from selftrain_assets.domain.identity import problem_digest, verification_key
from selftrain_assets.domain.requests import Draws
from selftrain_assets.operations.findings import Line, State
from selftrain_assets.operations.inspector import Inspector, Kept, ManifestsOf
from selftrain_assets.pipeline.evaluation import evaluation_draws
from selftrain_assets.pipeline.inputs import load_problems
from selftrain_assets.pipeline.loop import WantedOf, everything_wanted
from selftrain_assets.pipeline.run import Run, iteration_of
from selftrain_assets.pipeline.stage import StageSpec
from selftrain_assets.pipeline.stages import round_stages
from selftrain_assets.store.inspection import PoolState, keys_if_readable

# Errors that mean that an earlier stage is missing or cannot be read.
UNFINISHED = (SelftrainError, KeyError, ValueError, TypeError)


def owed(run: Run, scopes: Iterable[str]) -> list[tuple[str, str]]:
    """List the stages that are unfinished or out of date under the current settings.

    Args:
        run: The experiment.
        scopes: Scopes to look at, such as `base` or `iter-001`.

    Returns:
        Pairs of scope and stage, in the order in which a run would do them.
    """
    chosen = set(scopes)
    return [
        (scope, stage)
        for (scope, stage), wanted_of in everything_wanted(run).items()
        if scope in chosen and not _is_met(run, scope, stage, wanted_of)
    ]


def _is_met(run: Run, scope: str, stage: str, wanted_of: WantedOf) -> bool:
    try:
        return wanted_of(run).is_met_by(run.manifest(scope, stage))
    except TaskError:
        return False


def audit(inspector: Inspector, run: Run) -> list[Line]:
    """Audit an experiment that has a file; findings are added to `inspector`.

    Returns:
        One line for each stage, in the order of the stages.
    """
    kept = inspector.experiment(run.name)
    kept.inspect()
    stages = everything_wanted(run)
    audited = _Audited(run, inspector, kept)
    lines = [audited.line(*place, wanted_of) for place, wanted_of in stages.items()]
    return lines + [
        _left(run.name, place, kept.kept[place]) for place in kept.current if place not in stages
    ]


def audit_without_settings(inspector: Inspector, name: str) -> list[Line]:
    """Audit an experiment that is in the store but has no file any more.

    Returns:
        One line for each stage that has a manifest.
    """
    kept = inspector.experiment(name)
    kept.inspect()
    return [_left(name, place, each) for place, each in kept.kept.items()]


def _left(name: str, place: tuple[str, str], kept: Kept) -> Line:
    return Line(name, *place, "not asked for", 0, 0, kept.duplicated, kept.lost)


@dataclass
class _Audited:
    run: Run
    inspector: Inspector
    manifests: ManifestsOf

    def __post_init__(self) -> None:
        round_of = round_stages(self.run.config.recipe)
        self.drawing = {s.samples: s for s in round_of if s.requests is not None}
        self.judging = {s.name: s for s in round_of if s.judges}

    def line(self, scope: str, stage: str, wanted_of: WantedOf) -> Line:
        kept = self.manifests.kept.get((scope, stage), Kept())
        done = self._is_done(scope, stage, wanted_of)
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

    def _is_done(self, scope: str, stage: str, wanted_of: WantedOf) -> bool:
        """Return whether a run would leave this stage as it is."""
        manifest = self.manifests.current.get((scope, stage))
        if manifest is None:
            return False
        try:
            return wanted_of(self.run).is_met_by(manifest)
        except UNFINISHED as error:
            if stage == "problems":
                self.inspector.find("settings", f"{self.run.name}: {error}")
            return False

    # -- wanted ------------------------------------------------------------------------------------

    def _wanted(
        self, scope: str, stage: str, done: bool, kept: Kept
    ) -> tuple[set[str] | None, list[PoolState]]:
        """Return the keys that the settings ask for, and the pools that they belong in.

        The keys are None where the result of an earlier stage decides them.
        """
        policy = self._digest(scope, "checkpoint" if stage == "evaluation" else "policy")
        match stage:
            case "policy" | "checkpoint":
                return {stage}, []
            case "problems":
                return self._problem_ids(), []
            case "evaluation":
                return self._scored(), [self.inspector.samples(policy)] if policy else []
        judging = self.judging.get(stage)
        drawing = self.drawing.get(judging.samples if judging else stage)
        if drawing is None:  # what it makes follows from what is there
            return (set(kept.keys) if done else None), []
        draws = self._draws(scope, drawing)
        if judging is not None:
            keys = None if draws is None else self._verdict_keys(draws, policy or "")
            return keys, [] if draws is None else self._verdicts(policy)
        pools = [self.inspector.samples(policy)] if policy else []
        return None if draws is None else _keys(draws), pools

    def _verdicts(self, policy: str | None) -> list[PoolState]:
        return (
            [self.inspector.verifications(verifier, policy) for verifier in self.run.all_verifiers]
            if policy
            else []
        )

    def _digest(self, scope: str, stage: str) -> str | None:
        manifest = self.manifests.current.get((scope, stage))
        return manifest.digest if manifest else None

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

    def _draws(self, scope: str, stage: StageSpec) -> list[Draws] | None:
        """Return the requests of a round, or None if they cannot be known yet.

        Without a policy the keys of the requests are meaningless, but their number is right.
        """
        assert stage.requests is not None
        run = stage.in_round(self.run, iteration_of(scope))
        try:
            return stage.requests(run, scope, self._digest(scope, "policy") or "")
        except UNFINISHED:
            return None

    def _verdict_keys(
        self, all_draws: Iterable[Draws], policy: str, drawn_only: bool = False
    ) -> set[str]:
        """Return the keys of the verdicts on these samples.

        A sample that is missing has no text, so its verdict has no key: a placeholder stands in for
        it, or nothing if `drawn_only`.
        """
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
            for draws in all_draws
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
            case "evaluation":
                return len(wanted & set(kept.keys)) if done else 0
        if stage in self.judging or stage in self.drawing:
            return sum(len(wanted & pool.keys) for pool in pools)
        return len(wanted & set(kept.keys)) if done else 0

    def _evidence(self, scope: str) -> tuple[set[str], list[PoolState]]:
        """Return the keys of the samples and verdicts of a finished evaluation, and their pools."""
        policy = self._digest(scope, "checkpoint") or ""
        draws = evaluation_draws(self.run, policy)
        pools = [self.inspector.samples(policy), *self._verdicts(policy)]
        # what is lost is named as a sample, not as a verdict too
        verdicts = self._verdict_keys(draws, policy, drawn_only=True)
        return _keys(draws) | verdicts, pools

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


def _keys(all_draws: Iterable[Draws]) -> set[str]:
    return {request.key for draws in all_draws for request in draws.requests()}


def _distinct(pools: list[PoolState], kept: Kept) -> list[PoolState]:
    """Return the pools of a line without repetition."""
    every = [*pools, *kept.pools]
    return list({p.directory: p for p in every}.values())


def _quarantined(pool: PoolState, keys: set[str]) -> int:
    """Count how many of these keys are in quarantined files.

    A file that cannot be read counts with all its records.
    """
    total = 0
    for path, records in pool.quarantined:
        quarantined_keys = keys_if_readable(path)
        total += records if quarantined_keys is None else len(keys.intersection(quarantined_keys))
    return total
