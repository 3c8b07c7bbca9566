"""What the model card and the dataset card have in common.

Their text is in the templates beside this module.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.domain.quality_checks import HELD_OUT_APART, NEAR_COPIES
from selftrain_assets.domain.types import HELD_OUT
from selftrain_assets.operations.export.rows import Rows
from selftrain_assets.operations.export.weights import HubModel, Weights
from selftrain_assets.pipeline.run import Run, iteration_scope
from selftrain_assets.pipeline.stages import check, row_sources
from selftrain_assets.reports.render import markdown_templates
from selftrain_assets.reports.summary import PolicySummary, Summary
from selftrain_assets.reports.tables import Titled
from selftrain_assets.tasks import ProblemFile
from selftrain_assets.verifiers import with_members


@dataclass(frozen=True, slots=True)
class Exported:
    """An export, as the templates of the cards see it.

    Attributes:
        run: The experiment.
        iteration: The exported round; 0 is the base.
        weights: The weights as they were written.
        rows: The training rows as they were written; None if they were left out.
        summary: The numbers of the report.
        capsule: The reproducibility capsule.
        model_id: Name of the model on the hub, if it is pushed.
        dataset_id: Name of the dataset on the hub, if it is pushed.
        pretrained: The model that training began with, if it is on the hub.
        license: The licence of that model, if it is known.
    """

    run: Run
    iteration: int
    weights: Sequence[Weights]
    rows: Rows | None
    summary: Summary
    capsule: dict[str, Any]
    model_id: str | None = None
    dataset_id: str | None = None
    pretrained: HubModel | None = None
    license: str | None = None

    @property
    def config(self) -> Experiment:
        return self.run.config

    @property
    def policy(self) -> PolicySummary:
        """The measurements of this round, or of the base."""
        return self.summary.course[-1]

    @property
    def title(self) -> str:
        return (
            f"{self.run.name}, round {self.iteration}"
            if self.iteration
            else f"{self.run.name}, base"
        )

    @property
    def sampled(self) -> bool:
        """Whether the rounds of this recipe sample at all."""
        return "samples" in self.config.recipe.stages


def render(template: str, exported: Exported, **values: object) -> str:
    """Render the template of a card.

    Args:
        template: Name of the template.
        exported: The export, which the template reads.
        **values: Further values for the template.
    """
    folder = Path(inspect.getfile(type(exported.config.recipe))).parent
    return (
        markdown_templates(__package__, folder)
        .get_template(template)
        .render(
            exported=exported,
            **_facts(exported),
            **held_out(exported),
            **_reproducibility(exported.capsule),
            **values,
        )
    )


def _facts(exported: Exported) -> dict[str, object]:
    """Return the descriptions of the task, the verifier and the recipe."""
    config = exported.config
    task, recipe = config.task, config.recipe
    about = (
        f"the problems of {Path(task.path).name}" if isinstance(task, ProblemFile) else _about(task)
    )
    verifiers = {verifier.type: verifier for verifier in with_members(config.verifiers())}
    return {
        "config": config,
        "summary": exported.summary,
        "task_text": f"`{task.type}`: {about}",
        "verifier_text": "; ".join(
            f"`{name}`: {_about(verifier).rstrip('.')}" for name, verifier in verifiers.items()
        ),
        "recipe_text": f"`{recipe.type}`: {_about(recipe)}",
        "not_covered": not_covered(config),
        "sources": source_table(exported.rows) if exported.rows else None,
    }


def _about(settings: object) -> str:
    """Return the first paragraph of the docstring of a settings class."""
    return " ".join((inspect.getdoc(type(settings)) or "").partition("\n\n")[0].split())


def not_covered(config: Experiment) -> list[str]:
    """Return sentences on what the verifiers and the task do not cover."""
    parts: dict[str, object] = {
        f"verifier `{verifier.type}`": verifier for verifier in with_members(config.verifiers())
    }
    parts[f"task `{config.task.type}`"] = config.task
    sentences = []
    for name, settings in parts.items():
        _, marker, left_out = " ".join((inspect.getdoc(type(settings)) or "").split()).partition(
            "Not covered: "
        )
        if marker:
            sentences.append(f"Not covered by the {name}: {left_out}")
    return sentences


def source_table(rows: Rows) -> Titled:
    """Return a table of the rows by source, round and method."""
    by_method = any(method for _, _, method, _, _ in rows.sources)
    cells = []
    meanings = row_sources()
    for source, iteration, method, count, problems in rows.sources:
        of_method = [method or ""] if by_method else []
        cells.append(
            [
                source,
                str(iteration),
                *of_method,
                f"{count:,}",
                f"{problems:,}",
                meanings[source].meaning,
            ]
        )
    return Titled(
        "",
        ["source", "round", *(["method"] if by_method else []), "rows", "problems", "what it is"],
        cells,
    )


def held_out(exported: Exported) -> dict[str, object]:
    """Return the splits that the rows are from, and the held-out text that was found in them."""
    if exported.rows is None:
        return {}
    dataset = exported.run.need(iteration_scope(exported.iteration), "dataset")
    checks = [c for c in check(exported.run, dataset) if c.name in (HELD_OUT_APART, NEAR_COPIES)]
    return {
        "splits": [f"`{split}` ({count:,})" for split, count in exported.rows.splits],
        "leaked": [split for split, _ in exported.rows.splits if split in HELD_OUT],
        "held_out_splits": HELD_OUT,
        "held_out_checks": [c.message[0].upper() + c.message[1:] for c in checks],
    }


COUNTS = (
    "samples",
    "reused",
    "verifications",
    "pass",
    "wrong",
    "malformed",
    "rows",
    "optimizer_steps",
    "train",
    "human",
    "validation",
    "test",
    "transfer",
)
"""Counts of a stage that a card shows."""


def _reproducibility(capsule: dict[str, Any]) -> dict[str, object]:
    """Return the parts of the capsule that the card shows."""
    stages = capsule["stages"]
    return {
        "capsule": capsule,
        "problems_digest": next(
            stage["digest"][:12] for stage in stages if stage["stage"] == "problems"
        ),
        "stage_rows": [_stage_row(stage) for stage in stages],
        "duration": _duration(sum(stage["seconds"] for stage in stages)),
    }


def _stage_row(stage: dict[str, Any]) -> list[str]:
    counts = [
        f"{count:,} {name.replace('_', ' ')}"
        for name, count in stage["counts"].items()
        if name in COUNTS and count
    ]
    tokens = f"{stage['tokens']:,}" if stage["tokens"] else ""
    return [
        stage["scope"],
        stage["stage"],
        f"`{stage['digest'][:12]}`",
        ", ".join(counts),
        tokens,
        f"{stage['seconds']:.1f}",
    ]


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} hours" if seconds >= 3600 else f"{seconds:,.0f} seconds"
