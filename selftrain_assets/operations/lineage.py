"""Trace a checkpoint back to the samples of each row, or a sample forward to checkpoints.

Everything is read from manifests and tables: Dagster's database is not needed. Superseded versions
are followed too, since edges are digests and history/ keeps the manifests that they name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.identity import KEY_LENGTH
from selftrain_assets.domain.types import Row
from selftrain_assets.domain.weights import (
    PerMethod,
    PretrainedModel,
    RandomInit,
    ServedModel,
    StoredCheckpoint,
    WeightsRef,
)
from selftrain_assets.pipeline.results import CheckpointResult, DatasetResult, PolicyResult
from selftrain_assets.pipeline.stages import every_stage
from selftrain_assets.store import SHORT, Manifest, Store
from selftrain_assets.store.lookup import Files, lookup, nth


@dataclass(frozen=True)
class Node:
    """An item of a lineage, its facts, and the items that it was made from.

    In a forward lineage, the items that were made from it.
    """

    kind: str
    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    edges: list[Node] = field(default_factory=list)


class Lineage:
    """The manifests of a store or of one experiment, current and superseded."""

    def __init__(self, store: Store, experiment: str = "*") -> None:
        self.store = store
        current = store.manifests(experiment)
        self._current = len(current)
        self.manifests = [*current, *store.manifests(experiment, superseded=True)]
        self._stages = every_stage()

    def of(self, stage: str, **wanted: str) -> Iterator[Manifest]:
        """Yield manifests of a stage with this experiment, scope or digest; current ones first."""
        return (
            m
            for m in self.manifests
            if m.stage == stage and all(getattr(m, name) == value for name, value in wanted.items())
        )

    def is_current(self, manifest: Manifest) -> bool:
        """Return whether the manifest was not superseded."""
        return any(m is manifest for m in self.manifests[: self._current])

    def table(self, manifest: Manifest, name: str) -> Files:
        file, _, sha256 = manifest.files[name]
        return {self.store.scope(manifest.experiment, manifest.scope) / file: sha256}

    # -- back --------------------------------------------------------------------------------------

    def checkpoint(self, experiment: str, scope: str, row: int | None = None) -> Node:
        """Trace a checkpoint back to everything that it was made from.

        Args:
            experiment: Name of the experiment.
            scope: Scope of the checkpoint, such as `iter-001`.
            row: Position of a row of its dataset, from 1, that is traced to its prompt and verdict.

        Raises:
            UserError: There is no such checkpoint or row.
        """
        manifest = next(self.of("checkpoint", experiment=experiment, scope=scope), None)
        if manifest is None:
            scopes = sorted(m.scope for m in self.of("checkpoint", experiment=experiment))
            raise UserError(
                f"{experiment}: {scope} has no checkpoint; `selftrain status {experiment}` shows"
                f" what is finished; checkpoints: {', '.join(scopes) or 'none'}"
            )
        return self._checkpoint(manifest, row, set())

    def _checkpoint(self, manifest: Manifest, row: int | None, seen: set[str]) -> Node:
        name, result = f"{manifest.experiment} {manifest.scope}", manifest.result(CheckpointResult)
        if manifest.digest in seen:
            return Node("checkpoint", name, {"digest": manifest.digest, "see": "above"})
        seen.add(manifest.digest)
        facts = _facts(self, manifest) | self._forked(manifest) | _weights(result.weights)
        facts |= {"steps": result.steps, "seed": result.seed}
        edges = [
            self._dataset(manifest, digest, row, seen)
            for name, digest in manifest.parents.items()
            if name == "dataset"
        ]
        if (start := manifest.parents.get("start")) is not None:
            edges.append(
                self._weights_of("trained from", manifest.experiment, start, seen, result.start)
            )
        if row is not None and "dataset" not in manifest.parents:
            raise UserError(
                f"--row {row}: {name} has no dataset of its own: it is the model itself, or learned"
                " from the human rows"
            )
        return Node("checkpoint", name, facts, edges)

    def _forked(self, checkpoint: Manifest) -> dict[str, str]:
        """Return the settings that a fork changes in this round, if its experiment is a fork."""
        policies = self.of("policy", experiment=checkpoint.experiment, scope=checkpoint.scope)
        forks = next((m.result(PolicyResult).forks for m in policies), ())
        return {"forked from": "; ".join(map(str, forks))} if forks else {}

    def _dataset(self, manifest: Manifest, digest: str, row: int | None, seen: set[str]) -> Node:
        dataset = next(self.of("dataset", experiment=manifest.experiment, digest=digest), None)
        if dataset is None:
            return Node("dataset", digest, {"missing": "no manifest has this digest"})
        facts = _facts(self, dataset) | dataset.counts
        edges = [self._row(dataset, row)] if row is not None else []
        for name, verdicts in dataset.parents.items():
            scope, _, stage = name.partition("/")
            if stage:
                edges.append(self._evidence(dataset.experiment, scope, stage, verdicts, seen))
        return Node("dataset", f"{dataset.experiment} {dataset.scope}", facts, edges)

    def _evidence(
        self, experiment: str, scope: str, stage: str, digest: str, seen: set[str]
    ) -> Node:
        """Return the verdicts of a round, with their samples and the policy that drew them."""
        verdicts = next(self.of(stage, experiment=experiment, scope=scope, digest=digest), None)
        if verdicts is None:
            return Node(
                stage,
                f"{experiment} {scope}",
                {"digest": digest, "missing": "no manifest has this digest"},
            )
        edges = []
        for name, parent in verdicts.parents.items():
            drawn = list(self.of(name, experiment=experiment, scope=scope, digest=parent))
            if not any(m.names_samples for m in drawn):  # it stands on verdicts
                edges.append(self._evidence(experiment, scope, name, parent, seen))
                continue
            for samples in drawn:
                policy = self._weights_of("drawn from", experiment, samples.parents["policy"], seen)
                edges.append(
                    Node(
                        name,
                        f"{experiment} {scope}",
                        _facts(self, samples) | samples.counts,
                        [policy],
                    )
                )
                break
        return Node(
            stage, f"{experiment} {scope}", _facts(self, verdicts) | _outcomes(verdicts), edges
        )

    def _weights_of(
        self,
        relation: str,
        experiment: str,
        digest: str,
        seen: set[str],
        weights: WeightsRef | None = None,
    ) -> Node:
        """Return the checkpoint with these weights, or the model outside the store.

        The checkpoint may belong to another experiment.
        """
        policies = self.of("policy", experiment=experiment, digest=digest)
        weights = weights or next((m.result(PolicyResult).weights for m in policies), None)
        made = next(self.of("checkpoint", experiment=experiment, digest=digest), None)
        if made is None and isinstance(weights, StoredCheckpoint | PerMethod):
            made = next(self.of("checkpoint", digest=digest), None)
        if made is not None:
            node = self._checkpoint(made, None, seen)
            return Node(node.kind, node.name, {"relation": relation, **node.facts}, node.edges)
        return Node(
            "model", digest, {"relation": relation, **(_weights(weights) if weights else {})}
        )

    def _row(self, dataset: Manifest, position: int) -> Node:
        _, count, _ = dataset.files["rows"]
        if not 1 <= position <= count:
            raise UserError(
                f"--row {position}: the dataset of {dataset.experiment} {dataset.scope} has rows 1"
                f" to {count}"
            )
        row = nth(Row, self.store.table(dataset, "rows"), position - 1)
        edges = [self.sample(row["sample_key"])] if row["sample_key"] else []
        edges += self._row_parts(dataset, row)
        sample_texts = [
            text.strip()
            for edge in edges
            for text in (edge.facts.get("prompt", ""), _completion(edge.facts))
        ]
        facts = {
            name: value
            for name, value in row.items()
            if not (isinstance(value, str) and value.strip() in sample_texts)
        }
        return Node("row", f"{position} of {count}", facts, edges)

    def _row_parts(self, dataset: Manifest, row: dict[str, Any]) -> list[Node]:
        """Return the parts of a row that have a lineage of their own, with their samples."""
        parts = [
            part
            for stage in self._stages.values()
            if stage.row_parts is not None
            for made in self.of(stage.name, experiment=dataset.experiment)
            if made.digest in dataset.parents.values()
            for part in stage.row_parts(self.store, made, row)
        ]
        return [
            Node(part.kind, part.name, dict(part.facts), [self.sample(key) for key in part.samples])
            for part in parts
        ]

    # -- samples -----------------------------------------------------------------------------------

    def sample(self, key: str) -> Node:
        """Return a sample with its prompt, parameters, seed, engine, policy and all verdicts.

        Args:
            key: Its key or the beginning of one.
        """
        record = self._sample(key)
        settings = next((m.settings for m, _ in self._membership(record["key"])), {})
        parameters = {name: value for name, value in settings.items() if value not in ([], None)}
        facts = _in_parts(record) | {"parameters": parameters}
        return Node(
            "sample",
            record["key"],
            facts,
            [*self._verdicts(record), *self._made_from(record["key"])],
        )

    def _made_from(self, key: str) -> list[Node]:
        """Return the sample that this one was made from by a stage of the recipe, if any."""
        for made, member in self._membership(key):
            if not member.get("translates"):
                continue
            source = self.sample(member["translates"])
            derived = [s for s in self._stages.values() if s.draws_first == made.stage]
            relation = derived[0].derived_as if derived else "made from"
            facts = {"relation": relation, "from": member["origin"], "into": member["method"]}
            return [Node(source.kind, source.name, facts | source.facts, source.edges)]
        return []

    def _sample(self, key: str) -> dict[str, Any]:
        pools = sorted((self.store.root / "samples").glob("*/"))
        files = {
            pool / s.file: s.sha256
            for pool in pools
            for s in self.store.samples(pool.name).shards()
        }
        whole = len(key) == KEY_LENGTH
        records = lookup(files, "key", key, prefix=not whole, once=whole)
        if not records:
            raise UserError(
                f'no sample has a key that begins with "{key}"; `selftrain show` and `selftrain'
                " sql` give keys"
            )
        if len(records) > 1:
            raise UserError(
                f'"{key}" begins {len(records)} keys, such as {records[0]["key"]} and'
                f" {records[1]['key']}; give more of it"
            )
        return records[0]

    def _verdicts(self, sample: dict[str, Any]) -> list[Node]:
        folders = sorted((self.store.root / "verifications").glob(f"*/{sample['policy'][:SHORT]}/"))
        pools = [self.store.verifications(folder.parent.name, folder.name) for folder in folders]
        verdicts = [
            verdict
            for pool in pools
            for verdict in lookup(
                {pool.directory / s.file: s.sha256 for s in pool.shards()},
                "sample_key",
                sample["key"],
            )
        ]
        return [
            Node(
                "verdict", v["key"], {name: value for name, value in v.items() if value is not None}
            )
            for v in verdicts
        ]

    def _membership(self, key: str) -> Iterator[tuple[Manifest, dict[str, Any]]]:
        """Yield the stages that drew this sample, each with its record of the sample."""
        for made in self.manifests:
            if made.names_samples and made.stage in made.files:
                for member in lookup(self.table(made, made.stage), "key", key):
                    yield made, member

    # -- forward -----------------------------------------------------------------------------------

    def forward(self, key: str) -> Node:
        """Trace a sample to every dataset and checkpoint that it entered, and to later rounds."""
        record = self._sample(key)
        keys = {record["key"], *self._rows_with(record["key"])}
        datasets = [
            m
            for m in self.of("dataset")
            if any(lookup(self.table(m, "rows"), "sample_key", sample_key) for sample_key in keys)
        ]
        seen = {(m.experiment, record["policy"]) for m in datasets}
        edges = [self._after_dataset(m, seen) for m in datasets]
        return Node("sample", record["key"], _in_parts(record), [*self._verdicts(record), *edges])

    def _rows_with(self, key: str) -> Iterator[str]:
        """Yield the keys of samples whose training rows contain this sample too."""
        for stage in self._stages.values():
            if stage.rows_with is not None:
                for made in self.of(stage.name):
                    yield from stage.rows_with(self.store, made, {key})

    def _after_dataset(self, dataset: Manifest, seen: set[tuple[str, str]]) -> Node:
        trained = [
            m
            for m in self.of("checkpoint", experiment=dataset.experiment)
            if m.parents.get("dataset") == dataset.digest
        ]
        edges = [self._after_checkpoint(m, seen) for m in trained]
        return Node(
            "dataset",
            f"{dataset.experiment} {dataset.scope}",
            _facts(self, dataset) | {"rows": dataset.result(DatasetResult).rows},
            edges,
        )

    def _after_checkpoint(self, checkpoint: Manifest, seen: set[tuple[str, str]]) -> Node:
        name = f"{checkpoint.experiment} {checkpoint.scope}"
        if (checkpoint.experiment, checkpoint.digest) in seen:
            return Node("checkpoint", name, {"digest": checkpoint.digest, "see": "above"})
        # equal weights of several experiments, as of a fork, go on differently
        seen.add((checkpoint.experiment, checkpoint.digest))
        edges = []
        for policy in self._sampled_from(checkpoint):
            later = [
                m
                for m in self.of("dataset", experiment=policy.experiment, scope=policy.scope)
                if self.is_current(m)
            ]
            after = [self._after_dataset(m, seen) for m in later]
            edges.append(
                Node("policy", f"{policy.experiment} {policy.scope}", _facts(self, policy), after)
            )
        facts = (
            _facts(self, checkpoint)
            | self._forked(checkpoint)
            | _weights(checkpoint.result(CheckpointResult).weights)
        )
        return Node("checkpoint", name, facts, edges)

    def _sampled_from(self, checkpoint: Manifest) -> Iterator[Manifest]:
        """Yield the rounds that sample from these weights, as a policy or as a teacher."""
        for policy in self.of("policy", digest=checkpoint.digest):
            teacher = policy.result(PolicyResult).teacher
            if (teacher.experiment if teacher else policy.experiment) == checkpoint.experiment:
                yield policy


def _in_parts(sample: dict[str, Any]) -> dict[str, Any]:
    """Return a sample with its completion split into thought and answer, if it has a thought."""
    start = sample.get("answer_start")
    if start is None:
        return sample
    text = sample["completion"]
    parts = {"thought": text[:start], "answer": text[start:]}
    return {
        name: value for name, value in sample.items() if name not in ("completion", "answer_start")
    } | parts


def _completion(facts: dict[str, Any]) -> str:
    """Return the text of a sample, whether it is split into parts or not."""
    return facts.get("completion") or facts.get("thought", "") + facts.get("answer", "")


def _facts(lineage: Lineage, manifest: Manifest) -> dict[str, Any]:
    facts = {"digest": manifest.digest, "finished": manifest.finished, **manifest.versions}
    return facts if lineage.is_current(manifest) else facts | {"superseded": True}


def _weights(weights: WeightsRef) -> dict[str, Any]:
    """Describe where weights are: in the store, in an outside model, or behind a server."""
    match weights:
        case PerMethod():
            return {
                f"weights of {method}": _weights(own)["weights"]
                for method, own in weights.methods.items()
            }
        case StoredCheckpoint():
            below = {"adapter on": _weights(weights.adapter_on)} if weights.adapter_on else {}
            return {"weights": f"checkpoints/{weights.key[:SHORT]}", **below}
        case ServedModel():
            return {
                "served": {
                    name: value
                    for name, value in weights
                    if value and name in ("model", "api", "revision")
                }
            }
        case RandomInit():
            return {"model": str(weights.settings)}
        case PretrainedModel():
            return {"model": weights.model}


def _outcomes(manifest: Manifest) -> dict[str, int]:
    return {name: count for name, count in manifest.counts.items() if count}
