"""Make the figures of docs/mmst.md.

    python -m benchmarks.mmst_seeds STORE validation | test [SEED ...]

validation
    Accuracy on the validation split of seed 100, by which settings were chosen: a line for each.
test
    Every preset with seeds 0 to 4, or with these SEEDs, so that several processes can share the
    work; docs/mmst-seeds.json and .png are then in STORE/comparisons.

Needs Docker, and about 3 minutes for a preset and seed on one core.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml
from selftrain_assets.recipes.methods import CODE, TEXT

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.config.scaffold import scaffold
from selftrain_assets.pipeline.loop import run_rounds, walk
from selftrain_assets.pipeline.run import Run
from selftrain_assets.reports import summarize
from selftrain_assets.reports.comparison import compare, write_comparison
from selftrain_assets.reports.tables import mean
from selftrain_assets.store import Store

SEEDS = range(5)
ARMS = ("mmst", "mmst_st_size", "st_text", "st_text_k4", "st_code", "mixed_distillation")
EVALUATION = {"samples_per_problem": 1, "pass_at": [1], "majority_at": [1], "train_problems": 0}
TASK = {
    "type": "word_problems",
    "train": 500,
    "human": 80,
    "validation": 300,
    "test": 60,
    "transfer": 0,
    "seed": 100,
}
FORMER = "Q: {question} = {solution} A:"
GRID: dict[str, dict[str, Any]] = {
    "200 steps, former translation prompt": {},
    "400 steps": {"trainer": {"steps": 400, "learning_rate": 0.002}},
    "40 human problems": {"task": TASK | {"human": 40}},
    "today's translation prompt": {"to_text": TEXT.translation},
}


def methods(
    sampled: tuple[str, ...] = ("text", "code"), to_text: str = TEXT.translation
) -> list[dict[str, Any]]:
    text = TEXT.model_copy(update={"translation": to_text})
    return [m.model_copy(update={"sampled": m.name in sampled}).model_dump() for m in (text, CODE)]


def settings(preset: str) -> dict[str, Any]:
    return yaml.safe_load(scaffold(preset))["attributes"]


def arm(name: str, seed: int) -> Experiment:
    values = settings(name.removesuffix("_k4"))
    values |= {"seed": seed, "task": values["task"] | {"seed": seed}}
    if name == "st_text_k4":  # as many texts as MMST draws
        values["recipe"] |= {"methods": methods(("text",))}
    if name == "mixed_distillation":
        values["recipe"] |= {"teacher": {"experiment": f"mmst-seed-{seed}", "iteration": 3}}
    return parse_experiment(values, name)


def test(store: Store, seeds: list[int]) -> None:
    runs = {
        name: [Run(f"{name}-seed-{seed}", arm(name, seed), store) for seed in seeds]
        for name in ARMS
    }
    for of_seed in zip(
        *(runs[name] for name in ("mmst", *(n for n in ARMS if n != "mmst"))), strict=True
    ):
        for run in of_seed:  # the teacher first
            for m in walk(run, range(1, run.config.rounds + 1)):
                print(m.experiment, m.scope, m.stage, f"{m.seconds:.1f} s", flush=True)
    print(
        write_comparison(
            compare(ARMS, list(runs.values())),
            store.root / "comparisons" / f"mmst-seeds-{'-'.join(map(str, seeds))}",
        )
    )


def validation(store: Store) -> None:
    for number, (name, changes) in enumerate(GRID.items()):
        values = settings("mmst") | {"seed": 100, "task": TASK, "evaluation": EVALUATION}
        values["recipe"] |= {"methods": methods(to_text=changes.get("to_text", FORMER))}
        values |= {field: value for field, value in changes.items() if field != "to_text"}
        run = Run(f"mmst-validation-{number}", parse_experiment(values, name), store)
        run_rounds(run, range(1, run.config.rounds + 1))
        points = [point.methods for point in summarize(run).iterations]
        accuracies = [
            [mean(measures[method].validation_accuracy) for method in ("text", "code")]
            for measures in points
        ]
        print(name, *map("/".join, accuracies), flush=True)


if __name__ == "__main__":
    if sys.argv[2:3] not in (["validation"], ["test"]):
        sys.exit(__doc__)
    opened = Store(Path(sys.argv[1]).absolute())
    if sys.argv[2] == "test":
        test(opened, [int(seed) for seed in sys.argv[3:]] or list(SEEDS))
    else:
        validation(opened)
