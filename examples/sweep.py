"""A sweep: the same experiment with several values of a setting, compared.

    python examples/sweep.py

A sweep of many points belongs into an experiment's file, as `sweep: {grid: {recipe.cap: [1, 4]}}`,
and is run by `selftrain run NAME --sweep --workers 2`.
"""

import selftrain_assets as st

SIZES = {"train": 16, "human": 16, "validation": 2, "test": 10, "transfer": 2}  # as a trial

EXPERIMENT = st.Experiment(
    model="embedded",
    rounds=1,
    task={"type": "word_problems", **SIZES},
    recipe={"type": "rest_em", "sampling": {"samples_per_problem": 4, "max_tokens": 40}},
    base={"fine_tune": "human"},
    trainer={"steps": 30, "learning_rate": 0.002},
)


def main() -> None:
    """How many solutions of a problem should be learnt from?"""
    runs = []
    for cap in (1, 4):
        recipe = EXPERIMENT.recipe.model_copy(update={"cap": cap})
        point = EXPERIMENT.model_copy(update={"recipe": recipe})
        run = st.open(point, name=f"sweep-cap-{cap}")
        run.finish()
        runs.append(run)
    comparison = st.compare(runs)
    print(comparison)


if __name__ == "__main__":
    main()
