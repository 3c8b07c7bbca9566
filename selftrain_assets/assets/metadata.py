"""What the Dagster UI shows of a finished stage. Numbers are named alike in every round, so the UI plots them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import dagster as dg

from selftrain_assets.assets.keys import asset_key
from selftrain_assets.core.types import Problem, Row
from selftrain_assets.recipes.rounds import CheckpointOf
from selftrain_assets.reports.render import markdown_table
from selftrain_assets.stages.run import BASE, Run, iteration_scope
from selftrain_assets.stages.sampling import SAMPLES_OF, open_samples, open_verdicts
from selftrain_assets.store import SHORT, Manifest
from selftrain_assets.store.lineage import Lineage, Node
from selftrain_assets.store.tables import schema_of

PREVIEW_ROWS, PREVIEW_CHARACTERS = 5, 160
LINEAGE_LINES = 40  # of a checkpoint's ancestors; the command shows them all
LINEAGE_FACTS = ("rows", "self", "human", "samples", "pass", "steps", "seed", "engine", "verifier", "model")
MAIN_TABLE = {"problems": ("problems", Problem), "dataset": ("rows", Row)}


def metadata_of(run: Run, manifest: Manifest) -> dict[str, dg.MetadataValue]:
    """Counts, numbers, timings, digests, paths and a preview of one manifest."""
    found: dict[str, Any] = {name: dg.MetadataValue.int(count) for name, count in manifest.counts.items()}
    found |= {name: dg.MetadataValue.float(value) for name, value in _numbers(manifest.metrics).items()}
    found |= {
        "seconds": dg.MetadataValue.float(manifest.seconds),
        "digest": dg.MetadataValue.text(manifest.digest),
        "manifest": dg.MetadataValue.path(str(run.store.scope(manifest.experiment, manifest.scope) / f"{manifest.stage}.json")),
    }
    if manifest.tokens:
        found["tokens"] = dg.MetadataValue.int(manifest.tokens)
    found |= {f"parent {name}": dg.MetadataValue.text(digest) for name, digest in manifest.parents.items()}
    return found | _table(run, manifest) | _special(run, manifest)


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Estimates flattened: greedy_accuracy, greedy_accuracy low, pass@4, ..."""
    flat: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping) and "mean" in value:
            flat |= {name: value["mean"], f"{name} low": value["low"], f"{name} high": value["high"]}
        elif name in ("pass_at_k", "maj_at_k"):
            flat |= {f"{name.split('_')[0]}@{k}": v["mean"] for k, v in value.items()}
        elif name == "methods":
            flat |= {f"{method} {each}": number for method, of in value.items() for each, number in _numbers(of).items()}
        elif name == "yields":
            flat |= {
                f"correct {origin} to {method}" if origin != method else f"correct {method}": float(cell["correct"])
                for method, of in value.items()
                for origin, cell in of.items()
            }
        elif name == "rows":
            flat |= {f"rows {method} from {origin}": float(rows) for method, of in value.items() for origin, rows in of.items()}
    return flat


def _table(run: Run, manifest: Manifest) -> dict[str, Any]:
    if manifest.stage not in MAIN_TABLE:
        return {}
    name, record = MAIN_TABLE[manifest.stage]
    columns = [dg.TableColumn(f.name, str(f.type)) for f in schema_of(record)]
    shown = ("question", "answer", "split") if record is Problem else ("prompt", "completion", "source", "weight", "sample_key")
    with run.store.database() as db:
        db.view("shown", record, [run.store.table(manifest, name)])
        rows = db.execute(f"SELECT {', '.join(shown)} FROM shown LIMIT {PREVIEW_ROWS}")
    return {
        "dagster/row_count": manifest.files[name][1],
        "dagster/column_schema": dg.TableSchema(columns),
        "preview": dg.MetadataValue.md(_markdown(shown, rows)),
    }


def _special(run: Run, manifest: Manifest) -> dict[str, Any]:
    match manifest.stage:
        case "policy":
            return _origin(run, manifest.detail["origin"])
        case "samples":
            return {"dagster/row_count": manifest.counts["samples"]}
        case "verifications" | "rationalizations" | "translations":
            return {
                "dagster/row_count": manifest.counts["verifications"],
                "pass rate": manifest.counts["pass"] / max(1, manifest.counts["verifications"]),
                "preview": dg.MetadataValue.md(_verdicts(run, manifest)),
            }
        case "checkpoint":
            losses = manifest.metrics.get("losses") or []
            return ({"final loss": losses[-1][1]} if losses else {}) | {"lineage": dg.MetadataValue.md(_lineage(run, manifest))}
    return {}


def _origin(run: Run, origin: str) -> dict[str, Any]:
    """Where the weights of a policy are from, linked if they are of the base or of a checkpoint, perhaps of another experiment."""
    experiment, teacher = run.name, run.config.recipe.teacher
    if origin == "teacher":
        if not isinstance(teacher, CheckpointOf):
            return {"from": dg.MetadataValue.text(f"teacher {teacher}")}
        experiment, origin = teacher.experiment, iteration_scope(teacher.iteration)
    asset = asset_key(experiment, "base" if origin == BASE else "checkpoint")
    return {"from iteration": dg.MetadataValue.text(origin), "from": dg.MetadataValue.asset(asset)}


def _lineage(run: Run, manifest: Manifest) -> str:
    """From these weights back to the base, nearest first, and how to ask for more."""

    def lines(node: Node) -> Iterator[list[Any]]:
        if "see" not in node.facts:
            facts = ", ".join(f"{name} {node.facts[name]}" for name in LINEAGE_FACTS if node.facts.get(name))
            yield [node.facts.get("relation", ""), node.kind, node.name, str(node.facts.get("digest", ""))[:SHORT], facts]
            for edge in node.edges:
                yield from lines(edge)

    found = list(islice(lines(Lineage(run.store, run.name).checkpoint(run.name, manifest.scope)), LINEAGE_LINES))
    table = _markdown(("relation", "what", "where", "digest", "facts"), found)
    if "dataset" not in manifest.parents:
        return table
    number = manifest.scope.removeprefix("iter-").lstrip("0")
    ask = f"A row of the dataset, down to prompt, seed and verdict: `selftrain lineage checkpoint {run.name} {number} --row 1`. "
    return f"{table}\n\n{ask}What a sample entered: `selftrain lineage sample KEY --forward`."


def _verdicts(run: Run, manifest: Manifest) -> str:
    """A few right and a few wrong ones, each with its reason."""
    columns = ("prompt", "completion", "outcome", "reason", "sample_key")
    with run.store.database() as db:
        samples = open_samples(run, db, run.need(manifest.scope, SAMPLES_OF[manifest.stage]))
        found = f"SELECT {', '.join(columns)} FROM {open_verdicts(run, db, manifest)} AS v JOIN {samples} AS s ON s.key = v.sample_key"
        rows = [row for test in ("=", "<>") for row in db.execute(f"{found} WHERE outcome {test} 'pass' LIMIT {PREVIEW_ROWS}")]
    return _markdown(("prompt", "completion", "verdict", "reason", "sample_key"), rows)


def _markdown(columns: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        text = " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
        return text if len(text) <= PREVIEW_CHARACTERS else text[:PREVIEW_CHARACTERS] + " ..."

    return markdown_table(columns, [[cell(value) for value in row] for row in rows])


def figure(png: bytes) -> dg.MetadataValue:
    """An inline image."""
    return dg.MetadataValue.md(f"![figure](data:image/png;base64,{base64.b64encode(png).decode()})")
