"""A verifier of your own: a function that says whether a completion is right.

python examples/own_verifier.py
"""

import re

import selftrain_assets as st

SIZES = {"train": 16, "human": 16, "validation": 2, "test": 10, "transfer": 2}  # as a trial


@st.verifier(version="1")
def last_number(problem: st.Problem, completion: str, *, tolerance: float = 0.0) -> bool:
    """Right if the last number of the completion is within `tolerance` of the answer."""
    numbers = re.findall(r"-?\d+(?:\.\d+)?", completion)
    return bool(numbers) and abs(float(numbers[-1]) - float(problem.answer)) <= tolerance


def main() -> None:
    """One round of ReST-EM in which the function judges."""
    experiment = st.Experiment(
        model="embedded",
        rounds=1,
        task={"type": "word_problems", **SIZES},
        verifier=last_number(tolerance=0.5),
        recipe={"type": "rest_em", "sampling": {"samples_per_problem": 4, "max_tokens": 40}},
        base={"fine_tune": "human"},
        trainer={"steps": 30, "learning_rate": 0.002},
    )
    run = st.open(experiment, name="own-verifier")
    for event in run.rounds(1):
        print(event.iteration, event.stage, dict(event.counts))
    verdicts = run.verdicts(1).to_pandas()
    print(verdicts[["completion", "outcome", "reason"]].head())
    print(verdicts["outcome"].value_counts())


if __name__ == "__main__":  # the function is run in worker processes, which import this file
    main()
