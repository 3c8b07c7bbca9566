"""Go on from completions that were made elsewhere: judge them, learn the right ones, do a round.

    python examples/foreign_samples.py [completions.jsonl]

Each line has `id`, `question` and `answer` of a problem, and a `completion`.
"""

import json
import sys
from pathlib import Path

import selftrain_assets as st

SIZES = {"train": 16, "human": 0, "validation": 2, "test": 10, "transfer": 2}  # as a trial


def main(path: Path) -> None:
    """Right completions become solutions of the split `human`, which the base is trained on."""
    verdicts = st.verify(path, verifier={"type": "numeric"})
    print(verdicts.to_pandas()[["completion", "outcome", "reason"]])
    rows = st.select(verdicts, cap=1).to_pylist()  # one solution of each problem

    foreign = {line["id"]: line for line in map(json.loads, path.read_text().splitlines())}
    solved = [
        {**foreign[row["problem_id"]], "solution": row["completion"], "split": "human"}
        for row in rows
    ]
    own = st.Experiment(task={"type": "word_problems", **SIZES}).task.load()
    asked = [
        {"id": p.id, "question": p.question, "answer": p.answer, "split": p.split} for p in own
    ]
    problems = Path("foreign-samples.jsonl")
    problems.write_text("".join(json.dumps(problem) + "\n" for problem in [*solved, *asked]))

    experiment = st.Experiment(
        model="embedded",
        rounds=1,
        task={"type": "file", "path": str(problems)},
        recipe={"type": "rest_em", "sampling": {"samples_per_problem": 4, "max_tokens": 40}},
        base={"fine_tune": "human"},
        trainer={"steps": 60, "learning_rate": 0.002},
    )
    report = st.open(experiment, name="foreign-samples").finish(1)
    print("held-out accuracy:", *(f"{accuracy.mean:.2f}" for accuracy in report.accuracy))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("completions.jsonl"))
