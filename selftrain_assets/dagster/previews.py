"""Previews of a stage for the UI: a few of its records, and its figure.

They are Markdown or PNG; this module does not import Dagster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from selftrain_assets.operations.lineage import Lineage, Node
from selftrain_assets.pipeline.evaluation import EVALUATION
from selftrain_assets.pipeline.run import Run
from selftrain_assets.pipeline.stage import Bars
from selftrain_assets.pipeline.stages import stage_of
from selftrain_assets.pipeline.training import CHECKPOINT
from selftrain_assets.reports.figures import bars, measured
from selftrain_assets.reports.reading import summarize
from selftrain_assets.reports.render import markdown_table
from selftrain_assets.store import SHORT, Manifest

CHARACTERS = 160  # of a cell
LINEAGE_LINES = 40  # of a checkpoint's ancestors; the command shows them all
LINEAGE_FACTS = (
    "rows",
    "self",
    "human",
    "samples",
    "pass",
    "steps",
    "seed",
    "engine",
    "verifier",
    "model",
)
Preview = dict[str, str | bytes]


def preview(run: Run, manifest: Manifest) -> Preview:
    """Return the preview that a stage defines, by name.

    A checkpoint shows its lineage, and an evaluation the accuracy of all rounds so far.
    """
    stage = stage_of(run, manifest)
    if stage.name == CHECKPOINT.name:
        return _checkpoint(run, manifest)
    if stage.name == EVALUATION.name:
        return _evaluation(run, manifest)
    if stage.preview is None:
        return {}
    return {
        name: (
            bars(shown.title, dict(shown.values), shown.axis)
            if isinstance(shown, Bars)
            else table(shown.columns, shown.rows)
        )
        for name, shown in stage.preview(run, manifest).items()
    }


def _checkpoint(run: Run, manifest: Manifest) -> Preview:
    """Return the lineage from these weights back to the base, nearest first.

    It also says which command shows more.
    """

    def lines(node: Node) -> Iterator[list[Any]]:
        if "see" not in node.facts:
            facts = ", ".join(
                f"{name} {node.facts[name]}" for name in LINEAGE_FACTS if node.facts.get(name)
            )
            yield [
                node.facts.get("relation", ""),
                node.kind,
                node.name,
                str(node.facts.get("digest", ""))[:SHORT],
                facts,
            ]
            for edge in node.edges:
                yield from lines(edge)

    root = Lineage(run.store, run.name).checkpoint(run.name, manifest.scope)
    ancestors = list(islice(lines(root), LINEAGE_LINES))
    lineage = table(("relation", "what", "where", "digest", "facts"), ancestors)
    if "dataset" not in manifest.parents:
        return {"lineage": lineage}
    number = manifest.scope.removeprefix("iter-").lstrip("0")
    commands = (
        "To trace a row to its prompt, seed and verdict:"
        f" `selftrain lineage checkpoint {run.name} {number} --row 1`."
        " To see what used a sample: `selftrain lineage sample KEY --forward`."
    )
    return {"lineage": f"{lineage}\n\n{commands}"}


def _evaluation(run: Run, manifest: Manifest) -> Preview:
    summary = summarize(run)
    return {"figure": measured(summary)} if summary.baseline else {}


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table, with long texts cut."""

    def cell(value: Any) -> str:
        text = " ".join(str("" if value is None else value).split())
        return text if len(text) <= CHARACTERS else text[:CHARACTERS] + " ..."

    return markdown_table(columns, [[cell(value) for value in row] for row in rows])
