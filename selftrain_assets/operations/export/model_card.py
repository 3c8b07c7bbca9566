"""The model card: what the model is, its measurements, training data, limits and provenance."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING

from selftrain_assets.domain.statistics import INTERVALS
from selftrain_assets.operations.export.cards import Exported, render
from selftrain_assets.pipeline.run import BASE, iteration_scope
from selftrain_assets.recipes.teachers import CheckpointOf, ServedTeacher, Teacher
from selftrain_assets.reports import difficulty, findings, further_tables
from selftrain_assets.reports.tables import Titled, estimated, header
from selftrain_assets.reports.tables import rows as table_rows

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData


def model_card(exported: Exported, figures: Sequence[str]) -> str:
    """Return the text of the README.md of the model; the figures are files beside it."""
    summary, method = exported.summary, exported.run.methods[0]
    problem = (exported.run.split("train") or exported.run.problems)[0]
    trained = _trained_rows(exported)
    return render(
        "model_card.md.jinja",
        exported,
        metadata=_metadata(exported),
        teacher=_teacher(exported.config.recipe.teachers.get("recipe.teacher")),
        weights=exported.weights[0],
        method_folders=[f"`{weights.method}/`" for weights in exported.weights if weights.method],
        findings=findings(summary),
        figures=figures,
        intervals=INTERVALS,
        measured=_against_base(exported),
        by_round=Titled("", header(summary), table_rows(summary)),
        difficulty=difficulty(summary),
        sections=further_tables(summary),
        method=method,
        prompt=method.prompt.template.replace("{answer}", problem.answer).replace(
            "{question}", problem.question
        ),
        base_rows=trained.get(BASE),
        round_rows=[trained[iteration_scope(i)] for i in range(1, exported.iteration + 1)],
    )


def _metadata(exported: Exported) -> ModelCardData:
    from huggingface_hub import ModelCardData

    adapter = exported.weights[0].kind == "adapter"
    return ModelCardData(
        base_model=exported.pretrained.name if exported.pretrained else None,
        base_model_relation=("adapter" if adapter else "finetune") if exported.pretrained else None,
        library_name="peft" if adapter else "transformers",
        pipeline_tag="text-generation",
        license=exported.license,
        tags=[
            "selftrain",
            "self-training",
            exported.config.recipe.type,
            *(["lora"] if adapter else []),
        ],
        datasets=[exported.dataset_id] if exported.dataset_id else None,
        model_name=exported.title,
        eval_results=_eval_results(exported),
    )


def _eval_results(exported: Exported) -> list[EvalResult]:
    """Return the metrics of the held-out splits for the hub's model index."""
    from huggingface_hub import EvalResult

    task, policy = exported.config.task.type, exported.policy
    metrics = [("accuracy", "greedy accuracy", "test", policy.greedy_accuracy)]
    if policy.transfer_accuracy:
        metrics.append(("accuracy", "greedy accuracy", "transfer", policy.transfer_accuracy))
    for name, by_k in (("pass", policy.pass_at_k), ("maj", policy.maj_at_k)):
        metrics += [
            (f"{name}@{k}", f"{name}@{k}", "test", estimate) for k, estimate in by_k.items()
        ]
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type=task,
            dataset_name=f"{task} (of this experiment)",
            dataset_split=split,
            metric_type=kind,
            metric_name=name,
            metric_value=round(estimate.mean, 4),
        )
        for kind, name, split, estimate in metrics
        if not isnan(estimate.mean)
    ]


def _teacher(teacher: Teacher | None) -> str | None:
    if teacher is None:
        return None
    if isinstance(teacher, CheckpointOf):
        return f"round {teacher.iteration} of {teacher.experiment}"
    return (
        f"`{teacher.model}`, asked through a server"
        if isinstance(teacher, ServedTeacher)
        else f"`{teacher}`"
    )


def _trained_rows(exported: Exported) -> dict[str, int]:
    """Return the number of rows that each training used, by scope."""
    stages = exported.capsule["stages"]
    return {
        s["scope"]: s["counts"]["rows"]
        for s in stages
        if s["stage"] == "checkpoint" and "rows" in s["counts"]
    }


ACCURACIES = {
    "greedy_accuracy": "greedy accuracy, test",
    "validation_accuracy": "greedy accuracy, validation",
    "transfer_accuracy": "greedy accuracy, transfer",
    "train_accuracy": "greedy accuracy, training problems (not held out)",
}


def _against_base(exported: Exported) -> Titled:
    """Return a table of each measure that both the base and the exported model have."""
    base, policy = exported.summary.base, exported.policy
    pairs = {
        shown: (getattr(base, name), getattr(policy, name)) for name, shown in ACCURACIES.items()
    }
    pairs |= {
        f"pass@{k}, test": (before, policy.pass_at_k.get(k)) for k, before in base.pass_at_k.items()
    }
    pairs |= {
        f"maj@{k}, test": (before, policy.maj_at_k.get(k)) for k, before in base.maj_at_k.items()
    }
    rows = [
        [shown, estimated(before), estimated(after)]
        for shown, (before, after) in pairs.items()
        if before and after
    ]
    if not exported.iteration:
        return Titled("", ["", "base"], [row[:2] for row in rows])
    rows.insert(1, ["paired difference on test", "", estimated(policy.gain_over_base, "+")])
    return Titled("", ["", "base", "this model"], rows)
