"""The metadata that the Dagster UI shows of a finished stage.

Numbers have the same names in every round, so the UI plots them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from selftrain_assets.dagster.keys import asset_key
from selftrain_assets.dagster.partitions import STORE, identity
from selftrain_assets.dagster.previews import preview, table
from selftrain_assets.dagster.specs import asset_specs
from selftrain_assets.domain.columns import COLUMNS
from selftrain_assets.domain.measurements import Tokenization
from selftrain_assets.domain.weights import StoredCheckpoint
from selftrain_assets.pipeline.recipe import implementation_of
from selftrain_assets.pipeline.results import PolicyResult, ProblemsResult
from selftrain_assets.pipeline.run import BASE, Run, iteration_of, iteration_scope
from selftrain_assets.pipeline.stages import stage_of
from selftrain_assets.recipes.teachers import CheckpointOf
from selftrain_assets.store import Manifest
from selftrain_assets.store.inspection import parents_of
from selftrain_assets.store.tables import schema_of

EVIDENCE_ROWS, DIGITS, HEADLINE = 20, 4, "greedy_accuracy"


def metadata_of(run: Run, manifest: Manifest) -> dict[str, Any]:
    """Return the metadata of a manifest.

    Figure and preview come first, then counts, numbers, timings, digests, paths and links.
    """
    metadata: dict[str, Any] = {}
    for name, shown in preview(run, manifest).items():
        metadata[name] = figure(shown) if isinstance(shown, bytes) else dg.MetadataValue.md(shown)
    metadata |= {name: dg.MetadataValue.int(count) for name, count in manifest.counts.items()}
    own = _own_numbers(run, manifest)
    numbers = sorted(
        (_numbers(manifest.metrics) | own).items(),
        key=lambda item: not item[0].startswith(HEADLINE),
    )
    metadata |= {name: dg.MetadataValue.float(round(value, DIGITS)) for name, value in numbers}
    metadata |= {
        "seconds": dg.MetadataValue.float(manifest.seconds),
        "digest": dg.MetadataValue.text(manifest.digest),
        STORE: dg.MetadataValue.path(identity(run.store.root)),
        "manifest": dg.MetadataValue.path(
            str(run.store.scope(manifest.experiment, manifest.scope) / f"{manifest.stage}.json")
        ),
    }
    if manifest.stage == "problems" and (remarks := manifest.result(ProblemsResult).remarks):
        metadata["left out"] = dg.MetadataValue.text("\n".join(remarks))
    if manifest.tokens:
        metadata["tokens"] = dg.MetadataValue.int(manifest.tokens)
    return metadata | _table(run, manifest) | dict(_links(run, manifest))


def _own_numbers(run: Run, manifest: Manifest) -> dict[str, float]:
    """Return the numbers that the recipe adds."""
    stage, recipe = stage_of(run, manifest), run.config.recipe
    numbers = dict(stage.numbers(manifest.result(stage.result))) if stage.numbers else {}
    answers = implementation_of(recipe).final_answers
    if answers is not None and answers.metric in manifest.metrics:
        numbers |= answers.numbers(manifest.metrics[answers.metric])
    return numbers


def _numbers(  # noqa: C901 - one branch for each kind of number
    metrics: Mapping[str, Any],
) -> dict[str, float]:
    """Flatten estimates into single numbers: greedy_accuracy, greedy_accuracy low, pass@4, ..."""
    flat: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping) and "mean" in value:
            flat |= {
                name: value["mean"],
                f"{name} low": value["low"],
                f"{name} high": value["high"],
            }
        elif name in ("pass_at_k", "maj_at_k"):
            flat |= {f"{name.split('_')[0]}@{k}": v["mean"] for k, v in value.items()}
        elif name in ("methods", "suites"):
            flat |= {
                f"{method} {measure}": number
                for method, measures in value.items()
                for measure, number in _numbers(measures).items()
            }
        elif name == "yields":
            flat |= {
                f"correct {origin} to {method}" if origin != method else f"correct {method}": float(
                    cell["correct"]
                )
                for method, origins in value.items()
                for origin, cell in origins.items()
            }
        elif name == "rows":
            flat |= {
                f"rows {method} from {origin}": float(rows)
                for method, origins in value.items()
                for origin, rows in origins.items()
            }
        elif name in ("mixed", "rows_by_source"):
            flat |= {f"rows of {source}": float(rows) for source, rows in value.items()}
        elif name == "groups":
            flat |= {
                f"{split} accuracy of {group}": e["mean"]
                for split, groups in value.items()
                for group, e in groups.items()
            }
        elif name == "solutions" and value["correct"]:
            flat |= {
                "distinct share of correct": value["distinct"] / value["correct"],
                "mean tokens of correct": value["mean_tokens"],
            }
        elif name == "second_opinion" and value["share"]:
            flat |= {"share that another reading would pass": value["share"]["mean"]}
        elif name == "diversity":
            flat |= {measure.replace("_", " "): float(number) for measure, number in value.items()}
        elif name == "tokenization":
            flat |= {
                f"rows {kind.replace('_', ' ')}": float(value[kind])
                for kind in ("as_drawn", "from_text")
            }
            flat |= {
                f"share tokenized differently, {kind.replace('_', ' ')}": share
                for kind, share in Tokenization(**value).differing().items()
            }
        elif name == "thoughts":
            flat |= {
                "share of unclosed thoughts": value["unclosed"] / value["think"],
                "thoughts ended at the budget": float(value["forced"]),
            }
            for part in ("thought_tokens", "answer_tokens"):
                flat |= {
                    f"{part.replace('_', ' ')} {measure}": number
                    for measure, number in (value[part] or {}).items()
                }
        elif name == "losses" and value:
            flat["final loss"] = value[-1][1]
    return flat


def _table(run: Run, manifest: Manifest) -> dict[str, Any]:
    """Return the size, columns, path and an example query of the stage's table."""
    stage = stage_of(run, manifest)
    if not stage.tables:
        return {}
    main = stage.tables[0]
    record, view = stage.shown_as or (main.record, main.view)
    stored = next((table for table in stage.tables if table.record is record), main)
    file, count, _ = manifest.files[stored.name]
    descriptions = COLUMNS | dict(stored.columns)
    columns = [
        dg.TableColumn(f.name, str(f.type), description=descriptions.get(f.name))
        for f in schema_of(record)
    ]
    return {
        "dagster/row_count": count,
        "dagster/column_schema": dg.TableSchema(columns),
        "table": dg.MetadataValue.path(
            str(run.store.scope(manifest.experiment, manifest.scope) / file)
        ),
        "query": dg.MetadataValue.text(f'selftrain sql "select * from {view} limit 10"'),
    }


def _links(run: Run, manifest: Manifest) -> Iterator[tuple[str, Any]]:
    """Yield the digests of the parents, and links to the assets before and after this one."""
    specs = {spec.name: spec for spec in asset_specs(run.config)}
    for name, digest in manifest.parents.items():
        yield f"parent {name}", dg.MetadataValue.text(digest)
        for _, stage in parents_of(manifest, name):
            if stage in specs and stage != "checkpoint":
                yield f"from {stage}", dg.MetadataValue.asset(asset_key(run.name, stage))
    for child in specs.values():
        if manifest.stage in child.deps:
            yield f"into {child.name}", dg.MetadataValue.asset(asset_key(run.name, child.name))
    if manifest.stage == "policy":
        yield from _origin(
            run.at(iteration_of(manifest.scope)), manifest.result(PolicyResult).origin
        )
    for weights in manifest.references.all_weights():
        if isinstance(weights, StoredCheckpoint):
            yield (
                f"weights {weights.key[:8]}",
                dg.MetadataValue.path(str(run.store.checkpoint(weights.key))),
            )


def _origin(run: Run, origin: str) -> Iterator[tuple[str, Any]]:
    """Yield where the weights of a policy come from.

    Weights of the base or of a checkpoint, perhaps of another experiment, are linked.
    """
    experiment, teacher = run.name, run.config.recipe.sampled_teacher
    if origin == "teacher":
        if not isinstance(teacher, CheckpointOf):
            yield "from", dg.MetadataValue.text(f"teacher {teacher}")
            return
        experiment, origin = teacher.experiment, iteration_scope(teacher.iteration)
    asset = asset_key(experiment, "base" if origin == BASE else "checkpoint")
    yield "from iteration", dg.MetadataValue.text(origin)
    yield "from", dg.MetadataValue.asset(asset)
    if origin != BASE:
        yield (
            "from materialization",
            dg.MetadataValue.url(f"/assets/{'/'.join(asset.path)}?partition={origin}"),
        )


def rows_shown(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return numbers unchanged, and lists of rows as tables; empty lists are left out."""
    shown: dict[str, Any] = {}
    for name, value in evidence.items():
        if not isinstance(value, list):
            shown[name] = value
        elif value:
            shown[name] = dg.MetadataValue.md(
                table(list(value[0]), [list(row.values()) for row in value[:EVIDENCE_ROWS]])
            )
    return shown


def figure(png: bytes) -> dg.MetadataValue:
    """Return an image that the UI shows inline."""
    return dg.MetadataValue.md(f"![figure](data:image/png;base64,{base64.b64encode(png).decode()})")
