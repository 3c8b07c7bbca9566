"""The model card: what the model is, what was measured, what it learned from, where it ends, and
how to make it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from selftrain_assets.domain.statistics import INTERVALS
from selftrain_assets.operations.export.cards import Exported, Point, render
from selftrain_assets.pipeline.run import BASE, iteration_scope
from selftrain_assets.recipes.teachers import CheckpointOf, ServedTeacher, Teacher
from selftrain_assets.reports import difficulty, findings, further_tables
from selftrain_assets.reports.tables import Titled, estimated, header
from selftrain_assets.reports.tables import rows as table_rows

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData


def model_card(exported: Exported, figures: Sequence[str]) -> str:
    """README.md of the model; the figures lie beside it."""
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
    """The metrics of the held-out splits, as the hub's model index has them."""
    from huggingface_hub import EvalResult

    task, point = exported.config.task.type, exported.point
    metrics = [("accuracy", "greedy accuracy", "test", point.get("greedy_accuracy"))]
    metrics.append(("accuracy", "greedy accuracy", "transfer", point.get("transfer_accuracy")))
    for name, shown in (("pass_at_k", "pass"), ("maj_at_k", "maj")):
        metrics += [
            (f"{shown}@{k}", f"{shown}@{k}", "test", value) for k, value in point[name].items()
        ]
    return [
        EvalResult(
            "text-generation",
            task,
            f"{task} (of this experiment)",
            kind,
            round(value, 4),
            metric_name=name,
            dataset_split=split,
        )
        for kind, name, split, value in metrics
        if value is not None
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
    """How many rows each training learned from, by scope."""
    stages = exported.capsule["stages"]
    return {
        s["scope"]: s["counts"]["rows"]
        for s in stages
        if s["stage"] == "checkpoint" and "rows" in s["counts"]
    }


NAMES = {
    "greedy_accuracy": "greedy accuracy, test",
    "validation_accuracy": "greedy accuracy, validation",
    "transfer_accuracy": "greedy accuracy, transfer",
    "train_accuracy": "greedy accuracy, training problems (not held out)",
    "pass_at_k": "pass@{k}, test",
    "maj_at_k": "maj@{k}, test",
}


def _against_base(exported: Exported) -> Titled:
    """Each measure of the base and of the exported model, as far as both have it."""
    base, point = exported.summary["baseline"], exported.point
    rows = []
    for name, shown in NAMES.items():
        for k in base[name] if isinstance(base.get(name), dict) else [None]:
            before, after = _with_interval(base, name, k), _with_interval(point, name, k)
            if before is not None and after is not None:
                rows.append([shown.format(k=k), before, after])
    if not exported.iteration:
        return Titled("", ["", "base"], [row[:2] for row in rows])
    gain = estimated(point["gain_over_base"], point["gain_over_base_interval"], "+")
    rows.insert(1, ["paired difference on test", "", gain])
    return Titled("", ["", "base", "this model"], rows)


def _with_interval(point: Point, name: str, k: str | None) -> str | None:
    value, interval = point.get(name), point.get(f"{name}_interval")
    if k is not None and value is not None and interval is not None:
        value, interval = value.get(k), interval.get(k)
    if value is None or interval is None:
        return None
    return estimated(value, interval)
