"""The card of the rows that a round trained on: what they are, how they were selected, and what each column says."""

from __future__ import annotations

from typing import Any

from selftrain_assets.core.mixing import Mixing
from selftrain_assets.core.selection import Selection
from selftrain_assets.export.cards import Exported, capsule_text, facts, listed, not_covered, pretrained_name, source_table, split_facts
from selftrain_assets.export.rows import COLUMNS, Rows
from selftrain_assets.recipes import Diversification, TriPosT
from selftrain_assets.reports.diversity import diversity_tables
from selftrain_assets.reports.render import markdown_table

TYPES = {"VARCHAR": "string", "BIGINT": "int64", "DOUBLE": "float64"}
SIZES = (("n<1K", 1_000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000), ("100K<n<1M", 1_000_000), ("1M<n<10M", 10_000_000))
LARGEST = "10M<n<100M"
"""Names that the hub has for sizes, each with the number of rows below which it holds."""
EDITED = ("own_from", "max_updates", "max_words", "filters", "ratio", "section_weights", "minimum")
SPLIT = ("budget", "instructions", "power_law")
"""Settings that say which rows trajectories give, and how a budget of rows is split."""


def dataset_card(told: Exported, rows: Rows) -> str:
    """README.md of the dataset."""
    parts = [f"# {told.title}: training rows", _what(told, rows), source_table(rows)]
    parts += ["## How they were selected", _selected(told), _settings(told), *_diversity(told), "## Columns", _columns(rows)]
    parts += ["## Load", f"```python\n{_load(told)}\n```", "## Limits", _limits(told), "## Reproducibility", *capsule_text(told)]
    return f"---\n{_front_matter(told, rows)}\n---\n\n" + "\n\n".join(parts) + "\n"


def _front_matter(told: Exported, rows: Rows) -> str:
    from huggingface_hub import DatasetCardData

    sampled = any(source != "human" for source, *_ in rows.sources)
    return DatasetCardData(
        pretty_name=f"{told.title}: training rows",
        task_categories=["text-generation"],
        size_categories=next((name for name, below in SIZES if rows.rows < below), LARGEST),
        tags=["selftrain", "self-training", told.config.recipe.type, *(["synthetic"] if sampled else [])],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": rows.file}]}],
    ).to_yaml()


def _what(told: Exported, rows: Rows) -> str:
    model = (
        f"[{told.model_id}](https://huggingface.co/{told.model_id})" if told.model_id else "the model in the folder `model` beside this one"
    )
    return (
        f"The {rows.rows:,} rows that round {told.iteration} of a self-training experiment trained on; what came "
        f"of it is {model}. A row is a "
        f"prompt and a completion. Those that were sampled carry the sample's key, seed and policy, and the verdict that let them in.\n\n"
    ) + facts(told, {"Began with": pretrained_name(told)})


def _selected(told: Exported) -> str:
    frozen = next(s for s in reversed(told.capsule["stages"]) if s["stage"] == "dataset")
    counts, recipe = frozen["counts"], told.config.recipe
    if isinstance(recipe, Diversification):
        sources = f", those of {listed([*recipe.mix])} among them" if recipe.mix else ""
        return f"Nothing was sampled: the {counts['rows']:,} rows are worked solutions that came with their problems{sources}."
    sampling = [
        f"{m.sampling.samples_per_problem} per problem at temperature {m.sampling.temperature:g}" + (f" by `{m.name}`" if m.name else "")
        for m in told.run.methods
        if m.sampled
    ]
    if isinstance(told.config.recipe, TriPosT):
        return (
            f"Attempts were drawn {', '.join(sampling)}, {counts['verified']:,} in all, and edited until they were right. Of these "
            f"trajectories come {counts['self'] - counts['improved']:,} rows that were right at once and {counts['improved']:,} that "
            f"correct an attempt, of {counts['problems']:,} problems; {counts['human']:,} rows are reference solutions. What was "
            "retracted is not in it."
        )
    return (
        f"Samples were drawn {', '.join(sampling)}. Of {counts['verified']:,} verified ones {counts['correct']:,} "
        "were correct, and these rules made "
        f"{counts['self']:,} rows of them, of {counts['problems']:,} problems; {counts['human']:,} rows are worked "
        "solutions. What was retracted "
        "is not in it."
    )


def _limits(told: Exported) -> str:
    known = [
        *split_facts(told),
        *not_covered(told.config),
        "Sampled completions are the answers of a model, checked by the verifier and by nothing else.",
        "Licence: none is named. That of the problems, and that of the model which drew the samples, may bind you.",
    ]
    return "\n".join(f"- {text}" for text in known)


def _settings(told: Exported) -> str:
    recipe = told.config.recipe
    known, shown = type(recipe).model_fields, (*Selection.model_fields, *Mixing.model_fields, *EDITED, *SPLIT, "accumulate", "problems")
    fields = {name: known[name] for name in shown if name in known}
    return markdown_table(
        ["setting", "value", "what it says"],
        [[f"`{name}`", _value(getattr(recipe, name)), of.description or ""] for name, of in fields.items()],
    )


def _diversity(told: Exported) -> list[str]:
    """Of this round; nothing where it was not measured."""
    text = (
        "Effective numbers say how many problems, groups or solutions would be as varied if all had as many rows (exp of the entropy of "
        "their shares). Near-duplicates are rows that have another one with nearly the same question and completion"
    )
    among = told.point["diversity"].get("near_duplicates_among")
    return [
        part
        for title, header, rows in diversity_tables({"iterations": [told.point]})
        for part in (f"## {title}", f"{text}, as a share of the {among:,} rows that were compared.", markdown_table(header, rows))
    ]


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else ", ".join(value) if isinstance(value, tuple) else str(value)


def _columns(rows: Rows) -> str:
    return markdown_table(
        ["column", "type", "what it says"], [[f"`{name}`", TYPES.get(kind, kind), COLUMNS[name][1]] for name, kind in rows.types.items()]
    )


def _load(told: Exported) -> str:
    place = f'"{told.dataset_id}"' if told.dataset_id else "str(Path().resolve())"
    imports = "" if told.dataset_id else "from pathlib import Path\n\n"
    where = "" if told.dataset_id else "  # this folder"
    return f'{imports}from datasets import load_dataset\n\nrows = load_dataset({place}, split="train"){where}\nprint(rows[0])'
