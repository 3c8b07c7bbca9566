"""Check that what manifests say is true.

Checks files, checksums, keys, parents and weights, without reading any settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from selftrain_assets.domain.errors import SelftrainError
from selftrain_assets.domain.types import Sample
from selftrain_assets.domain.weights import PerMethod, StoredCheckpoint, WeightsRef
from selftrain_assets.operations.findings import Finding, FindingKind
from selftrain_assets.pipeline.results import PolicyResult
from selftrain_assets.pipeline.run import iteration_scope
from selftrain_assets.pipeline.stages import every_table
from selftrain_assets.pipeline.weights import resolve
from selftrain_assets.store import Manifest, Store
from selftrain_assets.store.inspection import (
    HISTORY,
    PoolState,
    fault_of,
    manifest_files,
    parents_of,
    policy_of,
    pool_folders,
    pool_state,
    read_manifest,
    repeated,
    table_keys,
)
from selftrain_assets.store.lease import is_held


@dataclass(slots=True)
class Kept:
    """What exists of the things that the manifest of one stage lists.

    Attributes:
        keys: Keys of its table, where they can be read.
        pools: Pools of its samples or verdicts.
        duplicated: Number of keys that occur more than once.
        lost: Number of keys or files that do not exist.
    """

    keys: list[str] = field(default_factory=list)
    pools: list[PoolState] = field(default_factory=list)
    duplicated: int = 0
    lost: int = 0


class Inspector:
    """Checks a store once and collects findings; each pool, table and checkpoint is read once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._findings: dict[str, Finding] = {}
        self._pools: dict[Path, PoolState] = {}
        self._weights: dict[str, str | None] = {}
        self._texts: dict[str, dict[str, str]] = {}
        self.tables = {table.name: table for table in every_table()}

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._findings.values())

    def find(self, kind: FindingKind, sentence: str, wrong: bool = True) -> None:
        """Add a finding; the same sentence is added only once."""
        self._findings.setdefault(sentence, Finding(kind, sentence, wrong))

    def relative(self, path: Path) -> str:
        """Return a path relative to the store's root."""
        return str(path.relative_to(self.store.root))

    # -- pools -------------------------------------------------------------------------------------

    def all_pools(self) -> None:
        """Check every pool, including those that no experiment refers to."""
        for folder in pool_folders(self.store.root):
            self.pool(folder)

    def samples(self, policy: str) -> PoolState:
        return self.pool(self.store.samples(policy).directory)

    def texts(self, policy: str) -> dict[str, str]:
        """Return digests of completions by sample key, from the shards that can be read."""
        pool = self.store.samples(policy)
        if policy not in self._texts:
            damaged = {fault.file for fault in self.pool(pool.directory).faults}
            files = (
                []
                if self.pool(pool.directory).unreadable
                else [file for file in pool.files() if file not in damaged]
            )
            with self.store.workspace() as ws:
                self._texts[policy] = dict(
                    ws.rows("generation.text_digests", samples=ws.read(Sample, files))
                )
        return self._texts[policy]

    def verifications(self, verifier: str, policy: str) -> PoolState:
        return self.pool(self.store.verifications(verifier, policy).directory)

    def pool(self, directory: Path) -> PoolState:
        """Return the state of a pool; what is wrong with its files is reported the first time."""
        if directory not in self._pools:
            self._pools[directory] = state = pool_state(directory)
            self._judge_pool(state)
        return self._pools[directory]

    def _judge_pool(self, state: PoolState) -> None:
        listing = self.relative(state.directory / "manifest.json")
        if state.unreadable:
            self.find(
                "unreadable",
                f"{listing} is not a pool's manifest; restore it, or run again, which rebuilds it"
                " from its shards",
            )
        for fault in state.faults:
            what = (
                "is listed but is not there"
                if fault.kind == "missing"
                else "is not as it was committed (checksum)"
            )
            self.find(
                fault.kind,  # type: ignore[arg-type]
                f"{self.relative(fault.file)} {what} and {fault.records} records go with it;"
                " restore it from a copy, or run the experiments below, which puts it aside and"
                " makes what is lost again",
            )
        if state.again:
            last = min(state.again.values())
            self.find(
                "duplicated",
                f"{listing}: {len(state.again)} keys occur more than once, the second time in"
                f" {last}; take one entry of {last} out of the manifest, and audit again for keys"
                " that it alone held",
            )
        if not is_held(state.directory):  # a live writer lists its shard in a moment
            for path in state.orphans:
                self.find(
                    "orphan",
                    f"{self.relative(path)} is listed by no manifest; a run adopts it if whole; or"
                    " selftrain gc --delete",
                )

    # -- weights -----------------------------------------------------------------------------------

    def weights(self, weights: WeightsRef) -> bool:
        """Return whether these weights exist and are unchanged."""
        if weights.digest not in self._weights:
            self._weights[weights.digest] = sentence = self._fault_of_weights(weights)
            if sentence:
                self.find("changed", sentence)
        return self._weights[weights.digest] is None

    def _fault_of_weights(self, weights: WeightsRef) -> str | None:
        try:
            resolve(self.store, weights)
        except (SelftrainError, OSError) as error:
            return str(error)
        for own in weights.methods.values() if isinstance(weights, PerMethod) else (weights,):
            if isinstance(own, StoredCheckpoint) and self.store.checkpoint_facts(own.key) is None:
                folder = self.relative(self.store.checkpoint(own.key))
                return (
                    f"{folder} has lost its selftrain.json; restore it, or remove the folder and"
                    " run again, which trains it again"
                )
        return None

    # -- stages ------------------------------------------------------------------------------------

    def experiment(self, name: str) -> ManifestsOf:
        """Return the manifests of an experiment, current and replaced."""
        return ManifestsOf(self, name)


@dataclass
class ManifestsOf:
    """The manifests of one experiment; `current` maps (scope, stage) to those that can be read."""

    inspector: Inspector
    name: str

    @property
    def folder(self) -> Path:
        return self.inspector.store.root / "experiments" / self.name

    @cached_property
    def current(self) -> dict[tuple[str, str], Manifest]:
        return {(m.scope, m.stage): m for m in self._read(history=False)}

    @cached_property
    def kept(self) -> dict[tuple[str, str], Kept]:
        """What exists of each current stage; checked once."""
        return {place: self._judge(manifest) for place, manifest in self.current.items()}

    def _read(self, history: bool) -> Iterator[Manifest]:
        for path in manifest_files(self.folder, history):
            manifest = read_manifest(path)
            if manifest is None:
                self.inspector.find(
                    "unreadable",
                    f"{self.inspector.relative(path)} is not a manifest; restore it from a copy, or"
                    f" remove it and run `selftrain run {self.name}` again, which finds the stage's"
                    " work in the pools",
                )
            else:
                yield manifest

    def inspect(self) -> None:
        """Check current manifests, replaced manifests, and files that neither lists."""
        assert self.kept is not None
        past = list(self._read(history=True))
        for manifest in past:
            self._table(manifest, past=True)
            self._weights(manifest)
        listed = {
            (m.scope, file)
            for m in (*self.current.values(), *past)
            for file, _, _ in m.files.values()
        }
        for path in sorted(self.folder.glob("*/*.parquet")):
            if (path.parent.name, path.name) not in listed and not self._being_written(path.parent):
                self.inspector.find(
                    "unlisted",
                    f"{self.inspector.relative(path)} is needed by no manifest any more, which does"
                    " no harm; selftrain gc --delete removes it",
                    wrong=False,
                )

    def _being_written(self, scope: Path) -> bool:
        return any(is_held(folder) for folder in scope.glob(".leases/*/"))

    def _judge(self, manifest: Manifest) -> Kept:
        kept = self._table(manifest)
        where = f"{self.name}: {manifest.scope} {manifest.stage}"
        if policy := policy_of(manifest):
            judges = manifest.references.verifiers
            kept.pools = (
                [self.inspector.verifications(judge, policy) for judge in judges]
                if judges
                else [self.inspector.samples(policy)]
            )
            gone = set(kept.keys).difference(*(pool.keys for pool in kept.pools))
            kept.lost += len(gone)
            kept.duplicated += sum(len(set(kept.keys) & pool.again.keys()) for pool in kept.pools)
            at_fault = sum(pool.records_at_fault for pool in kept.pools)
            # else the pool's own finding says why
            if len(gone) > at_fault and not any(pool.unreadable for pool in kept.pools):
                self.inspector.find(
                    "lost",
                    f"{where} names {len(gone)} keys that no committed shard holds, for instance"
                    f" {min(gone)[:12]}; restore the shard and its entry in manifest.json, or run"
                    f" `selftrain run {self.name}`, which makes what is lost again",
                )
        if manifest.stage in ("checkpoint", "policy") and not self._weights(manifest):
            kept.lost += 1
        for name, digest in manifest.parents.items():
            self._parent(manifest, name, digest)
        return kept

    def _manifest_file(self, manifest: Manifest, history: bool = False) -> str:
        folder = self.folder / manifest.scope
        path = (
            folder / HISTORY / manifest.name_in_history()
            if history
            else folder / f"{manifest.stage}.json"
        )
        return self.inspector.relative(path)

    def _table(self, manifest: Manifest, past: bool = False) -> Kept:
        kept = Kept()
        for name, (file, records, sha256) in manifest.files.items():
            path = self.folder / manifest.scope / file
            if kind := fault_of(path, sha256):
                what = (
                    "is listed but is not there"
                    if kind == "missing"
                    else "is not as it was committed (checksum)"
                )
                self.inspector.find(
                    kind,  # type: ignore[arg-type]
                    f"{self.inspector.relative(path)} {what}; restore it from a copy, or "
                    + (
                        f"remove {self._manifest_file(manifest, past)}"
                        if past
                        else f"run `selftrain run {self.name}`, which makes it again"
                    ),
                )
                kept.lost += records
                continue
            spec = self.inspector.tables.get(name)
            keys = table_keys(path, spec.identified_by if spec else ("key",))
            kept.keys += keys if spec is None or spec.main else []
            if again := repeated(keys):
                kept.duplicated += len(again)
                self.inspector.find(
                    "duplicated",
                    f"{self.inspector.relative(path)}: {len(again)} keys occur more than once, for"
                    f" instance {min(again)[:32]}; remove {self._manifest_file(manifest, past)} and"
                    f" run `selftrain run {self.name}`, which makes the table again",
                )
        return kept

    def _weights(self, manifest: Manifest) -> bool:
        """Return whether the weights of a manifest exist and are unchanged."""
        weights = manifest.references.weights
        return weights is None or self.inspector.weights(weights)

    # -- parents -----------------------------------------------------------------------------------

    def _parent(self, manifest: Manifest, name: str, digest: str) -> None:
        if name == "start":
            return self._start(manifest, digest)
        if name == "teacher/checkpoint":
            return self._teacher(manifest, digest)
        candidates = parents_of(manifest, name)
        child = f"{self.name}: {manifest.scope} {manifest.stage}"
        parent = " or ".join(f"{scope} {stage}" for scope, stage in candidates)
        digests = {self.current[c].digest for c in candidates if c in self.current}
        if not digests:
            self.inspector.find(
                "broken",
                f"{child} was made from {parent} (digest {digest[:12]}), which has no manifest;"
                f" restore it, or run `selftrain run {self.name}`, which makes it again",
            )
        elif digest not in digests:
            self.inspector.find(
                "stale",
                f"{child} is stale: it was made from {parent} with digest {digest[:12]}, which is"
                f" now {min(digests)[:12]}; run `selftrain run {self.name}`, which brings it up to"
                " date",
            )

    def _teacher(self, manifest: Manifest, digest: str) -> None:
        """Report a teacher whose experiment has a new checkpoint since.

        The weights that were used are pinned, so they stay valid whatever becomes of that
        experiment.
        """
        teacher = manifest.result(PolicyResult).teacher
        scope = iteration_scope(teacher.iteration) if teacher else ""
        now = (
            self.inspector.store.manifest(teacher.experiment, scope, "checkpoint")
            if teacher
            else None
        )
        if now is not None and now.digest != digest:
            self.inspector.find(
                "stale",
                f"{self.name}: {manifest.scope} {manifest.stage} is stale: its teacher"
                f" {now.experiment} {now.scope} has now a checkpoint with digest {now.digest[:12]},"
                f" and had {digest[:12]}; run `selftrain run {self.name}`, which brings it up to"
                " date",
            )

    def _start(self, manifest: Manifest, digest: str) -> None:
        """Report a training that began from weights that are no longer current.

        It has to begin from a checkpoint of the experiment, or from the model that its base began
        from.
        """
        base = self.current.get(("base", "checkpoint"))
        known = {m.digest for (_, stage), m in self.current.items() if stage == "checkpoint"}
        if manifest.scope != "base" and digest not in known | {
            base.parents.get("start") if base else None
        }:
            self.inspector.find(
                "stale" if base else "broken",
                f"{self.name}: {manifest.scope} {manifest.stage} is stale: it was trained from"
                f" weights with digest {digest[:12]}, which no current checkpoint has; run"
                f" `selftrain run {self.name}`, which brings it up to date",
            )
