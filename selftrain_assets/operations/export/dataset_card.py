"""The dataset card: what the training rows are, how they were selected, and what columns mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from selftrain_assets.domain.mixing import Mixing
from selftrain_assets.domain.selection import Selection
from selftrain_assets.operations.export.cards import Exported, render
from selftrain_assets.operations.export.rows import COLUMNS, Rows
from selftrain_assets.pipeline.recipe import implementation_of
from selftrain_assets.reports.diversity import diversity_tables

if TYPE_CHECKING:
    from huggingface_hub import DatasetCardData

TYPES = {
    "VARCHAR": "string",
    "BIGINT": "int64",
    "DOUBLE": "float64",
    "INTEGER[]": "list of int32",
    "STRUCT(length BIGINT, factor DOUBLE)[]": "list of {length: int64, factor: float64}",
}
"""Types of columns as DuckDB has them, and as the card names them."""
SIZES = (
    ("n<1K", 1_000),
    ("1K<n<10K", 10_000),
    ("10K<n<100K", 100_000),
    ("100K<n<1M", 1_000_000),
    ("1M<n<10M", 10_000_000),
)
LARGEST = "10M<n<100M"
"""Names that the hub has for sizes, each with the number of rows below which it holds."""


def dataset_card(exported: Exported, rows: Rows) -> str:
    """Return the text of the README.md of the dataset."""
    dataset = next(
        stage for stage in reversed(exported.capsule["stages"]) if stage["stage"] == "dataset"
    )
    measured = exported.summary.iterations[-1]
    return render(
        "dataset_card.md.jinja",
        exported,
        metadata=_metadata(exported, rows),
        rows=rows,
        counts=dataset["counts"],
        drawn=_drawn(exported),
        settings=_settings(exported),
        diversity=diversity_tables([measured]),
        compared=measured.diversity.get("near_duplicates_among"),
        columns=[
            [f"`{name}`", TYPES.get(kind, kind), COLUMNS[name]] for name, kind in rows.types.items()
        ],
    )


def _metadata(exported: Exported, rows: Rows) -> DatasetCardData:
    from huggingface_hub import DatasetCardData

    sampled = any(source != "human" for source, *_ in rows.sources)
    return DatasetCardData(
        pretty_name=f"{exported.title}: training rows",
        task_categories=["text-generation"],
        size_categories=next((name for name, below in SIZES if rows.rows < below), LARGEST),
        tags=[
            "selftrain",
            "self-training",
            exported.config.recipe.type,
            *(["synthetic"] if sampled else []),
        ],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": rows.file}]}],
    )


def _drawn(exported: Exported) -> str:
    """Say how many samples were drawn for each problem, by method if there are several."""
    phrases = []
    for method in exported.run.methods:
        if method.sampled:
            phrase = (
                f"{method.sampling.samples_per_problem} per problem at temperature"
                f" {method.sampling.temperature:g}"
            )
            phrases.append(f"{phrase} by `{method.name}`" if method.name else phrase)
    return ", ".join(phrases)


def _settings(exported: Exported) -> list[list[str]]:
    """Return the settings of the recipe that decide which rows a round trains on.

    Each is a list of name, value and description.
    """
    recipe = exported.config.recipe
    own = implementation_of(recipe).selection_settings
    names = [*Selection.model_fields, *Mixing.model_fields, *own, "accumulate", "problems"]
    fields = type(recipe).model_fields
    return [
        [f"`{name}`", _value(getattr(recipe, name)), fields[name].description or ""]
        for name in names
        if name in fields
    ]


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
