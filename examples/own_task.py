"""A task of your own: a function that yields problems.

python examples/own_task.py
"""

from collections.abc import Iterator
from random import Random

import selftrain_assets as st


@st.task(version="1")
def chains(*, problems: int = 60, length: int = 3, seed: int = 0) -> Iterator[st.Problem]:
    """Sums of `length` numbers from 1 to 9. Without a split, some are held out by their ids."""
    random = Random(seed)
    questions: dict[str, int] = {}
    while len(questions) < problems:
        numbers = [random.randint(1, 9) for _ in range(length)]
        questions[" + ".join(map(str, numbers))] = sum(numbers)
    for question, total in questions.items():
        yield st.Problem(id=question.replace(" ", ""), question=question, answer=str(total))


def main() -> None:
    """One round on these problems; the model knows sums of two numbers already."""
    experiment = st.Experiment(
        model="embedded",
        rounds=1,
        task=chains(problems=60, length=3),
        verifier={"type": "numeric"},
        recipe={"type": "rest_em", "sampling": {"samples_per_problem": 4, "max_tokens": 40}},
        trainer={"steps": 30, "learning_rate": 0.002},
    )
    run = st.open(experiment, name="own-task")
    report = run.finish(1)
    print(run.problems().to_pandas()[["id", "split", "question", "answer"]].head())
    for round_, accuracy in enumerate(report.accuracy):
        print(f"round {round_}: held-out accuracy {accuracy.mean:.2f}")


if __name__ == "__main__":
    main()
