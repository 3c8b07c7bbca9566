"""The model card: what the model is, what was measured, what it learned from, where it ends, and how to make it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from selftrain_assets.core.statistics import INTERVALS
from selftrain_assets.export.cards import (
    Exported,
    Point,
    capsule_text,
    facts,
    listed,
    not_covered,
    pretrained_name,
    source_table,
    split_facts,
)
from selftrain_assets.export.weights import HubModel, Weights
from selftrain_assets.recipes import Diversification
from selftrain_assets.recipes.rounds import Rounds
from selftrain_assets.recipes.teachers import CheckpointOf, ServedTeacher
from selftrain_assets.reports import difficulty, findings, further_tables
from selftrain_assets.reports.render import markdown_table
from selftrain_assets.reports.tables import estimated, header
from selftrain_assets.reports.tables import rows as table_rows
from selftrain_assets.stages.run import BASE, iteration_scope


def model_card(told: Exported, figures: Sequence[str]) -> str:
    """README.md of the model; the figures lie beside it."""
    parts = [f"# {told.title}", _what(told)]
    parts += ["## Results", findings(told.summary), *(f"![{name}]({name}.png)" for name in figures), *_results(told)]
    parts += [
        "## Use",
        *_use(told),
        "## Training data",
        *_training_data(told),
        "## Limits",
        _limits(told),
        "## Reproducibility",
        *capsule_text(told),
    ]
    return f"---\n{_front_matter(told)}\n---\n\n" + "\n\n".join(parts) + "\n"


def _front_matter(told: Exported) -> str:
    from huggingface_hub import ModelCardData

    adapter = told.weights[0].kind == "adapter"
    data = ModelCardData(
        base_model=told.pretrained.name if told.pretrained else None,
        base_model_relation=("adapter" if adapter else "finetune") if told.pretrained else None,
        library_name="peft" if adapter else "transformers",
        pipeline_tag="text-generation",
        license=told.license,
        tags=["selftrain", "self-training", told.config.recipe.type, *(["lora"] if adapter else [])],
        datasets=[told.dataset_id] if told.dataset_id else None,
        model_name=told.title,
        eval_results=_eval_results(told),
    )
    return data.to_yaml()


def _eval_results(told: Exported) -> list[Any]:
    """The metrics of the held-out splits, as the hub's model index has them."""
    from huggingface_hub import EvalResult

    task = told.config.task.type
    splits = {"greedy_accuracy": "test", "transfer_accuracy": "transfer"}
    found = [("accuracy", "greedy accuracy", split, told.point[name]) for name, split in splits.items() if told.point.get(name) is not None]
    for name, shown in (("pass_at_k", "pass"), ("maj_at_k", "maj")):
        found += [(f"{shown}@{k}", f"{shown}@{k}", "test", value) for k, value in told.point[name].items() if value is not None]
    return [
        EvalResult("text-generation", task, f"{task} (of this experiment)", kind, round(value, 4), metric_name=shown, dataset_split=split)
        for kind, shown, split, value in found
    ]


# -- what it is --------------------------------------------------------------------------------------------------------


def _what(told: Exported) -> str:
    rounds = "one round" if told.iteration == 1 else f"{told.iteration} rounds"
    recipe = told.config.recipe
    if isinstance(recipe, Diversification) and told.iteration:
        return _began("A language model fine-tuned on worked solutions of the training problems.", told)
    teacher = recipe.teacher if isinstance(recipe, Rounds) else None
    whose = f"of a teacher, {_teacher(teacher)}" if teacher else "of its own"
    first = (
        f"A language model after {rounds} of training on answers {whose} that a verifier found right. In each "
        "round answers to the training "
        "problems were sampled and judged, and the model was fine-tuned on right ones."
        if told.iteration
        else "The base of a self-training experiment: what its rounds begin with, and what their gains are measured against."
    )
    return _began(first, told)


def _began(first: str, told: Exported) -> str:
    fine_tuned = "; fine-tuned on worked solutions before the first round" if told.config.base.fine_tune == "human" else ""
    return f"{first}\n\n" + facts(told, {"Began as": pretrained_name(told) + fine_tuned, "Weights": _weights(told)})


def _teacher(teacher: str | CheckpointOf | ServedTeacher) -> str:
    if isinstance(teacher, CheckpointOf):
        return f"round {teacher.iteration} of {teacher.experiment}"
    return f"`{teacher.model}`, asked through a server" if isinstance(teacher, ServedTeacher) else f"`{teacher}`"


def _weights(told: Exported) -> str:
    kind = {
        "full": "Whole",
        "merged": "Whole; they were trained as a LoRA adapter, which is merged into them here",
        "adapter": "A LoRA adapter" + (", beside the model that it belongs on" if isinstance(told.weights[0].base, str) else ""),
    }[told.weights[0].kind]
    methods = [f"`{w.method}/`" for w in told.weights if w.method]
    return kind + (f"; each method has its own, in {listed(methods)}" if methods else "")


# -- results -----------------------------------------------------------------------------------------------------------


def _results(told: Exported) -> list[str]:
    base, point, confidence = told.summary["baseline"], told.point, told.config.evaluation.confidence
    settings = told.config.evaluation
    parts = [
        f"Every number with its {confidence:.0%} interval over problems: {INTERVALS}. pass@k and maj@k are of "
        f"{settings.samples_per_problem} samples per problem{' and method' if told.config.recipe.methods else ''} at temperature "
        f"{settings.temperature:g}, top-p {settings.top_p:g}.",
        markdown_table(["", "base", *(["this model"] if told.iteration else [])], _against_base(base, point, bool(told.iteration))),
    ]
    if told.iteration:
        parts += ["### By round", markdown_table(header(told.summary), table_rows(told.summary)), *difficulty(told.summary)]
    for title, columns, cells in further_tables(told.summary):
        parts += [f"### {title}", markdown_table(columns, cells)]
    return parts


NAMES = {
    "greedy_accuracy": "greedy accuracy, test",
    "validation_accuracy": "greedy accuracy, validation",
    "transfer_accuracy": "greedy accuracy, transfer",
    "train_accuracy": "greedy accuracy, training problems (not held out)",
    "pass_at_k": "pass@{k}, test",
    "maj_at_k": "maj@{k}, test",
}


def _against_base(base: Point, point: Point, trained: bool) -> list[list[str]]:
    cells = []
    for name, shown in NAMES.items():
        for k in base[name] if isinstance(base.get(name), dict) else [None]:
            found = [cell for each in (base, point) if (cell := _with_interval(each, name, k)) is not None]
            if len(found) == 2:
                cells.append([shown.format(k=k), *(found if trained else found[:1])])
    if trained:
        cells.insert(1, ["paired difference on test", "", estimated(point["gain_over_base"], point["gain_over_base_interval"], "+")])
    return cells


def _with_interval(point: Point, name: str, k: str | None) -> str | None:
    value, interval = point.get(name), point.get(f"{name}_interval")
    if k is not None and value is not None and interval is not None:
        value, interval = value.get(k), interval.get(k)
    if value is None or interval is None:
        return None
    return estimated(value, interval)


# -- use ---------------------------------------------------------------------------------------------------------------


def _use(told: Exported) -> list[str]:
    method = told.run.methods[0]
    problem = (told.run.split("train") or told.run.problems)[0]
    shown = [
        "The prompts that it was trained on look like the one below; other prompts were not tried."
        + (f" {method.few_shot} solved problems came before the question, which are left out here." if method.few_shot else "")
    ]
    if told.weights[0].method:
        shown.append(f"This loads the weights of `{method.name}`:")
    stop = f", stop_strings={[*method.sampling.stop]!r}, tokenizer=tokenizer" if method.sampling.stop else ""
    prompt = method.prompt.template.replace("{answer}", problem.answer).replace("{question}", problem.question)
    code = [*_loading(told, told.weights[0]), f"prompt = {prompt!r}", 'inputs = tokenizer(prompt, return_tensors="pt")']
    code += [
        "found = model.generate(input_ids=inputs.input_ids, attention_mask=inputs.attention_mask, do_sample=False, "
        f"max_new_tokens={method.sampling.max_tokens}{stop})",
        "print(tokenizer.decode(found[0, inputs.input_ids.shape[1]:], skip_special_tokens=True))",
    ]
    return [*shown, "```python\n" + "\n".join(code) + "\n```"]


def _loading(told: Exported, weights: Weights) -> list[str]:
    """Code that loads tokenizer and model; from an absolute path, since transformers looks for a subfolder of "." in the wrong place."""
    imports = ["" if told.model_id else "from pathlib import Path\n", "from peft import PeftModel" if weights.kind == "adapter" else ""]
    place = f'place = "{told.model_id}"' if told.model_id else "place = Path().resolve()  # this folder"
    within = f', subfolder="{weights.folder}"' if weights.folder else ""
    load = "AutoModelForCausalLM.from_pretrained"
    code = [line for line in imports if line]
    code += [
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n",
        place,
        f"tokenizer = AutoTokenizer.from_pretrained(place{within})",
    ]
    if weights.kind != "adapter":
        return [*code, f"model = {load}(place{within})"]
    if isinstance(weights.base, HubModel):
        below = f'{load}("{weights.base.name}"' + (f', revision="{weights.base.revision}")' if weights.base.revision else ")")
    else:
        below = f'{load}(place, subfolder="{weights.base}")'
    return [*code, f"base = {below}", f"model = PeftModel.from_pretrained(base, place{within})"]


# -- training data and limits ------------------------------------------------------------------------------------------


def _training_data(told: Exported) -> list[str]:
    trained = {s["scope"]: s["counts"]["rows"] for s in told.capsule["stages"] if s["stage"] == "checkpoint" and "rows" in s["counts"]}
    base = f"The base was fine-tuned on {trained[BASE]:,} rows, worked solutions of the split `human`." if BASE in trained else ""
    if not told.iteration:
        return [base]
    start = {"base": "from the base", "pretrained": "from the pretrained model", "previous": "on from the round before"}[
        told.config.recipe.start
    ]
    of_round = [f"{trained[iteration_scope(i)]:,}" for i in range(1, told.iteration + 1)]
    numbers = f"on {of_round[0]} rows" if told.iteration == 1 else f"on {listed(of_round)} rows, round by round"
    text = f"{base} Each round trains {start}: {numbers}.".strip()
    if told.rows is None:
        return [f"{text} The rows are not handed on with the model."]
    where = (
        f"[{told.dataset_id}](https://huggingface.co/datasets/{told.dataset_id})"
        if told.dataset_id
        else "the folder `dataset` beside this one"
    )
    return [f"{text} Those of round {told.iteration} are in {where}, each with its sample, seed and verdict:", source_table(told.rows)]


def _limits(told: Exported) -> str:
    tests = told.summary["baseline"]["test_problems"]
    licence = (
        f"Licence: {told.license} is that of the model that it began with, as its card says. The training data name none."
        if told.license
        else "Licence: not known, since the model that it began with has no card here that names one. Settle it before you publish this."
    )
    known = [
        f"Measured on this task alone, on {tests} problems of the split `test`, with prompts like the one above. "
        "Nothing else was measured: "
        "neither other tasks nor safety nor bias.",
        *split_facts(told),
        *not_covered(told.config),
        "Every round is measured on the same test problems. To pick the best round by them gives a figure that is too good.",
        "One seed: the intervals are over problems and do not say how much another run would differ.",
        "What the model that it began with gets wrong, this one may get wrong too.",
        licence,
    ]
    return "\n".join(f"- {text}" for text in known)
